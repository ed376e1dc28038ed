"""Limits of DuckDB for one command, read from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.embedded.database.quoting import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SETTINGS = {
    "SL_DUCKDB_THREADS": "threads",
    "SL_DUCKDB_MEMORY_LIMIT": "memory_limit",
    "SL_DUCKDB_MAX_TEMP_DIRECTORY_SIZE": "max_temp_directory_size",
}


def database_sizes(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that limit DuckDB."""
    return {name: value for name in _SETTINGS if (value := environment.get(name, "").strip())}


def set_sizes(connection: DuckDBPyConnection, sizes: Mapping[str, str]) -> None:
    """Limit a database for as long as it is open, whatever its connection sets.

    Raises:
        StarlakeError: If DuckDB does not accept a value.
    """
    import duckdb

    for name, value in sizes.items():
        text = value if value.isdigit() else literal(value)
        try:
            connection.execute(f"SET {_SETTINGS[name]} = {text}")
        except duckdb.Error as error:
            raise PermanentError(
                f"{name} is {value!r}, which DuckDB does not accept",
                cause=str(error).splitlines()[0],
                fix="write a number of threads, or a size such as 2GB",
            ) from None
