"""The rows of a query as text, for interactive runs, in Starlake's form."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ai.starlake.common import PermanentError

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

FORMATS = ("csv", "json", "json-array", "table")


def rows_as_text(database: Database, query: str, style: str) -> str:
    """Return the rows of a query as text.

    Args:
        database: The database.
        query: A SELECT of a page of rows.
        style: ``csv``; ``json``, one array of pairs per row; ``json-array``, one array of these; ``table``.

    Raises:
        StarlakeError: If the style is unknown.
    """
    if style not in FORMATS:
        raise PermanentError(f"rows cannot be shown as {style!r}", fix=f"use one of {', '.join(FORMATS)}")
    result = database.execute(query)
    names = [column[0] for column in result.description or ()]
    rows = [[_text(value) for value in row] for row in result.fetchall()]
    if style == "csv":
        return _csv(names, rows)
    if style == "table":
        return _table(names, rows)
    pairs = [list(zip(names, row, strict=True)) for row in rows]
    if style == "json-array":
        return _json(pairs)
    return "\n".join(map(_json, pairs))


def _json(value: Any) -> str:
    """Return JSON without blanks, like Starlake's library."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:
    """Return a value in JDBC's form, which Starlake prints."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return _moment(value)
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _moment(value: datetime) -> str:
    """Return a timestamp in Java's form: ``2024-01-02 03:04:05.0``, with a time zone ``2024-01-02T03:04:05Z``."""
    if value.tzinfo is None:
        return f"{value:%Y-%m-%d %H:%M:%S}.{f'{value.microsecond:06}'.rstrip('0') or '0'}"
    digits = f"{value.microsecond:06}"
    fraction = f".{digits[:3] if digits.endswith('000') else digits}" if value.microsecond else ""
    seconds = f":{value.second:02}{fraction}" if value.second or fraction else ""
    return f"{value:%Y-%m-%dT%H:%M}{seconds}Z"


def _csv(names: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    return out.getvalue().rstrip("\n")


def _table(names: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    rule = "+".join(["", *("-" * width for width in widths), ""])
    lines = [
        "|".join(["", *(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)), ""])
        for row in [names, *rows]
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])
