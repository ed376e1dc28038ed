"""Servers: starting, finding and ending them."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.groups import end_group, kill_marked
from ai.starlake.executor.process.watchdog import MARK
from ai.starlake.executor.warm.discovery import (
    Lifetime,
    ScopeFolder,
    ServerEnd,
    ServerFile,
    ServerSlot,
    UntrustedFileError,
)
from ai.starlake.executor.warm.warm_frames import PROTOCOL, FrameError, WarmHello, WarmStart

if TYPE_CHECKING:
    from ai.starlake.executor.warm.launch import WarmLaunch
    from ai.starlake.executor.warm.warm_settings import WarmSettings

_GUARD = Path(__file__).with_name("_guard_main.py")
_GUARD_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", MARK)
"""Variables of the guard: it outlives the commands, and needs none of their secrets."""
_GUARD_GRACE = 5.0
"""Seconds between the two signals with which the guard ends a server."""
_GUARD_START = 60.0
_GRACE = 0.4
"""Seconds between the two signals on an interruption: Spark removes its temporary folders."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1
_MARGIN = 30.0
"""Seconds after the guard's deadline at which the guard itself counts as dead."""
_END_WITHIN = 3.0
"""Seconds that an unresponsive server may take to end."""
_NOTED_WITHIN = 30.0
"""Seconds until the guard of a server that has ended must have recorded its end."""
_SAID_LINES = 12


class WarmDoubtError(StarlakeError):
    """A command cannot run in a server; it has not begun, and can run as a process.

    Args:
        reason: The reason, in one clause; the same for all commands that share it.
        details: The output of the virtual machine, secrets included.
        lasting: True if another server would fail in the same way.
    """

    def __init__(self, reason: str, details: str = "", *, lasting: bool = False) -> None:
        self.reason = reason
        self.details = details
        self.lasting = lasting
        super().__init__(reason)


@contextmanager
def doubting() -> Iterator[None]:
    """Convert errors before a command begins to doubts."""
    try:
        yield
    except WarmDoubtError:
        raise
    except StarlakeError as error:
        raise WarmDoubtError("; ".join(str(error).splitlines())) from error
    except OSError as error:
        raise WarmDoubtError(str(error)) from error


@dataclass(frozen=True)
class Owner(Lifetime):
    """The process whose end ends a server."""

    @classmethod
    def of_process(cls, pid: int) -> Owner:
        """Return a process as an owner."""
        return cls(pid, Lifetime.of(pid).began)


@dataclass(frozen=True)
class WarmStatus:
    """Status of a server for display.

    Args:
        pid: The process id of its JVM.
        resident: Bytes of memory that the JVM occupies; None if unknown.
        commands: Number of commands that it has run.
    """

    pid: int
    resident: int | None
    commands: int


