"""Run a process, pass on its output, and leave nothing of it behind."""

from __future__ import annotations

import errno
import multiprocessing
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, runtime_checkable

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.groups import end_group, kill_group
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.process.lifetimes import end_fd
from ai.starlake.executor.process.lines import LineSplitter
from ai.starlake.executor.process.watchdog import MARK, WATCHDOG
from ai.starlake.executor.protocol import ExecutableNotFoundError, Execution, Stream

if TYPE_CHECKING:
    from ai.starlake.executor.project_facts import ProjectFacts

OnLine = Callable[[Stream, str], None]

_CHUNK = 64 * 1024
_LINGER = 1.0
"""Seconds that a background process may keep the pipes open after the command itself has ended."""
_POLL = 0.05
_GLANCE = 0.5
"""Select timeout in seconds. Without it, a signal that arrives just before `select` is handled only at the next
event."""

_NOT_RUNNABLE = {
    errno.ENOENT: "it, or the interpreter that its first line names, does not exist",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EACCES: "it, or the interpreter that its first line names, may not be executed",
    errno.ENOEXEC: "it is neither a program for this machine nor a script whose first line begins with #!",
}


class Runner(Protocol):
    """Runs a process as `run_process` does."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run a process to its end and return its exit code."""
        ...


@dataclass(frozen=True)
class CommandContext:
    """Facts that a runner may need about a command besides its process.

    Args:
        execution: The attempt.
        executable: The first of its arguments: what runs, before the verb.
        mask: Masks its secrets in messages.
        facts: Reads the facts of its project; None where they are not known.
    """

    execution: Execution
    executable: tuple[str, ...] = ()
    mask: Callable[[str], str] = str
    facts: Callable[[], ProjectFacts] | None = None


