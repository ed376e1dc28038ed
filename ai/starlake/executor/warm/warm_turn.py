"""The turn of one command at a server: start it if there is none, pass the command on, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import cleaning_up
from ai.starlake.executor.process.supervision import CommandContext, OnLine, require_wanted
from ai.starlake.executor.process.watchdog import MARK
from ai.starlake.executor.warm.discovery import CommandFile, ScopeFolder, ServerEnd, ServerSlot
from ai.starlake.executor.warm.launch import WarmLaunch
from ai.starlake.executor.warm.warm_client import (
    ConnectionLostError,
    RequestRefusedError,
    SilentServerError,
    WarmClient,
    environment_mismatch,
    untrusted_result,
)
from ai.starlake.executor.warm.warm_frames import FrameError, WarmHello, WarmRequest
from ai.starlake.executor.warm.warm_server import Owner, WarmDoubtError, WarmServer, WarmStatus, doubting, last_lines
from ai.starlake.executor.warm.warm_settings import WarmSettings

_STATUS_EVERY = 60.0
"""Seconds between two messages about the memory of a server."""
_RETRY_AFTER = 600.0
"""Seconds after which a server that did not start is tried again, in a long-lived scope."""
_EXIT_WITHIN = 60.0
"""Seconds that a virtual machine may take to end after a command has ended it: its shutdown hooks run."""
_SOON = 1.0
"""Seconds to wait for the end of a server that did not answer before a command."""
_TRIES = 2
_MEGABYTE = 1_000_000


@dataclass
class WarmTurn:
    """The turn of one command at a slot, whose lock this process holds.

    Args:
        context: The context of the command.
        settings: Start-up and lifetime of servers.
        scope: The folder of the servers of its scope.
        slot: The slot.
        launch: The launch of a server for it.
        owner: The process whose end ends the server.
        death_fd: A file descriptor that becomes readable when the command is no longer wanted.
        silence: Seconds without a heartbeat after which a server counts as dead.
        status: The server, once it has run the command.
    """

    context: CommandContext
    settings: WarmSettings
    scope: ScopeFolder
    slot: ServerSlot
    launch: WarmLaunch
    owner: Owner
    death_fd: int | None
    silence: float
    status: WarmStatus | None = None

    def run(self, request: WarmRequest, on_line: OnLine) -> int:
        """Run a command.

        Raises:
            WarmDoubtError: If it did not begin.
            StarlakeError: If its result cannot be trusted.
        """
        with ExitStack() as stack:
            for last in range(1, _TRIES + 1):
                server = self._server()
                # processes that the command starts carry the mark of the server too
                marked = replace(request, environment={**request.environment, MARK: server.file.mark})
                with cleaning_up(server.interrupt), self._remembering():
                    hello = server.wait(self.settings.start_timeout, partial(require_wanted, self.death_fd))
                    # when it was found, its guard may not have recorded its process
                    server = server.current()
                    client = self._prepared(server, hello, marked, stack, may_retry=last < _TRIES)
                if client is not None:
                    return self._run(server, client, marked, on_line)
        raise AssertionError  # the last attempt either has a client or raises

    def _server(self) -> WarmServer:
        with self._remembering(), doubting():
            server = WarmServer.find(self.slot, self.context.execution.report.info)
            if server is not None:
                return server
            known = self.scope.remembered(self.launch.fingerprint, time.time())
            if known is not None:
                raise WarmDoubtError(known)
            with cleaning_up(self._end_unfinished, unless=WarmDoubtError):
                return WarmServer.start(self.slot, self.launch, self.owner, self.settings)

    def _end_unfinished(self) -> None:
        """End a server whose start was interrupted."""
        file = self.slot.read()
        if file is not None:
            WarmServer(self.slot, file).end()

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """Record the obstacle to starting servers: not every command has to find out."""
        try:
            yield
        except WarmDoubtError as doubt:
            if doubt.lasting:
                with suppress(OSError):
                    reason = self.context.mask(doubt.reason)
                    self.scope.remember(self.launch.fingerprint, reason, time.time() + _RETRY_AFTER)
            raise

    def _prepared(
        self, server: WarmServer, hello: WarmHello | None, request: WarmRequest, stack: ExitStack, *, may_retry: bool
    ) -> WarmClient | None:
        """Send a command to a server, up to the point where it would begin; None if the server has ended."""
        if hello is None:
            self._give_up(server, "has ended: its guard was killed, or its file was removed", may_retry=may_retry)
            return None
        try:
            client = WarmClient(hello.port, server.file.token, death_fd=self.death_fd, silence=self.silence)
            stack.enter_context(client)
            hello = client.greet()
            if hello.pid != server.file.process.pid:
                raise WarmDoubtError("another process answers for the warm server", lasting=True)
            client.prepare(request)
        except (OSError, ConnectionLostError):
            self._give_up(server, f"has ended: {server.how_it_ended(_SOON) or 'nobody saw how'}", may_retry=may_retry)
            return None
        except RequestRefusedError as refusal:  # no other process uses it: it is broken
            self._give_up(server, f"refused the command: {refusal.reason}", may_retry=may_retry)
            return None
        self._tell_start(server, hello)
        return client

    def _give_up(self, server: WarmServer, what: str, *, may_retry: bool) -> None:
        server.end()
        if not may_retry:
            raise WarmDoubtError(f"the warm server {what}", lasting=True)
        self.context.execution.report.info(
            self.context.mask(f"the warm server (process {server.file.process.pid}) {what}; another one is started")
        )

    def _run(self, server: WarmServer, client: WarmClient, request: WarmRequest, on_line: OnLine) -> int:
        """Run a prepared command. From here on it has begun: it never runs again."""
        command = CommandFile(
            request.environment.get("SL_JOB_ID", ""),
            request.environment.get("SL_ROOT") or request.folder,
            request.arguments[0] if request.arguments else "",
            server.file.process,
        )
        with cleaning_up(server.interrupt):
            with doubting():
                self.slot.write_command(command)
            try:
                end = client.go(on_line)
            except ConnectionLostError:
                return self._crashed(server, on_line)
            except SilentServerError:
                raise _silent(server, self.silence) from None
            except FrameError as error:
                raise _unclear(server, error) from error
            if end is None:
                return self._exited(server)
            mismatch = environment_mismatch(request.environment, end.root, end.digest)
            if mismatch:
                raise untrusted_result(mismatch)
            self.slot.remove_command()
            self._tell_status(server)
        return end.exit_code

    def _crashed(self, server: WarmServer, on_line: OnLine) -> int:
        """Return the exit code of a virtual machine that ended during a command, and leave nothing of it."""
        end = server.how_it_ended()
        closed = server.file.process.runs
        server.end()
        pid = server.file.process.pid
        for line in last_lines(end.said) if end else ():
            on_line("stderr", line)
        if end is None or not end.exit_code:
            raise StarlakeError(
                f"the warm server (process {pid}) ended during the command",
                cause=_unclear_end(end, closed=closed),
                fix="run the command again; a new server is started for it",
            )
        on_line("stderr", f"the warm server (process {pid}) ended during the command: {end}")
        return end.exit_code

    def _exited(self, server: WarmServer) -> int:
        """Return the exit code of a command that ended the virtual machine itself."""
        end = server.how_it_ended(_EXIT_WITHIN, partial(require_wanted, self.death_fd))
        server.end()
        if end is None or end.exit_code is None:
            raise StarlakeError(
                "the exit code of the command is lost",
                cause="it ended the virtual machine of the warm server, whose guard did not see how",
                fix="run the command again",
            )
        return end.exit_code

    def _tell_start(self, server: WarmServer, hello: WarmHello) -> None:
        status = self.slot.read_status()
        if status.get("mark") == server.file.mark:
            return
        self._note(server, commands=0, told=time.time())
        versions = f"Starlake {hello.starlake or 'of an unknown version'}, Java {hello.java}"
        heap = f", heap of at most {self.launch.heap}" if self.launch.heap else ""
        self.context.execution.report.info(
            f"a warm server was started (process {hello.pid}; {versions}; {_shown(server.status(0).resident)}{heap}); "
            f"`ps -o rss,time,args -p {hello.pid}` shows it"
        )

    def _tell_status(self, server: WarmServer) -> None:
        noted, now = self.slot.read_status(), time.time()
        commands, told = int(noted.get("commands", 0)) + 1, float(noted.get("told", 0))
        self.status = status = server.status(commands)
        is_due = now - told >= _STATUS_EVERY
        self._note(server, commands=commands, told=now if is_due else told)
        if is_due:
            self.context.execution.report.info(
                f"the warm server (process {status.pid}) has run {commands} commands; {_shown(status.resident)}"
            )

    def _note(self, server: WarmServer, **noted: float) -> None:
        with suppress(OSError):
            self.slot.write_status({"mark": server.file.mark, **noted})


def _unclear_end(end: ServerEnd | None, *, closed: bool) -> str:
    """Return the cause of an end that gives no exit code of the command: a 0 is nobody's success."""
    if end is not None and end.exit_code == 0:
        return f"{end}, or it was halted (Starlake's setting forceHalt)"
    return str(end or ("it closed the connection" if closed else "nobody saw how: its guard ended too"))


def _shown(resident: int | None) -> str:
    return "memory unknown" if resident is None else f"{resident / _MEGABYTE:.0f} MB of memory"


def _silent(server: WarmServer, seconds: float) -> StarlakeError:
    return StarlakeError(
        f"the warm server (process {server.file.process.pid}) did not answer for {seconds:g} s",
        cause="it was ended, and the command with it: how far the command came is not known",
        fix="run the command again; if it happens again, give the server more memory (option warm_jvm_options)",
    )


def _unclear(server: WarmServer, error: FrameError) -> StarlakeError:
    return StarlakeError(
        f"the warm server (process {server.file.process.pid}) cannot be understood",
        cause=f"{error.cause}; it was ended, and the command with it",
        fix="run the command again; commands must not write to the sockets of the server",
    )
