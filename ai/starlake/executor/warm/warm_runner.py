"""Run commands in warm servers, and as processes wherever that is in doubt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.executor.executable import is_embedded_engine
from ai.starlake.executor.process.interrupts import cleaning_up, interrupts_held
from ai.starlake.executor.process.supervision import CommandContext, OnLine, Runner, require_wanted, run_process
from ai.starlake.executor.process.watchdog import MARK
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.warm.discovery import CommandFile, ScopeFolder, ServerSlot
from ai.starlake.executor.warm.launch import WarmLaunch
from ai.starlake.executor.warm.warm_client import (
    SILENCE,
    ConnectionLostError,
    RequestRefusedError,
    SilentServerError,
    WarmClient,
    environment_mismatch,
    untrusted_result,
)
from ai.starlake.executor.warm.warm_frames import FrameError, WarmHello, WarmRequest
from ai.starlake.executor.warm.warm_server import (
    Owner,
    WarmDoubtError,
    WarmServer,
    WarmStatus,
    end_servers,
    last_lines,
)
from ai.starlake.executor.warm.warm_settings import WarmSettings

_log = logging.getLogger(__name__)
_POLL = 0.1
_TELL_AFTER = 10.0
"""Seconds after which a command that waits for its turn says so."""
_STATUS_EVERY = 60.0
"""Seconds between two messages about the memory of a server."""
_RETRY_AFTER = 600.0
"""Seconds after which a server that did not start is tried again, in a scope that lives that long."""
_EXIT_WITHIN = 60.0
"""Seconds that a virtual machine may take to end after a command has ended it: its shutdown hooks run."""
_SOON = 1.0
"""Seconds to wait for the guard's word on why a server did not answer."""
_TRIES = 2
_SERVERS = 2
"""The most servers of one key where commands do not wait for a database file anyway."""
_MEGABYTE = 1_000_000

_told: set[tuple[str, str]] = set()
"""The warnings of this process, where no folder holds those of all processes of the scope."""


def _of_run(execution: Execution) -> str:
    return execution.run_id


