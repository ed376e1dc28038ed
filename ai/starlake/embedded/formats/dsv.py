"""DSV: values between separators, one row a line.

Two ways lead to the same rows. Files without surprises go through DuckDB's own reader, which is fast. The others -
quotes and escapes in one file, rows of changing length, a quote that is never closed - are read line by line and
taken apart by regular expressions, which follows Starlake's reader (Spark's, contract 4.1) in every corner: short
rows are filled with null, long ones cut, and a line break ends the row unless ``multiline`` is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.formats.dialect import Dialect
from ai.starlake.embedded.formats.encodings import text_of
from ai.starlake.embedded.formats.records import Writing, record_rows
from ai.starlake.embedded.formats.text import (
    contains,
    evenly_broken,
    line_rows,
    lines,
    lines_end_with_crlf,
    starts_with,
)
from ai.starlake.embedded.rows import RECORD_COLUMN, Cell, RawRows
from ai.starlake.embedded.sql import literal
from ai.starlake.project import Table

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

_NO_LIMIT_SEPARATOR = 4
"""DuckDB's own reader takes separators of up to four bytes."""
_BLANKS = f"'{chr(9)} '"
"""What Spark drops at both ends of a value when it is asked to."""


def read(_database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
    """Makes the query that reads a DSV file.

    Raises:
        StarlakeError: If the header names a column of the table twice or none of them, or if the dialect cannot be
            used.
    """
    dialect = Dialect.of(table)
    text = text_of(file, table.metadata, scratch)
    quoted = contains(text, dialect.quote)
    if not (quoted and dialect.multiline):
        text = evenly_broken(text, scratch)
    head = _head(text, dialect)
    places = _places(table, file, head.names)
    width = max([*(place + 1 for place in places if place is not None), len(head.names or ()), 1])
    cells = tuple(None if place is None else Cell(f"c{place}") for place in places)
    header = None if head.names is None else dialect.separator.join(head.names)

    def careful() -> str:
        over_lines = quoted and dialect.multiline
        source = _records(text, dialect, head.skip, scratch) if over_lines else line_rows(text, head.skip)
        return _by_lines(source, dialect, width)

    if _suits_duckdb(text, dialect, quoted=quoted):
        query = _by_columns(text, dialect, head.skip, width, quoted=quoted)
        return RawRows(file, query, cells, careful, header)
    return RawRows(file, careful(), cells, header=header)


@dataclass(frozen=True)
class _Head:
    skip: int
    """Lines above the first row."""
    names: tuple[str, ...] | None
    """The names in the header, None without one."""


def _head(file: Path, dialect: Dialect) -> _Head:
    if not dialect.header:
        return _Head(dialect.skip, None)
    for number, line in enumerate(lines(file), 1):
        if number > dialect.skip and line.strip() and not (dialect.comment and line.startswith(dialect.comment)):
            return _Head(number, tuple(split_line(line, dialect)))
    return _Head(dialect.skip, ())


def _places(table: Table, file: Path, names: tuple[str, ...] | None) -> list[int | None]:
    """Per attribute the place of its column in the file, None when the file does not have it."""
    wanted = [attribute for attribute in table.attributes if not attribute.script]
    for attribute in wanted:
        if attribute.is_struct or attribute.array:
            raise StarlakeError(
                f"the attribute {attribute.name!r} of {table.full_name} is a struct or an array",
                cause="a field of a DSV file holds one value",
                fix="give it a plain type, or use the format JSON or PARQUET",
            )
    if names is None:
        order = {id(attribute): place for place, attribute in enumerate(wanted)}
        return [order.get(id(attribute)) for attribute in table.attributes]
    found = [None if attribute.script else _place(attribute.name, names, table, file) for attribute in table.attributes]
    if names and wanted and all(place is None for place in found):
        raise StarlakeError(
            f"the header of {file.name} names no column of {table.full_name}",
            cause=f"it names {', '.join(names)[:300]}; the table has {', '.join(one.name for one in wanted)[:300]}",
            fix="set withHeader: false if the file has no header, and check the separator and skipRows",
        )
    return found


def _place(name: str, names: tuple[str, ...], table: Table, file: Path) -> int | None:
    """The place of a column by its exact name, else by its name in any case."""
    for key in (str, str.lower):
        places = [place for place, one in enumerate(names) if key(one.strip()) == key(name)]
        if len(places) > 1:
            raise StarlakeError(
                f"the header of {file.name} names the column {name!r} of {table.full_name} more than once",
                cause="which of them to load cannot be known",
                fix="give every column of the file its own name, or set withHeader: false and skipRows: 1",
            )
        if places:
            return places[0]
    return None


def _suits_duckdb(file: Path, dialect: Dialect, *, quoted: bool) -> bool:
    """Whether DuckDB's own reader reads the file as Starlake does, or refuses it."""
    if len(dialect.separator.encode()) > _NO_LIMIT_SEPARATOR or len(dialect.quote) > 1 or dialect.strip:
        return False
    if not quoted:
        return True
    quote, escape, separator = (re.escape(text) for text in (dialect.quote, dialect.escape, dialect.separator))
    before = rf"(?:\A|\n|{separator}) +{quote}"
    rare = (f"{start} {dialect.quote}" for start in (dialect.separator, "\n", " "))  # found fast, the pattern slowly
    if dialect.comment or starts_with(file, " ") or any(contains(file, text, before) for text in rare):
        return False
    if dialect.escape in {"", dialect.quote} or not contains(file, dialect.escape):
        return True
    return not contains(file, dialect.quote * 2) and not contains(file, dialect.escape, f"{escape}[^{quote}{escape}]")


def _by_columns(file: Path, dialect: Dialect, skip: int, width: int, *, quoted: bool) -> str:
    """Reads with DuckDB's own reader, which refuses what it would read otherwise than Starlake does.

    Where a row may go over lines, short rows are refused too: DuckDB fills them up in one thread only, and then drops
    a quote that is never closed without a word.
    """
    escape = dialect.escape if quoted and dialect.escape and contains(file, dialect.escape) else dialect.quote
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
    query = (
        f"FROM read_csv({literal(str(file))}, columns = {{{columns}}}, auto_detect = false, header = false, "
        f"skip = {skip}, delim = {literal(dialect.separator)}, quote = {literal(dialect.quote if quoted else '')}, "
        f"escape = {literal(escape if quoted else '')}, nullstr = '', allow_quoted_nulls = false, "
        f"null_padding = {literal(not (quoted and dialect.multiline))})"
    )
    reads = _reading(file, dialect) if quoted else str
    values = [_null_when(reads(f"c{place}"), dialect) for place in range(width)]
    if not dialect.multiline:
        values[0] = _unless_blank_line(values[0], width, dialect)
    named = ", ".join(f"{value} AS c{place}" for place, value in enumerate(values))
    keep = f" WHERE (c0 IS NULL OR NOT starts_with(c0, {literal(dialect.comment)}))" if dialect.comment else ""
    if width == 1:
        keep += f"{' AND' if keep else ' WHERE'} c0 IS NOT NULL"
    return f"SELECT {named}, {_record(width, dialect)} {query}{keep}"


def _reading(file: Path, dialect: Dialect) -> Callable[[str], str]:
    """How a value that may have been quoted is read."""
    if not dialect.multiline:
        return _one_line
    return _unix if lines_end_with_crlf(file) else str


def _one_line(value: str) -> str:
    """A value, unless a line ends in it: then the row did, and has to be read line by line."""
    return f"CASE WHEN contains({value}, chr(10)) THEN error('CSV Error: a line break within quotes') ELSE {value} END"


def _unless_blank_line(value: str, width: int, dialect: Dialect) -> str:
    """The first value, unless the line may be of blanks alone: then it is no row, and is told apart line by line."""
    last, blank = f"c{width - 1} IS NULL", "NOT regexp_matches({0}, '[^\\x00-\\x20]')"
    if not dialect.separator.strip():
        fields = [f"(c{place} IS NULL OR {blank.format(f'c{place}')})" for place in range(width)]
    else:
        fields = [*(f"c{place} IS NULL" for place in range(1, width)), "c0 IS NOT NULL", blank.format("c0")]
    refused = f"CASE WHEN {' AND '.join(fields)} THEN error('CSV Error: a line of blanks') ELSE {value} END"
    return f"CASE WHEN {last} THEN {refused} ELSE {value} END" if width > 1 else refused


def _unix(value: str) -> str:
    """A value with the line breaks that Spark makes of those in a file whose lines end with CR and LF."""
    return f"replace({value}, chr(13) || chr(10), chr(10))"


def _record(width: int, dialect: Dialect) -> str:
    """The line that a row was, with quotes where they are needed."""
    quote = literal(dialect.quote)
    fields = []
    for place in range(width):
        special = " OR ".join(
            f"contains(c{place}, {literal(text)})" for text in (dialect.separator, dialect.quote, "\n") if text
        )
        quoted = f"{quote} || replace(c{place}, {quote}, {quote} || {quote}) || {quote}"
        fields.append(f"CASE WHEN c{place} IS NULL THEN '' WHEN {special} THEN {quoted} ELSE c{place} END")
    return f"concat_ws({literal(dialect.separator)}, {', '.join(fields)}) AS {RECORD_COLUMN}"


def _null_when(value: str, dialect: Dialect) -> str:
    return value if dialect.null_value in {None, ""} else f"nullif({value}, {literal(dialect.null_value)})"


def _records(file: Path, dialect: Dialect, skip: int, scratch: Path) -> str:
    """The rows of a file, each in one text, where they may go over lines."""
    writing = Writing(dialect.separator, dialect.quote, dialect.escape, dialect.comment, "l" in dialect.strip)
    return record_rows(file, skip, writing, scratch)


def _by_lines(source: str, dialect: Dialect, width: int) -> str:
    """Takes rows apart; those of blanks alone are none, as in Spark, unless a row may go over lines."""
    keep = "line <> ''" if dialect.multiline else "regexp_matches(line, '[^\\x00-\\x20]')"
    if dialect.comment:
        keep += f" AND NOT starts_with(line, {literal(dialect.comment)})"
    line = f"line || {literal(dialect.separator)}"
    fields = f"regexp_extract_all({line}, {literal(_field_regex(dialect))}, 1)"
    values = ", ".join(f"{_field(f'fields[{place + 1}]', dialect)} AS c{place}" for place in range(width))
    source = f"SELECT line, {fields} AS fields FROM ({source}) WHERE {keep}"
    return f"SELECT {values}, line AS {RECORD_COLUMN} FROM ({source})"


def _field_regex(dialect: Dialect) -> str:
    """One field and the separator after it; within quotes a separator is text."""
    separator, blanks = re.escape(dialect.separator), " *" if "l" in dialect.strip else ""
    if not dialect.quote:
        return f"(?s){blanks}(.*?){separator}"
    return f"(?s){blanks}((?:{_content(dialect)}{re.escape(dialect.quote)}?)?.*?){separator}"


def _content(dialect: Dialect) -> str:
    """A quote and what is in it, up to the quote that closes it."""
    quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
    if dialect.escape in {"", dialect.quote}:
        return f"{quote}(?:{quote}{quote}|[^{quote}])*"
    return f"{quote}(?:{escape}.|{quote}{quote}|[^{quote}{escape}])*"


def _field(field: str, dialect: Dialect) -> str:
    """The value of a field: without its quotes and escapes; unquoted and empty is null."""
    plain = field
    for side, function in (("l", "ltrim"), ("r", "rtrim")):
        plain = f"{function}({plain}, {_BLANKS})" if side in dialect.strip else plain
    plain = f"nullif({plain}, '')"
    if dialect.quote:
        quote, content = re.escape(dialect.quote), _content(dialect)
        pairs = f"[{quote}{re.escape(dialect.escape)}]([{quote}{re.escape(dialect.escape)}])"
        closed = f"regexp_replace(substr({field}, 2, length(rtrim({field})) - 2), {literal(pairs)}, '\\1', 'g')"
        opened = f"regexp_replace(substr({field}, 2), {literal(pairs)}, '\\1', 'g')"
        plain = (
            f"CASE WHEN NOT starts_with({field}, {literal(dialect.quote)}) OR {field} = {literal(dialect.quote)} "
            f"THEN {plain} "
            f"WHEN regexp_full_match({field}, {literal(f'(?s){content}{quote} *')}) THEN {closed} "
            f"WHEN regexp_full_match({field}, {literal(f'(?s){content}')}) THEN {opened} ELSE {field} END"
        )
    return _null_when(plain, dialect)


def split_line(line: str, dialect: Dialect) -> list[str]:
    """Takes one line apart in Python, as the query does; for headers."""
    quote, escape = dialect.quote, dialect.escape
    found = []
    for field in re.findall(_field_regex(dialect), line + dialect.separator):
        if quote and field.startswith(quote) and field.endswith(quote) and len(field) > 1:
            pairs = f"[{re.escape(quote + escape)}]([{re.escape(quote + escape)}])"
            field = re.sub(pairs, r"\1", field[1:-1])  # noqa: PLW2901
        found.append(field)
    return found
