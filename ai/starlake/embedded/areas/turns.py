"""Turns at loading a table: the files of a load are moved back only if no load of its table is alive.

Most databases have one writer at a time anyway. But whether a load is alive does not depend on that: the database of a
table may be another one by now, or one that several processes write to.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import FileLock
from ai.starlake.embedded.interruption import Interruption

logger = logging.getLogger(__name__)

_TRACES = ".starlake-"
_PREFIX = f"{_TRACES}turn-"
_POLL = 0.1
_FIX = "put the ingesting area on a disk of this machine, or on a share that grants locks (NFS with its lock daemon)"


@contextmanager
def turns(ingesting: Path, tables: Iterable[str], *, wait: float, interruption: Interruption) -> Iterator[None]:
    """Hold the turns at loading tables; the operating system releases them when their holder is killed.

    Args:
        ingesting: The ingesting area of the domain.
        tables: The full names of the tables.
        wait: Seconds to wait for all of them.
        interruption: Ends the wait on request.

    Raises:
        Interrupted: If the wait was ended on request.
        StarlakeError: If another load held a turn for longer, or if the file system refuses locks.
    """
    deadline = time.monotonic() + wait
    with ExitStack() as stack:
        for table in sorted(tables):  # in one order, so that two loads never wait for each other
            ingesting.mkdir(parents=True, exist_ok=True)
            lock = FileLock(ingesting / f"{_PREFIX}{zlib.crc32(table.encode()):08x}", fix=_FIX)
            stack.callback(lock.release, remove=True)  # before it is taken: a signal handler may raise in between
            _acquire(lock, table, deadline, interruption)
        _sweep(ingesting)
        yield


def is_used(ingesting: Path) -> bool:
    """Return True if a load is running in an ingesting area, or was killed there."""
    return ingesting.is_dir() and any(path.name.startswith(_TRACES) for path in ingesting.iterdir())


def _sweep(ingesting: Path) -> None:
    """Delete lock files of killed loads, also of tables that are no longer loaded."""
    for path in ingesting.glob(f"{_PREFIX}*"):
        lock = FileLock(path, fix=_FIX)
        if lock.acquire():
            lock.release(remove=True)


def _acquire(lock: FileLock, table: str, deadline: float, interruption: Interruption) -> None:
    if lock.acquire():
        return
    logger.warning("waiting for another load of %s to end", table)
    while not lock.acquire():
        interruption.check()
        if time.monotonic() >= deadline:
            raise StarlakeError(
                f"another load of {table} is running",
                cause="files of a table are loaded by one command at a time",
                fix="wait for it to end, or raise SL_DUCKDB_LOCK_TIMEOUT (in a job, the option duckdb_lock_timeout)",
            )
        time.sleep(_POLL)