class WarmRunner:
    """Run commands in servers that live on, which the commands of a scope share.

    It is the `runner` of a `ShellExecutor`, which calls `bound` for each command.

    Args:
        settings: How servers are started, and how long they live.
        owner: Returns the process whose end ends the servers; asked when a command runs.
        scope: Returns what names the scope: commands of different scopes never share a server.
        cold: Runs a command as a process, where a server is in doubt.
        silence: Seconds without a heartbeat after which a server is taken for dead.
    """

    def __init__(
        self,
        settings: WarmSettings,
        *,
        owner: Callable[[], Owner] = Owner.of_run,
        scope: Callable[[Execution], str] = _of_run,
        cold: Runner = run_process,
        silence: float = SILENCE,
    ) -> None:
        self.settings = settings
        self.owner = owner
        self.scope = scope
        self.cold = cold
        self.silence = silence
        self.status: WarmStatus | None = None
        """The server that ran the last command of this process; None if that was a process."""
        self._ends: set[str] = set()

    @property
    def is_warm(self) -> bool:
        """True if the last command of this process ran in a server."""
        return self.status is not None

    def bound(self, context: CommandContext) -> Runner:
        """Return what runs one command, whose circumstances are known."""
        return _WarmCommand(self, context)

    def prestart(self, context: CommandContext, *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Begin to start a server without waiting for it.

        It never raises an error: the first command that would have used the server tells what went wrong.
        """
        try:
            _WarmCommand(self, context).prestart(cwd, environment)
        except Exception as error:  # noqa: BLE001  it is told by the first command, which finds the same
            _log.debug("no warm server was started: %s", error)

    def end_with_run(self, execution: Execution, scope: ScopeFolder) -> None:
        """End the servers of a run with it, where this process goes on after that."""
        if self.settings.scope == "run" and execution.at_end_of_run is not None and execution.run_id not in self._ends:
            self._ends.add(execution.run_id)
            execution.at_end_of_run(partial(end_servers, scope))

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run a command as a process: without `bound`, nothing is known of it."""
        return self.cold(argv, cwd=cwd, environment=environment, on_line=on_line, death_fd=death_fd)


@contextmanager
def _doubting() -> Iterator[None]:
    """Turn errors before a command begins into doubts."""
    try:
        yield
    except WarmDoubtError:
        raise
    except StarlakeError as error:
        raise WarmDoubtError("; ".join(str(error).splitlines())) from error
    except OSError as error:
        raise WarmDoubtError(str(error)) from error


class _WarmCommand:
    """One command.

    Args:
        runner: How commands run.
        context: What is known of it.
    """

    def __init__(self, runner: WarmRunner, context: CommandContext) -> None:
        self._runner = runner
        self._context = context
        self._report = context.execution.report
        self._scope = runner.scope(context.execution)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run the command in a server; as a process if there is any doubt before it has begun."""
        require_wanted(death_fd)
        self._runner.status = None
        scope: ScopeFolder | None = None
        try:
            arguments = self._arguments(argv)
            launch = self._launch(cwd, environment)
            with _doubting():
                owner = self._runner.owner()
                scope = ScopeFolder.of(self._scope, owner)
            self._runner.end_with_run(self._context.execution, scope)
            request = WarmRequest(arguments, launch.of_command(environment), str(cwd))
            with self._turn(scope, launch, death_fd) as slot:
                turn = _Turn(self._runner, self._context, scope, slot, launch, owner, death_fd)
                return turn.run(request, on_line)
        except WarmDoubtError as doubt:
            self._warn(scope, doubt)
        return self._runner.cold(argv, cwd=cwd, environment=environment, on_line=on_line, death_fd=death_fd)

    def prestart(self, cwd: Path, environment: Mapping[str, str]) -> None:
        """Begin to start a server, unless there is one, or somebody else is about to."""
        self._arguments(self._context.executable)
        launch, owner = self._launch(cwd, environment), self._runner.owner()
        scope = ScopeFolder.of(self._scope, owner)
        self._runner.end_with_run(self._context.execution, scope)
        with ExitStack() as stack:
            slot = _take_one([scope.slot(launch.fingerprint, 0)], stack)
            # a server that did not start is left for the first command, which says so
            if slot is None or slot.read() is not None or scope.remembered(launch.fingerprint, time.time()):
                return
            WarmServer.start(slot, launch, owner, self._runner.settings)

    def _arguments(self, argv: Sequence[str]) -> Sequence[str]:
        executable = self._context.executable
        if is_embedded_engine(executable):
            raise WarmDoubtError(f"{executable[0]} is the embedded engine, which has no virtual machine")
        if tuple(argv[: len(executable)]) != executable:
            raise WarmDoubtError(
                "its compute profile limits the process (section process), and the commands of a server share one"
            )
        return argv[len(executable) :]

    def _launch(self, cwd: Path, environment: Mapping[str, str]) -> WarmLaunch:
        with _doubting():
            return WarmLaunch.of(self._context.executable, environment, self._runner.settings, folder=cwd)

    @contextmanager
    def _turn(self, scope: ScopeFolder, launch: WarmLaunch, death_fd: int | None) -> Iterator[ServerSlot]:
        """Wait for a slot, and hold its lock."""
        from ai.starlake.executor.database_lock import note_holder

        with ExitStack() as stack:
            slot = self._wait_for_slot(stack, scope, launch.fingerprint, death_fd)
            stack.callback(note_holder, slot.holder, None)
            note_holder(slot.holder, self._context.execution)
            yield slot

    def _wait_for_slot(
        self, stack: ExitStack, scope: ScopeFolder, fingerprint: str, death_fd: int | None
    ) -> ServerSlot:
        from ai.starlake.executor.database_lock import REMIND_EVERY, name_of_holder

        slots = [scope.slot(fingerprint, number) for number in range(self._runner.settings.servers or 1)]
        tell_at = time.monotonic() + _TELL_AFTER
        while True:
            with _doubting():
                taken = _take_one(slots, stack)
            if taken is not None:
                return taken
            if self._runner.settings.servers is None and len(slots) == 1 and not self._writes_one_file():
                slots = [scope.slot(fingerprint, number) for number in range(_SERVERS)]
                continue
            require_wanted(death_fd)
            if time.monotonic() >= tell_at:
                holders = ", ".join(dict.fromkeys(name_of_holder(slot.holder) for slot in slots))
                self._report.info(f"waiting for a warm server, which {holders} uses")
                tell_at = time.monotonic() + REMIND_EVERY
            time.sleep(_POLL)

    def _writes_one_file(self) -> bool:
        """Return False if commands do not wait for each other at a DuckDB file anyway; True if nobody can tell."""
        facts = self._context.facts
        if facts is None:
            return True
        try:
            return facts().duckdb_file() is not None
        except Exception:  # noqa: BLE001  the real CLI may well run a project that we cannot read
            return True

    def _warn(self, scope: ScopeFolder | None, doubt: WarmDoubtError) -> None:
        """Say why the command runs as a process, once in a run for each reason."""
        reason = self._context.mask(doubt.reason)
        if self._is_first(scope, reason):
            said = [self._context.mask(line) for line in last_lines(doubt.details)]
            more = "\n".join(["; it said:", *said]) if said else ""
            self._report.warning(f"the command runs as a process, not in a warm server: {reason}{more}")

    def _is_first(self, scope: ScopeFolder | None, reason: str) -> bool:
        key = (self._context.execution.run_id, reason)
        if scope is not None:
            with suppress(OSError):
                return scope.is_first("\0".join(key))
        known = key in _told
        _told.add(key)
        return not known


def _take_one(slots: Sequence[ServerSlot], stack: ExitStack) -> ServerSlot | None:
    """Take the lock of a slot that is free, of one that has a server if possible; the stack releases it."""
    for slot in sorted(slots, key=lambda one: not one.server_file.exists()):
        lock = slot.lock()
        with interrupts_held():  # a lock that nobody releases would stop all later commands of this process
            if lock.acquire():
                stack.callback(lock.release)
                return slot
    return None


@dataclass(frozen=True)
class _Turn:
    """The turn of one command at a slot, whose lock this process holds."""

    runner: WarmRunner
    context: CommandContext
    scope: ScopeFolder
    slot: ServerSlot
    launch: WarmLaunch
    owner: Owner
    death_fd: int | None

    def run(self, request: WarmRequest, on_line: OnLine) -> int:
        """Run a command.

        Raises:
            WarmDoubtError: If it did not begin.
            StarlakeError: If nobody can trust its result.
        """
        with ExitStack() as stack:
            for last in range(1, _TRIES + 1):
                server = self._server()
                # what the command starts carries the mark of the server, too
                marked = replace(request, environment={**request.environment, MARK: server.file.mark})
                with cleaning_up(server.interrupt), self._remembering():
                    client = self._prepared(server, marked, stack, may_retry=last < _TRIES)
                if client is not None:
                    return self._run(server, client, marked, on_line)
        raise AssertionError  # the last try either has a client or raises

    def _server(self) -> WarmServer:
        with self._remembering(), _doubting():
            server = WarmServer.find(self.slot, self.context.execution.report.info)
            if server is not None:
                return server
            known = self.scope.remembered(self.launch.fingerprint, time.time())
            if known is not None:
                raise WarmDoubtError(known)
            with cleaning_up(self._end_unfinished, unless=WarmDoubtError):
                return WarmServer.start(self.slot, self.launch, self.owner, self.runner.settings)

    def _end_unfinished(self) -> None:
        """End a server whose start was interrupted."""
        file = self.slot.read()
        if file is not None:
            WarmServer(self.slot, file).end()

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """Remember what keeps servers from starting: not every command has to find out."""
        try:
            yield
        except WarmDoubtError as doubt:
            if doubt.lasting:
                with suppress(OSError):
                    reason = self.context.mask(doubt.reason)
                    self.scope.remember(self.launch.fingerprint, reason, time.time() + _RETRY_AFTER)
            raise

    def _prepared(
        self, server: WarmServer, request: WarmRequest, stack: ExitStack, *, may_retry: bool
    ) -> WarmClient | None:
        """Hand a command to a server, up to the point where it would begin; None if the server has ended."""
        check = partial(require_wanted, self.death_fd)
        hello = server.wait(self.runner.settings.start_timeout, check)
        try:
            client = WarmClient(hello.port, server.file.token, death_fd=self.death_fd, silence=self.runner.silence)
            stack.enter_context(client)
            hello = client.greet()
            if hello.pid != server.file.process.pid:
                raise WarmDoubtError("another process answers for the warm server", lasting=True)
            client.prepare(request)
        except (OSError, ConnectionLostError):
            self._give_up(server, f"has ended: {server.how_it_ended(_SOON) or 'nobody saw how'}", may_retry=may_retry)
            return None
        except RequestRefusedError as refusal:  # nobody else uses it: it is in a bad way
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
        """Run a command that was handed over. From here on it has begun: it never runs again."""
        command = CommandFile(
            request.environment.get("SL_JOB_ID", ""),
            request.environment.get("SL_ROOT") or request.folder,
            request.arguments[0] if request.arguments else "",
            server.file.process,
        )
        with cleaning_up(server.interrupt):
            with _doubting():
                self.slot.write_command(command)
            try:
                end = client.go(on_line)
            except ConnectionLostError:
                return self._crashed(server, on_line)
            except SilentServerError:
                raise _silent(server, self.runner.silence) from None
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
        if end is None or end.exit_code is None:
            raise StarlakeError(
                f"the warm server (process {pid}) ended during the command",
                cause=str(end or ("it closed the connection" if closed else "nobody saw how: its guard ended too")),
                fix="run the command again; a new server is started for it",
            )
        if end.exit_code:  # 0 is that of a command which halts the virtual machine when it is done
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
        self.runner.status = status = server.status(commands)
        is_due = now - told >= _STATUS_EVERY
        self._note(server, commands=commands, told=now if is_due else told)
        if is_due:
            self.context.execution.report.info(
                f"the warm server (process {status.pid}) has run {commands} commands; {_shown(status.resident)}"
            )

    def _note(self, server: WarmServer, **noted: float) -> None:
        with suppress(OSError):
            self.slot.write_status({"mark": server.file.mark, **noted})


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
