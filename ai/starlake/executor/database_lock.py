"""Locks for one writer at a time: DuckDB refuses a second process that opens its file, and Starlake then fails."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import FileLock
from ai.starlake.common.storage.location import local_path
from ai.starlake.executor.project_facts import ProjectFacts
from ai.starlake.executor.protocol import Execution, Reporter, WriterBusyError
from ai.starlake.executor.recovery import names_of
from ai.starlake.job import StarlakeCommand

REMIND_EVERY = 180.0
"""Seconds between two messages that a command still waits."""
SETTLE = 6.0
"""Seconds to wait for the command of a killed holder: the grace of the watchdog, and a little more."""
_CHECK_EVERY, _POLL = 1.0, 0.1
_FIX = "set option duckdb_lock to the path of a file on a disk of this machine, or to 'off'"
_NOTE_SIZE = 1024
"""Bytes of a note, padded with blanks: longer than the name of any run and host."""


def lock_files(
    command: StarlakeCommand, setting: str, facts: Callable[[], ProjectFacts] | None, report: Reporter
) -> list[Path]:
    """Return the lock files that a writing command has to hold.

    Args:
        command: The command.
        setting: ``auto`` for a file beside each DuckDB file that it writes into, else the path of a lock file.
        facts: Facts about the databases that it writes to.
        report: Receives a warning if the databases cannot be determined.

    Raises:
        StarlakeError: If the setting is not a path on this machine.
    """
    if setting != "auto":
        return [_own_lock(setting)]
    if facts is None:
        return []
    try:
        files = set(_databases(command, facts()))
    except Exception as error:  # noqa: BLE001  the real CLI may be able to run a project that we cannot read
        report.warning(
            f"commands that write do not wait for each other: where they write could not be found out: {error}"
        )
        return []
    return sorted({lock_file_of(file) for file in files if file is not None})


def lock_file_of(database: Path) -> Path:
    """Return the lock file beside a DuckDB file; commands that write to the file hold it."""
    return Path(f"{os.path.realpath(database)}.lock")


def _own_lock(text: str) -> Path:
    path = local_path(text)
    if path is None:
        raise StarlakeError(
            f"option duckdb_lock: {text!r} is not a path on this machine", fix="write auto, off, or a path"
        )
    return path.expanduser().absolute()


def _databases(command: StarlakeCommand, project: ProjectFacts) -> Iterator[Path | None]:
    """Yield the DuckDB files that a command writes to."""
    if command.verb in ("load", "replay"):
        domains: list[str | None] = [*names_of(command, "--domains", "--include")]
        tables: list[str | None] = [*names_of(command, "--tables", "--schemas")]
        for domain, table in product(domains or [None], tables or [None]):
            yield project.duckdb_file(domain, table)
    else:
        yield project.duckdb_file(task=command.value_of("--name") or None)


@contextmanager
def writer_locks(
    paths: Iterable[Path], execution: Execution, timeout: float, check: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold lock files while a command writes. The operating system releases them when their holder is killed.

    Args:
        paths: The lock files; taken in sorted order, so that two commands never wait for each other in a circle.
        execution: The attempt that holds them; its report receives the message that it waits.
        timeout: Seconds to wait for all of them.
        check: Called about once a second while it waits; may raise to give up.

    Raises:
        WriterBusyError: If another command holds one of them for longer than the timeout.
        StarlakeError: If a lock file cannot be made, or if its file system refuses locks.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as stack:
        for path in sorted(set(paths)):
            lock, holder = _lock(path), path.with_name(f"{path.name}.holder")
            stack.callback(lock.release)  # before it is taken: a signal handler may raise in between
            _Wait(execution, timeout, deadline, check).acquire(lock, holder)
            _let_settle(holder, execution)
            stack.callback(note_holder, holder, None)
            note_holder(holder, execution)
        yield


@dataclass(frozen=True)
class _Wait:
    """Timeout of a wait for locks, and the report that receives its messages."""

    execution: Execution
    timeout: float
    deadline: float
    check: Callable[[], None]

    def acquire(self, lock: FileLock, holder: Path) -> None:
        patience, remind_at = 0.0, 0.0
        while not _take(lock, patience):
            self.check()
            now = time.monotonic()
            left = self.deadline - now
            if left <= 0:
                raise _busy(lock, holder, self.timeout)
            if now >= remind_at:
                self.execution.report.info(
                    f"waiting for {lock.path}, which {name_of_holder(holder)} holds, for {left:.0f} s at most"
                )
                remind_at = now + REMIND_EVERY
            patience = min(left, _CHECK_EVERY)


def note_holder(holder: Path, execution: Execution | None) -> None:
    """Note down who holds a lock, as information for those who wait.

    The note is overwritten: creating, truncating and removing a file costs many times as much as the lock itself.

    Args:
        holder: The file of the note.
        execution: The holder; None for nobody, which is a blank note.
    """
    text = _describe(execution) if execution else ""
    with suppress(OSError):
        file = os.open(holder, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.write(file, text.ljust(_NOTE_SIZE).encode())
        finally:
            os.close(file)


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    return FileLock(path, fix=_FIX)


def _take(lock: FileLock, patience: float) -> bool:
    """Try to take the lock until the timeout."""
    deadline = time.monotonic() + patience
    try:
        while not lock.acquire():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
    except OSError as error:
        raise _unusable(lock.path, error) from error
    return True


def _let_settle(holder: Path, execution: Execution) -> None:
    """Report the note of a holder that was killed, and wait, because its command may still be ending."""
    try:
        if not holder.read_bytes().strip():
            return
    except OSError:
        return
    execution.report.info(
        f"{name_of_holder(holder)} was killed while it wrote; giving its command {SETTLE:.0f} s to end"
    )
    time.sleep(SETTLE)


def _describe(execution: Execution) -> str:
    return json.dumps(
        {
            "run": execution.run_id,
            "step": execution.step_key,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
    )


def name_of_holder(holder: Path) -> str:
    """Return who holds a lock, according to its note."""
    try:
        note = json.loads(holder.read_text(encoding="utf-8"))
        return (
            f"step {note['step']} of run {note['run']} (process {note['pid']} on {note['host']}, since {note['since']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another command"


def _busy(lock: FileLock, holder: Path, timeout: float) -> WriterBusyError:
    return WriterBusyError(
        f"waited {timeout:.0f} s for {lock.path}",
        cause=f"{name_of_holder(holder)} holds it; one command at a time can write into a DuckDB file",
        fix="let that command end, or raise duckdb_lock_timeout; lower max_concurrent so that fewer commands queue up",
    )


def _unusable(path: Path, error: OSError) -> StarlakeError:
    return StarlakeError(
        f"{path} cannot be used as a lock",
        cause=os.strerror(error.errno) if error.errno else str(error),
        fix="set option duckdb_lock to the path of a file that can be written, or to 'off'",
    )
