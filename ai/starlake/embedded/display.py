"""The rows of a query as text, for interactive runs (contract 1.5)."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

FORMATS = ("csv", "json", "json-array", "table")


def rows_as_text(database: Database, query: str, style: str) -> str:
    """Runs a query and writes its rows.

    Args:
        database: The database.
        query: A SELECT of a page of rows.
        style: ``csv``; ``json``, one array of pairs a row; ``json-array``, one array of these; ``table``.

    Raises:
        StarlakeError: If the style is unknown.
    """
    if style not in FORMATS:
        raise StarlakeError(f"rows cannot be shown as {style!r}", fix=f"use one of {', '.join(FORMATS)}")
    result = database.execute(query)
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    if style == "csv":
        return _csv(names, rows)
    if style == "table":
        return _table(names, rows)
    pairs = [[[name, _text(value)] for name, value in zip(names, row, strict=True)] for row in rows]
    if style == "json-array":
        return json.dumps(pairs, ensure_ascii=False)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in pairs)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _csv(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(value) for value in row] for row in rows)
    return out.getvalue().rstrip("\n")


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(*names)
    for row in rows:
        table.add_row(*("" if value is None else str(_text(value)) for value in row))
    out = io.StringIO()
    Console(file=out, width=200, no_color=True).print(table)
    return out.getvalue().rstrip("\n")
