"""POSITION: lines of fixed layout, each value between two positions that count from zero."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN, Cell, RawRows
from ai.starlake.embedded.intake.formats.encodings import text_of, wrong_encoding
from ai.starlake.embedded.intake.formats.file_format import FileFormat
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting
from ai.starlake.embedded.intake.formats.text import evenly_broken, line_rows
from ai.starlake.project import Attribute, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database


class Position(FileFormat):
    """Lines of fixed layout."""

    def wrong_settings(self, table: Table) -> Iterator[WrongSetting]:
        """Yield an unknown encoding."""
        return wrong_encoding(table)

    def read(self, _database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads a file of fixed layout.

        A line that is too short has empty strings at its end, an empty line has only empty strings, as in Starlake.

        Raises:
            StarlakeError: If an attribute has no position.
        """
        text = evenly_broken(text_of(file, table.metadata, scratch), scratch)
        places = [place for place, attribute in enumerate(table.attributes) if not attribute.script]
        values = ", ".join(f"{_value(table.attributes[place], table)} AS c{place}" for place in places)
        cells = tuple(
            None if attribute.script else Cell(f"c{place}") for place, attribute in enumerate(table.attributes)
        )
        query = f"SELECT {values}, line AS {RECORD_COLUMN} FROM ({line_rows(text, 0)})"
        return RawRows(file, query, cells, lines=lambda places, _: [place + 1 for place in places])


def _value(attribute: Attribute, table: Table) -> str:
    position = attribute.position
    if position is None or position.last < position.first or position.first < 0:
        raise PermanentError(
            f"the attribute {attribute.name!r} of {table.full_name} has no usable position"
            + (f" ({table.file})" if table.file else ""),
            fix="set position.first and position.last, counted from 0, both within the value",
        )
    start, length = position.first + 1, position.last - position.first + 1
    return f"substr(line, {start}, {length})"
