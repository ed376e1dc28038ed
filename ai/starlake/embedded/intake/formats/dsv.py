"""DSV: values between separators, one row per line.

There are two ways to read the same rows. Files without special features are read by DuckDB's own reader, which is fast.
The others - quotes and escapes in one file, rows of varying length, a quote that is never closed - are read row by row
and split by regular expressions. These follow Starlake's reader (Spark's) in every detail except where that loses
values: a row with more values than the file has columns is rejected, and so is one that spans lines although
``multiline`` is not set.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN, Cell, RawRows
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.intake.formats.dsv_dialect import Dialect, wrong_dialect
from ai.starlake.embedded.intake.formats.dsv_fields import by_lines, null_when
from ai.starlake.embedded.intake.formats.dsv_header import (
    find_places,
    misspelled,
    nested_attributes,
    read_head,
    writing_of,
)
from ai.starlake.embedded.intake.formats.dsv_records import file_records, record_rows
from ai.starlake.embedded.intake.formats.encodings import text_of, wrong_encoding
from ai.starlake.embedded.intake.formats.file_format import FileFormat
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting
from ai.starlake.embedded.intake.formats.text import (
    FAR,
    contains,
    count_lines,
    evenly_broken,
    has_long_record,
    line_rows,
    reader_limits,
    starts_with,
    without_head,
)
from ai.starlake.project import Table

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_NO_LIMIT_SEPARATOR = 4
"""DuckDB's own reader accepts separators of up to four bytes."""
_BLANKS = "".join(map(chr, range(0x21)))
"""Characters of a line that is not a row."""


