"""Short, read-only connections to DuckDB files, without a new DuckDB for each of them."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = "memory"
"""Name of the database that a connection without a file has."""
_NUMBERS = itertools.count(1)


@contextmanager
def read_only(file: Path) -> Iterator[DuckDBPyConnection]:
    """Open a DuckDB file for reading, as the current database of a connection, and close it at the end.

    A new DuckDB takes 20 ms of processor time to start, far more than the queries of a tick. So a process has one for
    all files, if that one notices files that other connections of the process have open.

    Args:
        file: The file.

    Raises:
        duckdb.Error: If it cannot be opened, for example because a process has it open for writing.
    """
    import duckdb

    shared = _shared(os.getpid())  # a forked process starts its own
    if shared is None:
        with duckdb.connect(str(file), read_only=True) as connection:
            yield connection
        return
    with shared.cursor() as connection, _attached(connection, file):
        yield connection


@contextmanager
def _attached(connection: DuckDBPyConnection, file: Path) -> Iterator[None]:
    name = f"_starlake_{next(_NUMBERS)}"
    path = str(file).replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS {name} (READ_ONLY, TYPE duckdb)")
    try:
        connection.execute(f"USE {name}")
        yield
    finally:
        connection.execute(f"USE {_MEMORY}")
        connection.execute(f"DETACH {name}")


@functools.lru_cache(maxsize=1)
def _shared(process: int) -> DuckDBPyConnection | None:
    """Return the DuckDB that a process reads files with; None if this version of DuckDB cannot share one safely.

    It has no threads of its own, which would not survive a fork.
    """
    import duckdb

    del process
    shared = duckdb.connect(config={"threads": 1})
    if _notices_others(shared):
        return shared
    shared.close()
    return None


def _notices_others(shared: DuckDBPyConnection) -> bool:
    """Return True if a file can be read twice, and not while the same process writes it: DuckDB 1.3 sees no conflict.

    Otherwise reading would release the lock of the connection that writes, since locks belong to the process.
    """
    import duckdb

    with TemporaryDirectory(prefix="starlake-") as folder:
        file = Path(folder) / "probe.db"
        with duckdb.connect(str(file)), shared.cursor() as reader:
            try:
                with _attached(reader, file):
                    return False
            except duckdb.Error:
                pass
        try:
            with shared.cursor() as one, _attached(one, file), shared.cursor() as two, _attached(two, file):
                return True
        except duckdb.Error:
            return False
