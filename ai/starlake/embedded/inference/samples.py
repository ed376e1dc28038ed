"""Results of DuckDB's sniffer for a sample: the format, its dialect, the columns and their types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.intake.formats.encodings import as_utf8

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_LARGEST_DOCUMENT = 256 * 1024 * 1024
_HEAD = 1 << 16
_DELIMITERS = ",;|\t"
_NONE = "(empty)"
"""Value of the sniffer for no quote, escape or comment."""


@dataclass(frozen=True)
class Sample:
    """Facts about a sample.

    Attributes:
        metadata: The ``metadata`` of the table, as in its file.
        columns: Names and DuckDB types.
    """

    metadata: dict[str, Any]
    columns: list[tuple[str, Any]] = field(repr=False)


def read_sample(database: Database, file: Path, format_: str | None, encoding: str, scratch: Path) -> Sample:
    """Read a sample.

    Args:
        database: A database for queries.
        file: The file.
        format_: ``DSV``, ``JSON``, ``JSON_ARRAY``, ``JSON_FLAT`` or ``PARQUET``; detected if None.
        encoding: The encoding of a text file.
        scratch: A folder for a converted copy.

    Raises:
        StarlakeError: If the file is missing, is empty, or has a format that cannot be inferred.
    """
    import duckdb

    if not file.is_file():
        raise StarlakeError(f"{file} is not a file", fix="name a sample file with --input")
    name = (format_ or _format_of(file)).upper()
    reader = _READERS.get(name)
    if reader is None:
        raise StarlakeError(
            f"the metadata of a {name} file cannot be inferred", fix=f"use one of {', '.join(_READERS)} with --format"
        )
    try:
        text = file if name == "PARQUET" else as_utf8(file, encoding, scratch, setting="--encoding")
        sample = reader(database, text)
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise StarlakeError(
            f"{file} cannot be read as {name}", cause=message, fix="check the file, or say --format"
        ) from error
    if not sample.columns:
        raise StarlakeError(f"{file} has no columns", fix="give it a header, or rows")
    if name == "JSON_FLAT":
        sample.metadata["format"] = name
    if name != "PARQUET" and encoding.upper() != "UTF-8":
        sample.metadata["encoding"] = encoding
    return sample


def _format_of(file: Path) -> str:
    with file.open("rb") as source:
        head = source.read(_HEAD)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if head.startswith(b"PAR1"):
        return "PARQUET"
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise StarlakeError(f"{file} is an archive", fix="unpack it, and infer from a file in it")
    if start == b"<":
        return "XML"
    return "JSON" if start in {b"{", b"["} else "DSV"


def _parquet(database: Database, file: Path) -> Sample:
    return Sample({"format": "PARQUET"}, _columns(database, f"FROM read_parquet({literal(str(file))})"))


def _json(database: Database, file: Path) -> Sample:
    import duckdb

    path, size = literal(str(file)), f"maximum_object_size = {_LARGEST_DOCUMENT}"
    with file.open(encoding="utf-8") as source:
        is_array = source.read(_HEAD).lstrip()[:1] == "["
    layouts = [("array", {"array": True})] if is_array else []
    layouts += [("newline_delimited", {}), ("unstructured", {"multiline": True})]
    for layout, keys in layouts:
        kinds = f"SELECT DISTINCT json_type(json) FROM read_json_objects({path}, format = '{layout}', {size})"
        try:
            found = {kind for (kind,) in database.rows(kinds)}
        except duckdb.Error:
            if layout == "unstructured":
                raise
            continue
        if found == {"OBJECT"}:
            _check_keys(database, file, f"read_json_objects({path}, format = '{layout}', {size})")
            settings = f"sample_size = -1, maximum_depth = -1, map_inference_threshold = -1, {size}"
            query = f"FROM read_json({path}, format = '{layout}', field_appearance_threshold = 0, {settings})"
            columns = [(name, kind) for name, kind in _columns(database, query) if name]
            return Sample({"format": "JSON", **keys}, columns)
    raise StarlakeError(f"{file} holds no JSON objects", cause="a row is one object", fix="check the sample")


def _check_keys(database: Database, file: Path, source: str) -> None:
    """Refuse keys that cannot both be columns of a table."""
    keys = f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {source}"
    names = database.value(f"SELECT list(key ORDER BY key) FROM ({keys}) GROUP BY lower(key) HAVING count(*) > 1")
    if names:
        raise StarlakeError(
            f"the keys {' and '.join(names)} of {file.name} differ in case alone",
            cause="they would be one column in the database",
            fix="rename one of them where the file comes from",
        )


def _dsv(database: Database, file: Path) -> Sample:
    found = _sniffed(database, file)
    delimiter = _missed_delimiter(file, found)
    if delimiter is not None:
        options = f", delim = {literal(delimiter)}, skip = 0, ignore_errors = true"
        found = _sniffed(database, file, options)
    metadata: dict[str, Any] = {"format": "DSV", "separator": found["Delimiter"], "withHeader": found["HasHeader"]}
    if found["Quote"] not in {"", _NONE, '"'}:
        metadata["quote"] = found["Quote"]
    if found["Escape"] not in {"", _NONE, "\\"}:
        metadata["escape"] = found["Escape"]
    if found["SkipRows"]:
        metadata["options"] = {"skipRows": str(found["SkipRows"])}
    query = found["Prompt"].removeprefix("FROM ").rstrip(";")
    kinds = _columns(database, f"FROM {query}")
    names = [column["name"] for column in found["Columns"]]
    if file.stat().st_size == 0:
        return Sample(metadata, [])
    if found["Quote"] not in {"", _NONE} and _has_line_breaks(database, query):
        metadata["multiline"] = True
    return Sample(metadata, [(name, kind) for name, (_, kind) in zip(names, kinds, strict=True)])


def _sniffed(database: Database, file: Path, more: str = "") -> dict[str, Any]:
    result = database.execute(f"FROM sniff_csv({literal(str(file))}, sample_size = -1{more})")
    names = [column[0] for column in result.description or ()]
    return dict(zip(names, result.fetchone() or (), strict=True))


def _missed_delimiter(file: Path, found: dict[str, Any]) -> str | None:
    """Return the separator of rows with varying length, which Starlake fills up and the sniffer does not.

    The sniffer treats rows above longer ones as a preface, and rows without a common length as one column.
    """
    delimiter = str(found["Delimiter"])
    with file.open(encoding="utf-8") as source:
        if any(delimiter in line for line, _ in zip(source, range(found["SkipRows"]), strict=False)):
            return delimiter
    name = str(found["Columns"][0]["name"])
    return next((each for each in _DELIMITERS if each in name), None) if len(found["Columns"]) == 1 else None


def _has_line_breaks(database: Database, source: str) -> bool:
    return bool(database.value(f"SELECT bool_or(contains(concat_ws('', *COLUMNS(*)), chr(10))) FROM {source}"))


def _columns(database: Database, query: str) -> list[tuple[str, Any]]:
    relation = database.connection.sql(f"SELECT * {query}")
    return list(zip(relation.columns, relation.types, strict=True))


_READERS: dict[str, Callable[[Database, Path], Sample]] = {
    "DSV": _dsv,
    "CSV": _dsv,
    "JSON": _json,
    "JSON_ARRAY": _json,
    "JSON_FLAT": _json,
    "PARQUET": _parquet,
}