class Dsv(FileFormat):
    """Values between separators."""

    names_columns = True

    def wrong_settings(self, table: Table) -> Iterator[WrongSetting]:
        """Yield unknown options, an unknown encoding, separators that separate nothing, and nested attributes."""
        yield from wrong_dialect(table)
        yield from wrong_encoding(table)
        yield from nested_attributes(table)

    def read(self, _database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads a DSV file.

        Raises:
            StarlakeError: If the header names a column of the table twice or none of them.
        """
        dialect = Dialect.of(table)
        text = text_of(file, table.metadata, scratch)
        quoted = contains(text, dialect.quote)
        if not (quoted and dialect.multiline):
            text = evenly_broken(text, scratch)
        head = read_head(file, text, dialect)
        places = find_places(table, file, head.names)
        width = max([*(place + 1 for place in places if place is not None), len(head.names or ()), 1])
        cells = tuple(None if place is None else Cell(f"c{place}") for place in places)
        rows = RawRows(
            file,
            "",
            cells,
            header=None if head.names is None else dialect.separator.join(head.names),
            warnings=misspelled(table, file, head.names or (), places),
            lines=partial(_lines, text, dialect, head.skip, quoted=quoted),
        )

        def careful() -> str:
            if quoted:
                source = record_rows(text, head.skip, writing_of(dialect), scratch)
            else:
                source = f"SELECT line, '' AS problem FROM ({line_rows(text, head.skip)})"
            return by_lines(source, dialect, width, cuts=table.metadata.cut_long_rows)

        if not _suits_duckdb(text, dialect, quoted=quoted):
            return replace(rows, query=careful(), has_problems=True)
        start, skip = (without_head(text, head.skip, scratch), 0) if head.odd else (text, head.skip)
        return replace(rows, query=_by_columns(start, dialect, skip, width, quoted=quoted), fallback=careful)


def _lines(text: Path, dialect: Dialect, skip: int, places: Collection[int], rows: int, *, quoted: bool) -> list[int]:
    """Return the lines of rows, as in `RawRows.lines`; if each line is a row, no search is needed."""
    last = max(places, default=-1)
    if last >= FAR and count_lines(text) == skip + rows:
        return [skip + place + 1 for place in places]
    found = _lines_of_records(text, dialect, skip) if quoted else _lines_of_rows(text, dialect, skip)
    wanted = set(places)
    return [line for place, line in enumerate(islice(found, last + 1)) if place in wanted]


def _lines_of_records(text: Path, dialect: Dialect, skip: int) -> Iterator[int]:
    for record in file_records(text, skip, writing_of(dialect)):
        if record.text != "" if dialect.multiline else record.text.strip(_BLANKS):
            yield record.line


def _lines_of_rows(text: Path, dialect: Dialect, skip: int) -> Iterator[int]:
    """Yield the lines that are rows if no quote joins lines: comparing bytes is several times as fast."""
    blanks = b"\r\n" if dialect.multiline else _BLANKS.encode()
    comment = dialect.comment.encode()
    with text.open("rb") as source:
        for number, line in enumerate(islice(source, skip, None), skip + 1):
            if line.strip(blanks) and not (comment and line.startswith(comment)):
                yield number


def _suits_duckdb(file: Path, dialect: Dialect, *, quoted: bool) -> bool:
    """Return True if DuckDB's own reader reads the file like Starlake, or refuses it."""
    if len(dialect.separator.encode()) > _NO_LIMIT_SEPARATOR or len(dialect.quote) > 1 or dialect.strip:
        return False
    if not quoted:
        return True
    if dialect.multiline and has_long_record(file, dialect.quote):
        return False
    quote, escape, separator = (re.escape(text) for text in (dialect.quote, dialect.escape, dialect.separator))
    before = rf"(?:\A|\n|{separator}) +{quote}"
    rare = (f"{start} {dialect.quote}" for start in (dialect.separator, "\n", " "))  # found fast, the pattern slowly
    if dialect.comment or starts_with(file, " ") or any(contains(file, text, before) for text in rare):
        return False
    if dialect.escape in {"", dialect.quote} or not contains(file, dialect.escape):
        return True
    return not contains(file, dialect.quote * 2) and not contains(file, dialect.escape, f"{escape}[^{quote}{escape}]")


def _by_columns(file: Path, dialect: Dialect, skip: int, width: int, *, quoted: bool) -> str:
    """Read with DuckDB's own reader, which refuses what it would read differently from Starlake.

    If a row may span lines, short rows are refused too: DuckDB fills them up in one thread only, and then silently
    drops a quote that is never closed.
    """
    escape = dialect.escape if quoted and dialect.escape and contains(file, dialect.escape) else dialect.quote
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
    query = (
        f"FROM read_csv({literal(str(file))}, columns = {{{columns}}}, auto_detect = false, header = false, "
        f"skip = {skip}, delim = {literal(dialect.separator)}, quote = {literal(dialect.quote if quoted else '')}, "
        f"escape = {literal(escape if quoted else '')}, nullstr = '', allow_quoted_nulls = false, "
        f"null_padding = {literal(not (quoted and dialect.multiline))}{reader_limits(file)})"
    )
    reads = _one_line if quoted and not dialect.multiline else str
    values = [null_when(reads(f"c{place}"), dialect) for place in range(width)]
    if not dialect.multiline:
        values[0] = _unless_blank_line(values[0], width, dialect)
    named = ", ".join(f"{value} AS c{place}" for place, value in enumerate(values))
    keep = f" WHERE (c0 IS NULL OR NOT starts_with(c0, {literal(dialect.comment)}))" if dialect.comment else ""
    if width == 1:
        keep += f"{' AND' if keep else ' WHERE'} c0 IS NOT NULL"
    return f"SELECT {named}, {_record(width, dialect)} {query}{keep}"


def _one_line(value: str) -> str:
    """Return a value, unless it contains a line end: then the row spans lines, and has to be read line by line."""
    return f"CASE WHEN contains({value}, chr(10)) THEN error('CSV Error: a line break within quotes') ELSE {value} END"


def _unless_blank_line(value: str, width: int, dialect: Dialect) -> str:
    """Return the first value, unless the line may be blank: then it is not a row, and is read line by line."""
    last, blank = f"c{width - 1} IS NULL", "NOT regexp_matches({0}, '[^\\x00-\\x20]')"
    if not dialect.separator.strip():
        fields = [f"(c{place} IS NULL OR {blank.format(f'c{place}')})" for place in range(width)]
    else:
        fields = [*(f"c{place} IS NULL" for place in range(1, width)), "c0 IS NOT NULL", blank.format("c0")]
    refused = f"CASE WHEN {' AND '.join(fields)} THEN error('CSV Error: a line of blanks') ELSE {value} END"
    return f"CASE WHEN {last} THEN {refused} ELSE {value} END" if width > 1 else refused


def _record(width: int, dialect: Dialect) -> str:
    """Return the original line of a row, with quotes where they are needed."""
    quote = literal(dialect.quote)
    fields = []
    for place in range(width):
        special = " OR ".join(
            f"contains(c{place}, {literal(text)})" for text in (dialect.separator, dialect.quote, "\n", "\r") if text
        )
        quoted = f"{quote} || replace(c{place}, {quote}, {quote} || {quote}) || {quote}"
        fields.append(f"CASE WHEN c{place} IS NULL THEN '' WHEN {special} THEN {quoted} ELSE c{place} END")
    return f"concat_ws({literal(dialect.separator)}, {', '.join(fields)}) AS {RECORD_COLUMN}"
