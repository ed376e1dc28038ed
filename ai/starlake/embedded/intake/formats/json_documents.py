"""JSON: one document per line, one document over several lines, or one array of documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.nested import member, similar_member
from ai.starlake.embedded.checking.raw_rows import RECORD_COLUMN, Cell, CellKind, RawRows
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.intake.formats.encodings import text_of, wrong_encoding
from ai.starlake.embedded.intake.formats.file_format import FileFormat
from ai.starlake.embedded.intake.formats.json_places import documents_of, explained, row_lines
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting, is_irrelevant, is_multiline
from ai.starlake.embedded.intake.formats.text import (
    count_lines,
    first_character,
    last_character,
    line_of_trailing_comma,
)
from ai.starlake.project import Attribute, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_KEYS = "lower_keys"
_FIRST_OBJECTS = 1000
_LARGEST_DOCUMENT = 256 * 1024 * 1024
"""Bytes; DuckDB's limit is 16 MiB, which an ordinary array of documents on one line exceeds."""


class Json(FileFormat):
    """Documents, which may have nested values."""

    scalars_change_shape = True

    def wrong_settings(self, table: Table) -> Iterator[WrongSetting]:
        """Yield options of the reader that would change the rows, and an unknown encoding."""
        for name, value in table.metadata.options.items():
            if name.lower() not in {"multiline", "encoding", "charset"} and not is_irrelevant(name, value):
                yield WrongSetting(
                    ("metadata", "options", name),
                    f"the option {name!r} of {table.full_name} is not supported: the embedded engine does not know "
                    f"what Spark's JSON reader would do with {value!r}",
                    "remove it; multiline, array and encoding are keys of metadata",
                )
        yield from wrong_encoding(table)

    def read(self, database: Database, table: Table, file: Path, scratch: Path) -> RawRows:
        """Return the query that reads a JSON file.

        A document that is not JSON fails the whole file when the query runs, as in Starlake. A key that no document of
        the file has is a missing column.

        Raises:
            StarlakeError: If the end of the file is missing or there is a surplus comma, which DuckDB's reader does not
                always notice.
        """
        import duckdb

        metadata = table.metadata
        text = text_of(file, table.metadata, scratch)
        layout = _layout(table, text)
        end = last_character(text)
        if end not in {"", "]"} if layout == "array" else end in {"[", "{"}:
            raise StarlakeError(
                f"{file.name} does not end where a JSON document ends (line {count_lines(text)})",
                cause="it may be cut off",
                fix="replace the file",
            )
        line = line_of_trailing_comma(text, over_lines=layout != "newline_delimited")
        if line is not None:
            raise StarlakeError(
                f"{file.name} is not valid JSON (line {line})",
                cause="there is a comma before the end of an object or an array",
                fix="remove the comma, or restore what is missing after it",
            )
        rows = documents(table, file, text, layout)
        try:
            absent = (
                set() if metadata.loads_natively else _never_there(database, table, _objects(_source(text, layout)))
            )
        except duckdb.InvalidInputException as error:
            raise (rows.explain and rows.explain(str(error))) or error from error
        return replace(rows, cells=tuple(None if place in absent else cell for place, cell in enumerate(rows.cells)))

    def replayed(self, table: Table, header: str | None, records: Iterable[str]) -> Iterator[str]:
        """Yield documents in Spark's form: keys in order, no blanks, no nulls."""
        _ = header
        documents = map(_rewritten, records)
        if not table.metadata.array:
            yield from documents
            return
        yield "["
        yield from (f",{line}" if number else line for number, line in enumerate(documents))
        yield "]"


def _layout(table: Table, text: Path) -> str:
    """Return DuckDB's name of the layout of documents in a file; one object is accepted in place of an array of it."""
    if table.metadata.array:
        return "unstructured" if first_character(text) == "{" else "array"
    return "unstructured" if is_multiline(table.metadata) else "newline_delimited"


