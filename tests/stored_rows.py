"""Reading the DuckDB files of projects in tests, with one DuckDB per process: to start another one takes 20 ms."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

_RESERVED = ("main", "memory", "system", "temp")
_one_at_a_time = threading.RLock()


@contextmanager
def reading(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a DuckDB file, read-only and in UTC, as ``duckdb.connect`` would open it.

    The file is closed at the end of the block, so that the engine can open it for writing.
    """
    stem = file.name.partition(".")[0].replace('"', '""')
    name = f'"{stem}_db"' if stem in _RESERVED else f'"{stem}"'
    with _one_at_a_time, _shared().cursor() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        place = str(file).replace("'", "''")
        connection.execute(f"ATTACH '{place}' AS {name} (READ_ONLY)")
        try:
            connection.execute(f"USE {name}")
            yield connection
        finally:
            connection.execute("USE memory")
            connection.execute(f"DETACH {name}")


def rows_in(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a DuckDB file."""
    with reading(file) as connection:
        return connection.execute(sql).fetchall()


@functools.cache
def _shared() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB without threads of its own: tests fork this process."""
    connection = duckdb.connect(config={"threads": 1})
    with suppress(duckdb.CatalogException):  # older versions have no such threads
        connection.execute("SET async_threads = 0")
    return connection
