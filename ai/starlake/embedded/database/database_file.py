"""New DuckDB files: made as a whole or not at all, and in a format that Starlake's own DuckDB reads.

DuckDB makes a file in place. A process that is killed meanwhile, or a full disk, leaves a part of its headers, which
DuckDB never opens again. Here the headers are written under DuckDB's own lock, and a part of them is completed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.scratch import scratch_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEADERS = 12_288
"""Bytes of the three header blocks with which every DuckDB file begins."""
_MAGIC = b"DUCK"
_MAGIC_START, _MAGIC_END = 8, 12
_VERSIONS = ("v1.0.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0")
"""Storage versions that the DuckDB of Starlake 1.5 reads, the one that most programs read first."""
_OWN_VERSION = "storage_compatibility_version"


class FileHeldError(Exception):
    """Another process is making the file."""


def make_database_file(path: Path, config: Mapping[str, str] | None = None) -> None:
    """Make an empty database of a file that does not exist, or that was left half made; leave every other file alone.

    Args:
        path: The file; its folder exists.
        config: DuckDB's own settings by name; they may name another storage version or size of blocks.

    Raises:
        FileHeldError: If another process has it.
        OSError: If it cannot be written.
        duckdb.Error: If DuckDB does not accept the settings.
    """
    settings = dict(config or {})
    if settings.get("access_mode", "").lower() == "read_only" or not _is_wanting(path):
        return
    import fcntl

    empty = _empty_database(settings)
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
    """Return whether a file is missing, or holds a part of DuckDB's headers and nothing else."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADERS)
    except FileNotFoundError:
        return True
    if len(start) == _HEADERS or path.with_name(f"{path.name}.wal").exists():
        return False
    return start[_MAGIC_START:_MAGIC_END] == _MAGIC or not start.strip(b"\0")


def _empty_database(config: Mapping[str, str]) -> bytes:
    """Return the bytes of an empty database."""
    import duckdb

    with (
        scratch_folder() as scratch,
        duckdb.connect(":memory:", config=dict(config)) as connection,
    ):
        file = scratch / "empty.db"
        _attach(connection, file, () if _OWN_VERSION in config else _VERSIONS)
        return file.read_bytes()


def _attach(connection: DuckDBPyConnection, file: Path, versions: tuple[str, ...]) -> None:
    """Make a database file of the first of some storage versions that the installed DuckDB offers, else of its own."""
    import duckdb

    for version in versions:
        try:
            connection.execute(f"ATTACH {literal(str(file))} AS made (STORAGE_VERSION '{version}')")
        except duckdb.IOException:  # noqa: PERF203  such as a full disk: the next attempt would no longer tell
            raise
        except duckdb.Error:  # a version that this DuckDB does not know
            continue
        else:
            break
    else:
        connection.execute(f"ATTACH {literal(str(file))} AS made")
    connection.execute("DETACH made")
