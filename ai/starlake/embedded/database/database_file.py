"""New DuckDB files: created as a whole or not at all, in a format that Starlake's own DuckDB reads.

DuckDB creates a file in place. If the process is killed, or the disk is full, a part of the headers remains, which
DuckDB never opens again. Here the headers are written under DuckDB's own lock, and a partial header is completed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.scratch import scratch_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEADERS = 12_288
"""Bytes of the three header blocks at the start of every DuckDB file."""
_MAGIC = b"DUCK"
_MAGIC_START, _MAGIC_END = 8, 12
_VERSIONS = ("v1.0.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0")
"""Storage versions that the DuckDB of Starlake 1.5 reads, the most compatible one first."""
_OWN_VERSION = "storage_compatibility_version"


class FileHeldError(Exception):
    """Another process is creating the file."""


def make_database_file(path: Path, config: Mapping[str, str] | None = None) -> None:
    """Create an empty database in a missing or incomplete file; leave every other file unchanged.

    Args:
        path: The file; its folder exists.
        config: DuckDB's own settings by name; they may set another storage version or block size.

    Raises:
        FileHeldError: If another process has it open.
        OSError: If it cannot be written.
        duckdb.Error: If DuckDB does not accept the settings.
    """
    settings = dict(config or {})
    if settings.get("access_mode", "").lower() == "read_only" or not _is_wanting(path):
        return
    import fcntl

    empty = _empty_database(tuple(sorted(settings.items())))
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FileHeldError(path) from error
        if _is_wanting(path):
            file.write(empty)
            file.flush()
            os.fsync(file.fileno())


def _is_wanting(path: Path) -> bool:
    """Return True if a file is missing, or contains only a part of DuckDB's headers."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADERS)
    except FileNotFoundError:
        return True
    if len(start) == _HEADERS or path.with_name(f"{path.name}.wal").exists():
        return False
    return start[_MAGIC_START:_MAGIC_END] == _MAGIC or not start.strip(b"\0")


@functools.lru_cache(maxsize=8)
def _empty_database(settings: tuple[tuple[str, str], ...]) -> bytes:
    """Return the bytes of an empty database: they depend on the settings only, and DuckDB takes its time to start."""
    import duckdb

    with scratch_folder() as scratch, duckdb.connect(":memory:", config=dict(settings)) as connection:
        file = scratch / "empty.db"
        _attach(connection, file, () if _OWN_VERSION in dict(settings) else _VERSIONS)
        return file.read_bytes()


def _attach(connection: DuckDBPyConnection, file: Path, versions: tuple[str, ...]) -> None:
    """Create a database file with the first storage version that the installed DuckDB supports, else with its own."""
    import duckdb

    for version in versions:
        try:
            connection.execute(f"ATTACH {literal(str(file))} AS made (STORAGE_VERSION '{version}')")
        except duckdb.IOException:  # noqa: PERF203  for example a full disk: the next attempt would hide it
            raise
        except duckdb.Error:  # an unknown version for this DuckDB
            continue
        else:
            break
    else:
        connection.execute(f"ATTACH {literal(str(file))} AS made")
    connection.execute("DETACH made")