def documents(table: Table, file: Path, text: Path, layout: str) -> RawRows:
    """Return the query that reads documents.

    Args:
        table: The table.
        file: The file of the rows.
        text: The file with the documents; `file` itself, or one made from it.
        layout: ``array``, ``newline_delimited`` or ``unstructured``, in DuckDB's terms.
    """
    names = {place: one.name for place, one in enumerate(table.attributes) if not one.script}
    cells = tuple(
        None if attribute.script else Cell(f"c{place}", CellKind.JSON)
        for place, attribute in enumerate(table.attributes)
    )
    found = partial(documents_of, text, layout)
    return RawRows(
        file,
        _members(_objects(_source(text, layout)), names),
        cells,
        lines=partial(row_lines, text, layout),
        explain=partial(explained, file, found, table.attributes),
    )


def _source(text: Path, layout: str) -> str:
    return f"read_json_objects({literal(str(text))}, format = '{layout}', maximum_object_size = {_LARGEST_DOCUMENT})"


def _never_there(database: Database, table: Table, objects: str) -> set[int]:
    """Return the paths of required attributes for which no object has a key.

    The first objects suffice in nearly all files, so that only these are read twice.
    """
    wanted = {
        place: one.name.lower() for place, one in enumerate(table.attributes) if not one.script and _must_be_there(one)
    }
    for part in (f" LIMIT {_FIRST_OBJECTS}", "") if wanted else ():
        query = f"SELECT DISTINCT lower(unnest(json_keys(json))) FROM (SELECT json FROM ({objects}){part})"
        keys = {key for (key,) in database.rows(query)}
        wanted = {place: name for place, name in wanted.items() if name not in keys}
        if not wanted:
            break
    return set(wanted)


def _must_be_there(attribute: Attribute) -> bool:
    """Return True if a null is an error, of the attribute or of a field in it."""
    if attribute.required:
        return attribute.default is None
    return not attribute.array and any(_must_be_there(field) for field in attribute.attributes)


def _members(objects: str, names: Mapping[int, str]) -> str:
    """Return the members of objects: those with exactly the name, else those with the name in another case.

    Only if a name is missing are the keys of the object searched for other cases: once for all missing names.
    """
    exact = [f"{member('json', name)} AS c{place}" for place, name in names.items()]
    absent = " OR ".join(f"c{place} IS NULL" for place in names) or "false"
    keys = f"CASE WHEN {absent} THEN list_transform(json_keys(json), lambda k: lower(k)) END AS {_KEYS}"
    values = [
        f"CASE WHEN c{place} IS NULL AND list_contains({_KEYS}, lower({literal(name)})) "
        f"THEN {similar_member('json', name)} ELSE c{place} END AS c{place}"
        for place, name in names.items()
    ]
    found = f"SELECT *, {keys} FROM (SELECT {', '.join([*exact, 'json'])} FROM ({objects}))"
    record = f"CAST(json AS VARCHAR) AS {RECORD_COLUMN}"
    return f"SELECT {', '.join([*values, record])} FROM ({found})"


def _objects(source: str) -> str:
    """Return the objects of a file; as in Spark, an array contains several, and null is one without members.

    Anything else fails the file.
    """
    many = "CASE json_type(json) WHEN 'ARRAY' THEN json_extract(json, '$[*]') ELSE [json] END"
    wrong = "error(concat('a JSON document is not an object but ', json_type(json)))"
    each = f"SELECT unnest({many}) AS json FROM {source}"
    kinds = "WHEN 'OBJECT' THEN json WHEN 'NULL' THEN CAST('{}' AS JSON)"
    return f"SELECT CASE json_type(json) {kinds} ELSE {wrong} END AS json FROM ({each})"


def _rewritten(record: str) -> str:
    return json.dumps(_present(json.loads(record)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _present(value: Any) -> Any:
    """Return a JSON value without members that are null."""
    if isinstance(value, dict):
        return {name: _present(one) for name, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value