@runtime_checkable
class RunnerOfCommands(Protocol):
    """An optional ability of runners: to know each command that they run, and to prepare for those to come."""

    def bound(self, context: CommandContext) -> Runner:
        """Return what runs one command."""
        ...

    @property
    def is_warm(self) -> bool:
        """True if the last command ran in something that lives on."""
        ...

    def prestart(self, context: CommandContext, *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Begin to start what commands like this one need, without waiting for it; never raise an error."""
        ...


def parent_death_fd() -> int | None:
    """Return a file descriptor that becomes readable when the `multiprocessing` parent of this process has ended.

    Return None if this process was started otherwise.
    """
    parent = multiprocessing.parent_process()
    return None if parent is None else int(parent.sentinel)


def require_wanted(death_fd: int | None) -> None:
    """Check that a file descriptor, such as the one of `parent_death_fd`, is not readable.

    Raises:
        StarlakeError: If it is.
    """
    if death_fd is None:
        return
    with selectors.DefaultSelector() as selector:
        selector.register(death_fd, selectors.EVENT_READ)
        if selector.select(0):
            raise _unwanted()


def _unwanted() -> StarlakeError:
    return StarlakeError(
        "the process of the run has ended", cause="the command was ended, because its result would be lost"
    )


def run_process(
    argv: Sequence[str],
    *,
    cwd: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: OnLine,
    grace: float = 5.0,
    death_fd: int | None = None,
) -> int:
    """Run a process to its end.

    There is no shell, and the standard input is empty. The process leads a session of its own. However this function
    ends - the process ended, a signal handler raised, `on_line` raised - no process that it started is left: SIGTERM, a
    grace period, SIGKILL. On Linux that includes processes with a session of their own, such as daemons; see
    `end_group`. If this process itself is killed, the watchdog does the same.

    All work is done in the calling thread, so that a signal handler that raises interrupts the wait at once.

    Args:
        argv: The executable and its arguments.
        cwd: The working directory; by default the current one.
        environment: Its environment, to which the mark of the watchdog is added; by default that of this process.
        on_line: Called with each line that it prints; see `LineSplitter` on odd bytes and long lines.
        grace: Seconds between SIGTERM and SIGKILL.
        death_fd: A file descriptor that becomes readable when the process is no longer wanted.

    Returns:
        Its exit code; negative for the signal that ended it.

    Raises:
        ExecutableNotFoundError: If there is no such executable.
        StarlakeError: If it cannot be started for another reason, if `death_fd` became readable, or if the exit code is
            unknown.
    """
    require_wanted(death_fd)
    mark = WATCHDOG.announce()
    began = time.monotonic()
    marked = {**(os.environ if environment is None else environment), MARK: mark}
    process = None
    try:
        with interrupts_held():
            process = _start(argv, cwd, marked)
            WATCHDOG.guard(process.pid)
        _attend(process, on_line, death_fd)
    finally:
        if process is None:
            WATCHDOG.release(mark)
        else:
            _close(process, grace, mark, began)
    return process.returncode


def _start(argv: Sequence[str], cwd: Path | str | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        if cwd is not None and str(error.filename) == str(cwd):
            raise StarlakeError(f"{cwd} cannot be the working directory", cause=error.strerror) from error
        kind = ExecutableNotFoundError if error.errno in _NOT_RUNNABLE else StarlakeError
        cause = _NOT_RUNNABLE.get(error.errno or 0, error.strerror)
        raise kind(f"{argv[0]} cannot be started", cause=cause) from error


def _close(process: subprocess.Popen[bytes], grace: float, mark: str, began: float) -> None:
    """End all processes, however often this is interrupted."""
    entry = f"{MARK}={mark}"
    try:
        end_group(process, grace, entry, began)
    finally:
        with interrupts_held():
            if process.returncode is None:
                kill_group(process, entry)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            WATCHDOG.release(mark, process.pid)


def _attend(process: subprocess.Popen[bytes], on_line: OnLine, death_fd: int | None) -> None:
    """Pass on lines until the process has ended and its pipes are closed, or stay open for too long."""
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        pipes = _pipes(process, on_line)
        for pipe in pipes:
            selector.register(pipe.fd, selectors.EVENT_READ, pipe)
        exit_fd = end_fd(process.pid)
        if exit_fd is not None:
            stack.callback(os.close, exit_fd)
            selector.register(exit_fd, selectors.EVENT_READ)
        if death_fd is not None:
            selector.register(death_fd, selectors.EVENT_READ)
        _watch(process, selector, len(pipes), exit_fd, death_fd)
        for pipe in pipes:
            pipe.finish()


def _watch(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    open_pipes: int,
    exit_fd: int | None,
    death_fd: int | None,
) -> None:
    deadline: float | None = None
    while open_pipes or deadline is None:
        for key, _ in selector.select(_patience(deadline, polling=exit_fd is None)):
            if key.fd == death_fd:
                raise _unwanted()
            if key.data is not None and not key.data.pump():
                selector.unregister(key.fd)
                open_pipes -= 1
        if deadline is None and _exited(process):
            deadline = time.monotonic() + _LINGER
            if exit_fd is not None:
                selector.unregister(exit_fd)
        elif deadline is not None and time.monotonic() >= deadline:
            return


def _patience(deadline: float | None, *, polling: bool) -> float:
    """Return the seconds to wait for the next event."""
    if deadline is not None:
        return max(0.0, deadline - time.monotonic())
    return _POLL if polling else _GLANCE


class _Pipe:
    """One of the two streams of a process."""

    def __init__(self, stream: Stream, fd: int, on_line: OnLine) -> None:
        self.fd = fd
        self._stream = stream
        self._on_line = on_line
        self._splitter = LineSplitter()

    def pump(self) -> bool:
        """Pass on the available output; return False at the end of the stream."""
        data = os.read(self.fd, _CHUNK)
        for line in self._splitter.feed(data):
            self._on_line(self._stream, line)
        return bool(data)

    def finish(self) -> None:
        """Pass on a last line without a line break."""
        for line in self._splitter.feed(b"", final=True):
            self._on_line(self._stream, line)


def _pipes(process: subprocess.Popen[bytes], on_line: OnLine) -> list[_Pipe]:
    streams: list[tuple[Stream, IO[bytes] | None]] = [("stdout", process.stdout), ("stderr", process.stderr)]
    return [_Pipe(stream, pipe.fileno(), on_line) for stream, pipe in streams if pipe is not None]


def _exited(process: subprocess.Popen[bytes]) -> bool:
    """Return True if a process has ended. It is not reaped, so the id of its group is not reused.

    Raises:
        StarlakeError: If other code reaped it: `subprocess` would report the exit code 0.
    """
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        raise StarlakeError(
            "the exit code of the command is lost",
            cause="this process ignores SIGCHLD, or other code in it waits for all children",
            fix="do not ignore SIGCHLD in the process that runs the step or task",
        ) from None
