"""The rows of a file before any check, in the common form of all formats."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ai.starlake.common import StarlakeError

RECORD_COLUMN = "sl_record"
PROBLEM_COLUMN = "sl_problem"

Lines = Callable[[Collection[int], int], list[int]]
"""Finds the lines of rows by their positions in the file, in order from 0, and by the number of rows in the file."""


class CellKind(Enum):
    """Content of a raw column."""

    TEXT = "text"
    """The string in the file; null if the file has no value."""
    JSON = "json"
    """A JSON value: a scalar, an object or an array."""
    TYPED = "typed"
    """A value with a type of the file, such as a date in Parquet."""


@dataclass(frozen=True)
class Cell:
    """The raw column of one attribute.

    Args:
        column: The name of the column in the query.
        kind: Its content.
    """

    column: str
    kind: CellKind = CellKind.TEXT


@dataclass(frozen=True)
class RawRows:
    """The rows of one file.

    Args:
        file: The file, as named in the audit.
        query: A SELECT that reads it, without anything around it. Besides the raw columns it has `RECORD_COLUMN`, the
            row in the format of the file.
        cells: The raw column of each attribute of the table; None if the file does not have the attribute.
        fallback: Returns a slower query of the same columns, for a file that `query` cannot read.
        header: The line above the rows of the file; None if the format has none.
        has_problems: True if `query` has `PROBLEM_COLUMN` too: the problem of a row, null if it has none.
        warnings: Problems of the file that lose no row.
        lines: Finds the lines of its rows; None if the format has no lines.
        explain: Explains DuckDB's error about the file; returns None if it finds no problem.
    """

    file: Path
    query: str
    cells: tuple[Cell | None, ...]
    fallback: Callable[[], str] | None = None
    header: str | None = None
    has_problems: bool = False
    warnings: tuple[str, ...] = ()
    lines: Lines | None = None
    explain: Callable[[str], StarlakeError | None] | None = None
