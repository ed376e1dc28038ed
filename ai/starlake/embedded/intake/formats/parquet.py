"""PARQUET: columns by name, in any order and any case; unknown ones are left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN, Cell, CellKind, RawRows
from ai.starlake.embedded.database.quoting import identifier, literal
from ai.starlake.embedded.intake.formats.file_format import FileFormat
from ai.starlake.embedded.intake.formats.text import plainly_named
from ai.starlake.project import Attribute, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_TYPED = ("DATE", "TIMESTAMP", "DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN", "TIME")
"""Column types whose string form depends on more than the value; they are converted directly."""
_AS_TYPED = {"FLOAT": "CAST(CAST({} AS VARCHAR) AS DOUBLE)"}
"""Converts FLOAT to DOUBLE via its shortest decimal form (0.1f becomes 0.1), as Starlake does."""
_AS_TEXT = {"TIMESTAMP WITH TIME ZONE": "CAST(timezone('UTC', {}) AS VARCHAR)", "BLOB": "decode({})"}
"""String forms in which DuckDB differs from Spark."""


class Parquet(FileFormat):
    """Columns with types of their own. Rejected rows are written as JSON documents."""

    def read(self, database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads a Parquet file.

        Raises:
            StarlakeError: If it is not a Parquet file, or if a column is a list or struct but the attribute a single
                value.
        """
        import duckdb

        source = f"read_parquet({literal(str(plainly_named(file, scratch)))})"
        try:
            found = {row[0]: row[1] for row in database.rows(f"DESCRIBE SELECT * FROM {source}")}
        except duckdb.Error as error:
            raise StarlakeError(
                f"{file.name} is not a Parquet file", cause=str(error).splitlines()[0], fix="replace the file"
            ) from error
        columns: list[str] = []
        cells: list[Cell | None] = []
        for place, attribute in enumerate(table.attributes):
            name = None if attribute.script else _name(attribute, found)
            if name is None:
                cells.append(None)
                continue
            expression, kind = _cell(attribute, name, found[name], file)
            columns.append(f"{expression} AS c{place}")
            cells.append(Cell(f"c{place}", kind))
        record = f"CAST(to_json(whole) AS VARCHAR) AS {RECORD_COLUMN}"
        return RawRows(file, f"SELECT {', '.join([*columns, record])} FROM {source} AS whole", tuple(cells))


def _name(attribute: Attribute, found: dict[str, str]) -> str | None:
    if attribute.name in found:
        return attribute.name
    return next((name for name in found if name.lower() == attribute.name.lower()), None)


def _cell(attribute: Attribute, name: str, kind: str, file: Path) -> tuple[str, CellKind]:
    nested = kind.startswith(("STRUCT", "MAP", "UNION")) or kind.endswith("]")
    wanted = attribute.is_struct or attribute.array
    if wanted:
        return f"to_json({identifier(name)})", CellKind.JSON
    if nested and attribute.type != "variant":
        raise StarlakeError(
            f"the column {name!r} of {file.name} is a {kind[:60]}",
            cause=f"the table wants a {attribute.type}",
            fix="declare it as a struct or an array, with its attributes",
        )
    if nested:
        return f"to_json({identifier(name)})", CellKind.JSON
    if kind.startswith(_TYPED) and attribute.type != "string":
        return _AS_TYPED.get(kind, "{}").format(identifier(name)), CellKind.TYPED
    return _AS_TEXT.get(kind, "CAST({} AS VARCHAR)").format(identifier(name)), CellKind.TEXT