def resident_bytes(pid: int) -> int | None:
    """Return the bytes of memory that a process occupies; None if unknown."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class WarmServer:
    """A server that is running, or starting.

    Args:
        slot: Its slot, whose lock this process holds.
        file: Its file.
    """

    slot: ServerSlot
    file: ServerFile

    @classmethod
    def find(cls, slot: ServerSlot, report: Callable[[str], None] = lambda _: None) -> WarmServer | None:
        """Return the server of a slot; None if the slot is empty. Clean up after one that ended.

        Args:
            slot: The slot, whose lock this process holds.
            report: Receives a message about a server that ended.

        Raises:
            UntrustedFileError: If another user may have written its file.
            WarmDoubtError: If it did not start.
        """
        file = slot.read()
        if file is None:
            return None
        server = cls(slot, file)
        if file.may_serve:
            return server
        try:
            end = server.how_it_ended()
            server.hello(end)
        finally:
            server.end()
        report(f"the warm server (process {file.process.pid}) has ended: {end or 'nobody saw how'}")
        return None

    def hello(self, end: ServerEnd | None) -> WarmHello | None:
        """Return the greeting of a server that listens, or has ended; None if no trace of it is left.

        Args:
            end: Its end, if known.

        Raises:
            WarmDoubtError: If it did not start, or if its checks failed.
        """
        data = self.file.read_hello()
        if data is None:
            if end is None or self._has_listened(end):  # its guard was killed, or its file is gone: others may start
                return None
            raise WarmDoubtError(f"the warm server did not start: {end}", end.said, lasting=True)
        try:
            hello = WarmHello.of_bytes(data)
        except FrameError as error:
            raise WarmDoubtError(f"the warm server cannot be understood: {error.cause}", lasting=True) from error
        require_sound(hello)
        return hello

    def _has_listened(self, end: ServerEnd) -> bool:
        """Return True if its guard noticed that it listened, or a command noted that it had an answer."""
        return end.listened or self.slot.read_status().get("mark") == self.file.mark

    @classmethod
    def start(cls, slot: ServerSlot, launch: WarmLaunch, owner: Lifetime, settings: WarmSettings) -> WarmServer:
        """Start a server with a guard of its own; do not wait for it.

        Args:
            slot: The slot, whose lock this process holds.
            launch: The launch of the server.
            owner: The process whose end ends it.
            settings: Its lifetime, and the timeout of its start.

        Raises:
            WarmDoubtError: If the guard does not start.
        """
        file = ServerFile.new(slot.folder)
        start = WarmStart(file.token, str(file.hello), settings.idle_timeout, launch.properties)
        task = {
            "owner": [owner.pid, owner.began],
            "argv": launch.argv(),
            "environment": dict(launch.environment),
            "folder": str(launch.folder),
            "start": base64.b64encode(start.encoded()).decode(),
            "start_timeout": settings.start_timeout,
            "server": file.shared,
            "server_file": str(slot.server_file),
            "hello_file": str(file.hello),
            "end_file": str(file.end),
            "variable": MARK,
            "grace": _GUARD_GRACE,
        }
        _run_guard(json.dumps(task).encode())
        noted = slot.read()
        if noted is None:  # its guard could not write it, and started nothing
            raise WarmDoubtError(f"the guard of the warm server cannot write {slot.server_file}")
        return cls(slot, noted)

    def wait(self, timeout: float, check: Callable[[], None]) -> WarmHello | None:
        """Wait until the server listens, and return its greeting; None if it has ended since it started.

        Args:
            timeout: Timeout of its guard in seconds.
            check: Called repeatedly; may raise to give up.

        Raises:
            WarmDoubtError: If it does not start.
        """
        deadline, pause = time.monotonic() + timeout + _MARGIN, _FIRST_PAUSE
        while self.file.read_hello() is None:
            check()
            end = self.file.read_end()
            if end is not None or not self.file.guard.runs:
                return self.hello(end or self.file.read_end())
            if time.monotonic() > deadline:
                raise WarmDoubtError("the warm server did not start: its guard does not answer")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return self.hello(None)

    def current(self) -> WarmServer:
        """Return the server as recorded by its guard: its process may have just started."""
        file = self.slot.read()
        return WarmServer(self.slot, file) if file is not None and file.mark == self.file.mark else self

    def how_it_ended(self, within: float = _END_WITHIN, check: Callable[[], None] = lambda: None) -> ServerEnd | None:
        """Return the end of the server, when its guard has recorded it; None if it does not.

        Args:
            within: Seconds to wait for the end of its process.
            check: Called repeatedly; may raise to give up.
        """
        began = time.monotonic()
        while True:
            check()
            guard_runs, process_runs = self.file.guard.runs, self.file.process.runs
            end = self.file.read_end()
            passed = time.monotonic() - began
            if end is not None or not guard_runs or passed > (within if process_runs else _NOTED_WITHIN):
                return end
            time.sleep(_FIRST_PAUSE)

    def end(self, grace: float = 0.0) -> None:
        """End the server and everything that it started; return when nothing of it is left.

        Args:
            grace: Seconds between SIGTERM and SIGKILL.
        """
        entry = f"{MARK}={self.file.mark}"
        file = self.current().file
        if file.process.may_lead_a_group:  # processes that it started may outlive it
            end_group(file.process, grace, entry)
        if not file.process.pid and file.guard.runs:  # it would start the server very soon
            with suppress(ProcessLookupError):
                os.kill(file.guard.pid, signal.SIGKILL)
        kill_marked(entry)
        self.slot.forget(self.file)

    def interrupt(self) -> None:
        """End the server within a second, like an interrupted command."""
        self.end(_GRACE)

    def status(self, commands: int) -> WarmStatus:
        """Return the status for display."""
        return WarmStatus(self.file.process.pid, resident_bytes(self.file.process.pid), commands)


def end_servers(scope: ScopeFolder) -> None:
    """End all servers of a scope that has ended, and remove its folder."""
    for slot in scope.slots():
        with suppress(UntrustedFileError):
            file = slot.read()
            if file is not None:
                WarmServer(slot, file).interrupt()
    scope.remove()


def require_sound(hello: WarmHello) -> None:
    """Check that commands may run in a server.

    Raises:
        WarmDoubtError: If it speaks another version of the protocol, or its checks failed.
    """
    if hello.protocol != PROTOCOL:
        versions = f"version {hello.protocol} of the protocol, not {PROTOCOL}"
        raise WarmDoubtError(f"the warm server speaks {versions}", lasting=True)
    if hello.failed_checks or not hello.port:
        failed = "; ".join(f"{name}: {result}" for name, result in sorted(hello.failed_checks.items()))
        found = f"Starlake {hello.starlake or 'of an unknown version'}"
        raise WarmDoubtError(f"{found} cannot be kept warm: {failed or 'the server does not listen'}", lasting=True)


def _run_guard(task: bytes) -> None:
    """Start a guard; return when it has detached from this process, and started the server."""
    environment = {name: os.environ[name] for name in _GUARD_VARIABLES if name in os.environ}
    try:
        process = subprocess.Popen(
            [sys.executable or "python3", "-I", "-S", str(_GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise WarmDoubtError(f"the guard of the warm server cannot be started: {error.strerror}") from error
    try:
        _, said = process.communicate(task, _GUARD_START)
    except subprocess.TimeoutExpired as error:
        raise WarmDoubtError(f"the guard of the warm server did not start within {_GUARD_START:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise WarmDoubtError("the guard of the warm server does not start", said.decode("utf-8", "replace"))


def last_lines(said: str) -> list[str]:
    """Return the last lines of a virtual machine's output."""
    return [line.rstrip() for line in said.splitlines() if line.strip()][-_SAID_LINES:]
