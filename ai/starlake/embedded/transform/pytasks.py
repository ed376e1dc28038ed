"""Python tasks: a ``.py`` file whose function ``task`` returns the rows. Starlake runs such tasks on Spark only.

``def task(connection, variables)`` is called with the open DuckDB connection and the project's variables. It returns
a DuckDB relation, or a data frame of pandas, Polars or Arrow; what becomes of the rows is said by the task's YAML, as
for SQL.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.scratch import scratch_folder

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project import Project, Task

_TABLE = "zztmp_python_task"
_SOURCE = "zztmp_python_source"
_FUNCTION = "task"


def python_rows(database: Database, project: Project, task: Task, file: Path) -> str:
    """Run a Python task and return a SELECT of its rows.

    Args:
        database: The database of the task; the transaction is open, what the function writes is part of it.
        project: The project.
        task: The task.
        file: Its Python file.

    Raises:
        StarlakeError: If the file has no function ``task``, if it raises, or if it returns no rows.
    """
    function = _function(task, file)
    try:
        rows = function(database.connection, dict(project.environment))
    except Exception as error:
        raise StarlakeError(f"the Python task {task.full_name} failed ({file})", cause=_told(error)) from error
    try:
        _keep(database, rows)
    except Exception as error:
        raise StarlakeError(
            f"the Python task {task.full_name} returned a {type(rows).__name__} ({file})",
            cause=_told(error),
            fix="return a DuckDB relation, or a data frame of pandas, Polars or Arrow",
        ) from error
    return f"SELECT * FROM {_TABLE}"


def _keep(database: Database, rows: Any) -> None:
    """Copy the rows into a temporary table."""
    if hasattr(rows, "collect"):
        rows = rows.collect()
    create = f"CREATE OR REPLACE TEMPORARY TABLE {_TABLE} AS SELECT * FROM"
    if hasattr(rows, "create_view"):
        rows.create_view(_SOURCE, replace=True)
        database.execute(f"{create} {_SOURCE}")
        database.execute(f"DROP VIEW {_SOURCE}")
    elif hasattr(rows, "write_parquet"):  # Polars; needs no Arrow this way
        with scratch_folder() as scratch:
            file = scratch / "rows.parquet"
            rows.write_parquet(file)
            database.execute(f"{create} read_parquet({literal(str(file))})")
    else:
        database.connection.register(_SOURCE, rows)
        database.execute(f"{create} {_SOURCE}")
        database.connection.unregister(_SOURCE)


def _function(task: Task, file: Path) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] | None = runpy.run_path(str(file)).get(_FUNCTION)
    except Exception as error:
        raise StarlakeError(f"the Python task {task.full_name} cannot be read ({file})", cause=_told(error)) from error
    if not callable(function):
        raise StarlakeError(
            f"the Python task {task.full_name} has no function {_FUNCTION} ({file})",
            fix="define task(connection, variables) that returns a DuckDB relation or a data frame",
        )
    return function


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
