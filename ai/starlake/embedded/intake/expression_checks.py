"""Checks of the SQL in a table's metadata: the scripts, the privacy and the filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.database.statements import Statement, origin

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.intake.incoming import Staged


def require_expressions(database: Database, rows: Staged) -> None:
    """Check the scripts, the privacy and the filter of a table before its rows are written.

    Args:
        database: The database.
        rows: The rows that have been read.

    Raises:
        SqlError: If one of them is not valid; it names the line of the table's file.
    """
    import duckdb

    steps = list(rows.steps())
    select = rows.select()
    teach(database, select)
    try:
        database.rows(f"DESCRIBE {select}")
    except duckdb.Error:
        for text, step in steps:
            file, line = origin(rows.table, text)
            with Statement(step, file, (line,) if line else ()).explained():
                database.rows(f"DESCRIBE {step}")
