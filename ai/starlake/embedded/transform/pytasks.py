"""Python tasks: a ``.py`` file whose function ``task`` returns the rows. Starlake runs such tasks on Spark only.

``def task(connection, variables)`` is called with the open DuckDB connection and the project's variables. It returns a
DuckDB relation, or a data frame of pandas, Polars or Arrow; the task's YAML determines how the rows are written, as for
SQL. With ``engine`` in the YAML it returns a lazy frame of Polars, which that engine runs.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.lazy_frames import LazyQuery
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.scratch import scratch_folder

if TYPE_CHECKING:
    from ai.starlake.common.lazy_frames import LazyEngine
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.workspace import Workspace
    from ai.starlake.project import Task

_TABLE = "zztmp_python_task"
_SOURCE = "zztmp_python_source"
_FUNCTION = "task"
_CREATE = f"CREATE OR REPLACE TEMPORARY TABLE {_TABLE} AS SELECT * FROM"


def python_rows(database: Database, workspace: Workspace, task: Task, file: Path) -> str:
    """Run a Python task and return a SELECT of its rows.

    Args:
        database: The database of the task, with an open transaction that includes what the function writes.
        workspace: The project, and the engines of lazy frames.
        task: The task.
        file: Its Python file.

    Raises:
        StarlakeError: If the file has no function ``task``, if it raises, or if it returns no rows.
    """
    function = _function(task, file)
    try:
        rows = function(database.connection, dict(workspace.project.environment))
    except Exception as error:
        raise StarlakeError(f"the Python task {task.full_name} failed ({file})", cause=_told(error)) from error
    if task.engine is not None:
        _keep_lazy(database, workspace.lazy_engines.named(task.engine), task, rows)
        return f"SELECT * FROM {_TABLE}"
    try:
        _keep(database, rows)
    except Exception as error:
        raise StarlakeError(
            f"the Python task {task.full_name} returned a {type(rows).__name__} ({file})",
            cause=_told(error),
            fix="return a DuckDB relation, or a data frame of pandas, Polars or Arrow",
        ) from error
    return f"SELECT * FROM {_TABLE}"


def _keep_lazy(database: Database, engine: LazyEngine, task: Task, frame: Any) -> None:
    """Copy the rows of a lazy frame from its engine to a temporary table, never all of them in memory."""
    with scratch_folder() as scratch:
        engine.write(LazyQuery(frame, task.full_name, scratch))
        database.execute(f"{_CREATE} read_parquet({literal(str(scratch / '**' / '*.parquet'))})")


def _keep(database: Database, rows: Any) -> None:
    """Copy the rows to a temporary table."""
    if hasattr(rows, "collect"):
        rows = rows.collect()
    if hasattr(rows, "create_view"):
        rows.create_view(_SOURCE, replace=True)
        database.execute(f"{_CREATE} {_SOURCE}")
        database.execute(f"DROP VIEW {_SOURCE}")
    elif hasattr(rows, "write_parquet"):  # Polars; this way needs no Arrow
        with scratch_folder() as scratch:
            file = scratch / "rows.parquet"
            rows.write_parquet(file)
            database.execute(f"{_CREATE} read_parquet({literal(str(file))})")
    else:
        database.connection.register(_SOURCE, rows)
        database.execute(f"{_CREATE} {_SOURCE}")
        database.connection.unregister(_SOURCE)


def _function(task: Task, file: Path) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] | None = runpy.run_path(str(file)).get(_FUNCTION)
    except Exception as error:
        kind = PermanentError if isinstance(error, SyntaxError) else StarlakeError
        raise kind(f"the Python task {task.full_name} cannot be read ({file})", cause=_told(error)) from error
    if not callable(function):
        raise PermanentError(
            f"the Python task {task.full_name} has no function {_FUNCTION} ({file})",
            fix="define task(connection, variables) that returns a DuckDB relation or a data frame",
        )
    return function


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
