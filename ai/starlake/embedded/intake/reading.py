"""From files to checked rows: the queries that read them, and the alternatives if DuckDB refuses a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.nested import shape
from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.intake.formats import format_of
from ai.starlake.embedded.intake.formats.json_places import plain
from ai.starlake.embedded.scratch import scratch_folder

if TYPE_CHECKING:
    from ai.starlake.embedded.checking.raw_rows import RawRows
    from ai.starlake.embedded.checking.validation import Validator
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project import Table

_FILES_SHOWN = 3
_FILES_AT_A_TIME = 100
"""Maximum number of files of one query, whose memory grows with it."""
_REFUSED = re.compile(r"CSV (Error|Parser)")
"""Prefix of DuckDB's message about a file that its DSV reader cannot read."""


@contextmanager
def raw_rows(database: Database, table: Table, files: Sequence[Path]) -> Iterator[list[RawRows]]:
    """Yield the queries that read some files; their files on disk exist until the end of the block.

    Raises:
        StarlakeError: If a file does not have the table's format.
    """
    with scratch_folder() as scratch:
        reader = format_of(table)
        yield [reader.read(database, table, file, scratch) for file in files]


def batches(files: Sequence[Path]) -> list[tuple[int, Sequence[Path]]]:
    """Yield the files to read together, with the position of the first of them, from 1."""
    starts = range(0, len(files), _FILES_AT_A_TIME)
    return [(start + 1, files[start : start + _FILES_AT_A_TIME]) for start in starts]


def checked_query(validator: Validator, raw: Sequence[RawRows], place: int) -> str:
    """Return a SELECT of the checked rows of files.

    Args:
        validator: Checks the rows.
        raw: The rows.
        place: The position of the first file among all.
    """
    return " UNION ALL ".join(validator.checked(one, number) for number, one in enumerate(raw, place))


def run_checked(database: Database, validator: Validator, raw: Sequence[RawRows], place: int, sql: str) -> None:
    """Run SQL on the checked rows of files, with slower queries if DuckDB's reader refuses a file.

    Args:
        database: The database.
        validator: Checks the rows.
        raw: The rows.
        place: The position of the first file among all.
        sql: The SQL, with ``{}`` for the SELECT of the checked rows.
    """
    import duckdb

    def run(rows: Sequence[RawRows]) -> None:
        query = checked_query(validator, rows, place)
        teach(database, query)
        database.execute(sql.format(query))

    try:
        run(raw)
    except duckdb.Error as error:
        if not (_REFUSED.search(str(error)) and any(one.fallback for one in raw)):
            raise
        run([replace(one, query=one.fallback(), has_problems=True) if one.fallback else one for one in raw])


def explained(database: Database, table: Table, files: Sequence[Path], error: str) -> StarlakeError:
    """Return the error of files that DuckDB cannot read, with settings that exist here."""
    for _, batch in batches(files):
        with raw_rows(database, table, batch) as raw:
            found = (one.explain(error) for one in raw if one.explain)
            if cause := next(filter(None, found), None):
                return cause
    names = ", ".join(file.name for file in files[:_FILES_SHOWN])
    return StarlakeError(
        f"{names} cannot be read as {table.metadata.format}",
        cause=plain(error),
        fix="correct the file, or the metadata of its table: format, separator, quote, escape, encoding",
    )


def of_several_shapes(database: Database, validator: Validator, table: Table, files: Sequence[Path]) -> set[str]:
    """Return the scalar attributes whose JSON has more than one shape in the files; Spark reads them as strings."""
    shapes: dict[str, set[str]] = {}
    if not format_of(table).scalars_change_shape:
        return set()
    for _, batch in batches(files):
        with raw_rows(database, table, batch) as raw:
            for one in raw:
                for name, found in _shapes(database, validator, one).items():
                    shapes.setdefault(name, set()).update(found)
    return {name for name, found in shapes.items() if len(found) > 1}


def _shapes(database: Database, validator: Validator, raw: RawRows) -> dict[str, list[str]]:
    """Return the shapes of the JSON of scalar attributes in a file."""
    cells = zip(validator.columns, raw.cells, strict=True)
    names = {column.attribute.name: cell.column for column, cell in cells if cell and validator.is_json_scalar(column)}
    if not names:
        return {}
    lists = ", ".join(f"list(DISTINCT {shape(cell)}) FILTER ({shape(cell)} IS NOT NULL)" for cell in names.values())
    (found,) = database.rows(f"SELECT {lists} FROM ({raw.query})")
    return {name: shapes or [] for name, shapes in zip(names, found, strict=True)}
