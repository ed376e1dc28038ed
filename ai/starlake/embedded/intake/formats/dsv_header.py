"""Headers of DSV files: assignment of the columns of a file to the attributes of the table."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.intake.formats.dsv_dialect import Dialect
from ai.starlake.embedded.intake.formats.dsv_fields import split_line
from ai.starlake.embedded.intake.formats.dsv_records import Writing, records
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting
from ai.starlake.project import Table

_ALIKE = 0.1
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Head:
    """The lines above the first row.

    Args:
        skip: Number of lines.
        names: The names in the header; None without a header.
        odd: True if one of the lines has an odd number of quotes, like one that continues in the next.
    """

    skip: int
    names: tuple[str, ...] | None
    odd: bool = False


def read_head(file: Path, text: Path, dialect: Dialect) -> Head:
    """Read the lines above the first row of a DSV file.

    Args:
        file: The file.
        text: The file in UTF-8.
        dialect: The dialect of its rows.

    Raises:
        StarlakeError: If a quote in the header is not closed.
    """
    skip, names = dialect.skip, None
    if dialect.header:
        skip, names = _header(file, text, dialect)
    with text.open(encoding="utf-8", newline="") as source:
        odd = dialect.quote != "" and any(line.count(dialect.quote) % 2 for line in islice(source, skip))
    return Head(skip, names, odd)


def writing_of(dialect: Dialect) -> Writing:
    """Return the syntax of the rows of a dialect."""
    blanks = "l" in dialect.strip
    return Writing(dialect.separator, dialect.quote, dialect.escape, dialect.comment, blanks, dialect.multiline)


def _header(file: Path, text: Path, dialect: Dialect) -> tuple[int, tuple[str, ...]]:
    with text.open(encoding="utf-8", newline="") as source:
        below = islice(source, dialect.skip, None)
        for record in records(below, writing_of(dialect), dialect.skip + 1):
            if not record.text.strip():
                continue
            if record.problem:
                raise StarlakeError(
                    f"the header of {file.name} has a quote that is not closed (line {record.line})",
                    cause=f"{record.problem.replace('the row', 'the header', 1)}: {record.text[:300]}",
                    fix="set metadata.multiline: true if names go over lines, and check the quote and skipRows",
                )
            return record.line + len(_LINE_END.findall(record.text)), tuple(split_line(record.text, dialect))
    return dialect.skip, ()


def misspelled(table: Table, file: Path, names: tuple[str, ...], places: list[int | None]) -> tuple[str, ...]:
    """Return the probably misspelled columns: unknown columns of a file whose table has missing columns.

    Args:
        table: The table.
        file: The file.
        names: The names in its header.
        places: The position of the column of each attribute of the table.

    Returns:
        A warning for each.

    Raises:
        StarlakeError: If there are any and the metadata makes them an error.
    """
    known = {attribute.name.lower() for attribute in table.attributes}
    pairs = zip(table.attributes, places, strict=True)
    missing = [attribute.name for attribute, place in pairs if place is None and not attribute.script]
    unknown = [name.strip() for name in names if name.strip() and name.strip().lower() not in known]
    if not (missing and unknown):
        return ()
    found = tuple(
        f"the header of {file.name} names {name!r}, which is not a column of {table.full_name}, and does not name "
        f"{', '.join(missing)[:300]}; {_meant(name, missing)}"
        for name in unknown
    )
    if table.metadata.fail_on_misspelled_columns:
        raise StarlakeError(
            found[0],
            cause="failOnMisspelledColumns is set",
            fix="correct the header, or add the columns of the file to the table (ignore: true leaves one out)",
        )
    return found


def _meant(name: str, missing: list[str]) -> str:
    lowered = {each.lower(): each for each in missing}
    found = difflib.get_close_matches(name.lower(), lowered, 1, _ALIKE) or list(lowered)[:1]
    return f"did you mean {lowered[found[0]]}?"


def nested_attributes(table: Table) -> Iterator[WrongSetting]:
    """Yield the attributes of a DSV table that no field can hold."""
    for place, attribute in enumerate(table.attributes):
        if not attribute.script and (attribute.is_struct or attribute.array):
            yield WrongSetting(
                ("attributes", place),
                f"the attribute {attribute.name!r} of {table.full_name} is a struct or an array: a field of a DSV file "
                "holds one value",
                "give it a plain type, or use the format JSON or PARQUET",
            )


def find_places(table: Table, file: Path, names: tuple[str, ...] | None) -> list[int | None]:
    """Return the position of the column of each attribute in the file; None if the file does not have it.

    Raises:
        StarlakeError: If the header names a column twice or no column of the table.
    """
    wanted = [attribute for attribute in table.attributes if not attribute.script]
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
    """Return the position of a column by its exact name, else by its name in any case."""
    for key in (str, str.lower):
        places = [place for place, one in enumerate(names) if key(one.strip()) == key(name)]
        if len(places) > 1:
            raise StarlakeError(
                f"the header of {file.name} names the column {name!r} of {table.full_name} more than once",
                cause="it is unknown which of them to load",
                fix="give every column of the file its own name, or set withHeader: false and skipRows: 1",
            )
        if places:
            return places[0]
    return None
