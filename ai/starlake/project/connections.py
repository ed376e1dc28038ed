"""Which connection something is written to, and which file that is when it is DuckDB."""

from __future__ import annotations

from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.project.areas import Areas
from ai.starlake.project.findings import nearest
from ai.starlake.project.models import Application, Connection
from ai.starlake.project.paths import is_address, join

_PREFIX = "jdbc:duckdb:"


def find_connection(application: Application, areas: Areas, *refs: str | None) -> Connection:
    """The connection of the first reference that is given.

    ``SL_DUCKDB_MODE`` puts everything on one DuckDB file, whatever the references. A project that has no connections at
    all has DuckDB's file in its datasets.

    Args:
        application: The settings.
        areas: The folders.
        refs: Names of connections, from the most to the least specific; None and empty ones are passed over.

    Raises:
        StarlakeError: If the connection does not exist, or none is named.
    """
    if application.duckdb_mode:
        return default_duckdb(application, areas)
    ref = next((ref for ref in refs if ref), None)
    if ref is None:
        if not application.connections:
            return default_duckdb(application, areas)
        raise StarlakeError(
            "no connection is chosen",
            cause=f"{application.file or 'the application'} has connections but no connectionRef",
            fix=f"set connectionRef to one of {', '.join(sorted(application.connections))}",
        )
    connection = application.connections.get(ref)
    if connection is None:
        raise StarlakeError(
            f"the connection {ref} does not exist",
            cause=f"it is not among the connections of {application.file or 'the application'}",
            fix=nearest(ref, application.connections) or f"add it as connections.{ref}",
        )
    return connection


def default_duckdb(application: Application, areas: Areas) -> Connection:
    """The connection to ``SL_DUCKDB_PATH``, else to ``{datasets}/duckdb.db``."""
    file = application.duckdb_path or join(areas.datasets, "duckdb.db")
    return Connection(name="duckdb", type="jdbc", options={"url": f"{_PREFIX}{file}"})


def duckdb_file(connection: Connection, areas: Areas) -> Path | None:
    """The file of a DuckDB connection.

    Args:
        connection: Any connection.
        areas: The folders; a relative path starts at the project's root, which is the working folder of commands.

    Returns:
        The file; None for other databases, and for DuckDB in memory, on MotherDuck or behind DuckLake.
    """
    url = (connection.url or "").strip()
    if not connection.is_duckdb or not url.lower().startswith(_PREFIX):
        return None
    location = url[len(_PREFIX) :].partition(";")[0].partition("?")[0].strip()
    if not location or location.startswith((":memory:", "md:", "motherduck:", "ducklake:")) or is_address(location):
        return None
    return Path(join(areas.root, location)) if not is_address(areas.root) else Path(location)
