"""Connections of tables and tasks, and their DuckDB files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ai.starlake.common import PermanentError
from ai.starlake.project.areas import Areas
from ai.starlake.project.databases.duckdb_plans import ONE_CONNECTION, PREFIX, Plan, Problem, clash, plan_of
from ai.starlake.project.findings import Finding, ProjectError, nearest
from ai.starlake.project.models import Application, Connection, Table, Task
from ai.starlake.project.paths import join
from ai.starlake.project.settings import Settings


def find_connection(application: Application, areas: Areas, *refs: str | None) -> Connection:
    """Return the connection of the first given reference.

    ``SL_DUCKDB_MODE`` selects one DuckDB file for everything, whatever the references. A project without connections
    uses the DuckDB file in its datasets.

    Args:
        application: The settings.
        areas: The folders.
        refs: Names of connections, from the most to the least specific; None and empty ones are skipped.

    Raises:
        StarlakeError: If the connection does not exist, or there is no reference.
    """
    if application.duckdb_mode:
        return default_duckdb(application, areas)
    ref = next((ref for ref in refs if ref), None)
    if ref is None:
        if not application.connections:
            return default_duckdb(application, areas)
        raise PermanentError(
            "no connection is chosen",
            cause=f"{application.file or 'the application'} has connections but no connectionRef",
            fix=f"set connectionRef to one of {', '.join(sorted(application.connections))}",
        )
    connection = application.connections.get(ref)
    if connection is None:
        raise PermanentError(
            f"the connection {ref} does not exist",
            cause=f"it is not among the connections of {application.file or 'the application'}",
            fix=nearest(ref, application.connections) or f"add it as connections.{ref}",
        )
    return connection


def default_duckdb(application: Application, areas: Areas) -> Connection:
    """Return the connection to ``SL_DUCKDB_PATH``, else to ``{datasets}/duckdb.db``."""
    file = application.duckdb_path or join(areas.datasets, "duckdb.db")
    return Connection(name="duckdb", type="jdbc", options={"url": f"{PREFIX}{file}"})


def duckdb_file(connection: Connection, areas: Areas) -> Path | None:
    """Return the file of a DuckDB connection.

    Args:
        connection: Any connection.
        areas: The folders; a relative path starts at the project's root, which is the working folder of commands.

    Returns:
        The file: the one in the URL, or the one that ``preActions`` attach and USE; of a DuckLake the one with its
        catalog. None for other databases, and for DuckDB in memory or on MotherDuck.
    """
    return plan_of(connection, areas).file if connection.is_duckdb else None


def connection_error(settings: Settings, connection: Connection, option: str, message: str, hint: str) -> ProjectError:
    """Return an error about an option of a connection.

    Args:
        settings: The settings of the project.
        connection: The connection.
        option: The key or option at fault.
        message: The problem.
        hint: The fix.
    """
    return ProjectError([_finding(settings, connection, Problem(option, message, hint))])


def connection_findings(settings: Settings, connection: Connection) -> list[Finding]:
    """Return findings about unsupported options of a DuckDB connection that rows are written to.

    Args:
        settings: The settings of the project.
        connection: The connection.
    """
    return [_finding(settings, connection, each) for each in plan_of(connection, settings.areas).problems]


def clash_findings(settings: Settings, audit: Connection, others: Iterable[Connection]) -> Iterator[Finding]:
    """Yield findings about connections that cannot be open together with that of the audit, which every command opens.

    Args:
        settings: The settings of the project.
        audit: The connection of the audit.
        others: Those of tables and tasks.
    """
    for each in others:
        if audit.is_duckdb and each.is_duckdb:
            message = clash(audit, plan_of(audit, settings.areas), plan_of(each, settings.areas))
            if message:
                yield _finding(settings, each, Problem("options", message, ONE_CONNECTION))


def _finding(settings: Settings, connection: Connection, problem: Problem) -> Finding:
    """Return a finding with the file and line of an option."""
    file = settings.application.file
    message = f"connection {connection.name}: {problem.message}"
    if file is None:
        return Finding(None, 0, message, problem.hint)
    document = settings.store.read(file, "application").document
    path: tuple[str, ...] = ("application", "connections", connection.name)
    own = (*path, "options", problem.option) in document.lines
    return document.finding(
        (*path, "options", problem.option) if own else (*path, problem.option), message, problem.hint
    )


def usable_plan(settings: Settings, connection: Connection, *, writing: bool = True) -> Plan:
    """Return the plan for opening a DuckDB connection; refuse unsupported options.

    Args:
        settings: The settings of the project.
        connection: The connection; one of DuckDB.
        writing: True if rows are written to it.

    Raises:
        ProjectError: If it has an unsupported option, or if rows would be lost.
    """
    plan = plan_of(connection, settings.areas)
    problem = plan.blocking(writing=writing)
    if problem is not None:
        raise ProjectError([_finding(settings, connection, problem)])
    return plan


def require_one_connection(settings: Settings, item: Table | Task) -> None:
    """Refuse a task that runs on one database and writes to another; DuckDB needs one open database for both.

    Args:
        settings: The settings of the project.
        item: A table or task.

    Raises:
        ProjectError: If its ``connectionRef`` is another database than that of its sink.
    """
    application = settings.application
    runs, writes = (item.connection_ref, item.sink.connection_ref) if isinstance(item, Task) else (None, None)
    if not runs or not writes or runs == writes or application.duckdb_mode:
        return
    connections = [find_connection(application, settings.areas, ref) for ref in (runs, writes)]
    files = {duckdb_file(each, settings.areas) for each in connections}
    if any(each.is_duckdb for each in connections) and (len(files) > 1 or None in files):
        message = f"{item.full_name} runs on the connection {runs} and its sink writes to {writes}"
        hint = "use one connection for both; preActions of a DuckDB connection may ATTACH another database to read from"
        raise ProjectError([Finding(item.file, 0, message, hint)])
