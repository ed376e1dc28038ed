"""The rows of a file before anything is checked, as every format hands them on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ai.starlake.common import StarlakeError

RECORD_COLUMN = "sl_record"
PROBLEM_COLUMN = "sl_problem"

Lines = Callable[[Collection[int], int], list[int]]
"""Finds the lines of rows by their places in the file, in order from 0, and by how many rows the file has."""


class CellKind(Enum):
    """What a raw column holds."""

    TEXT = "text"
    """Text as it stands in the file; null where the file has nothing."""
    JSON = "json"
    """A JSON value: a scalar, an object or an array."""
    TYPED = "typed"
    """A value that the file itself gives a type, such as a date in Parquet."""


@dataclass(frozen=True)
class Cell:
    """The raw column of one attribute.

    Args:
        column: The name of the column in the query.
        kind: What it holds.
    """

    column: str
    kind: CellKind = CellKind.TEXT


@dataclass(frozen=True)
class RawRows:
    """The rows of one file.

    Args:
        file: The file; what the audit calls it.
        query: A SELECT that reads it, without anything around it. Besides the raw columns it has `RECORD_COLUMN`, the
            row as it could stand in a file of the format.
        cells: Per attribute of the table the raw column, None when the file does not have the attribute.
        fallback: Makes a slower query of the same columns, for a file that `query` turns out not to be able to read.
        header: The line above the rows of the file, None when the format has none.
        has_problems: Whether `query` has `PROBLEM_COLUMN` too: why a row cannot be one of the table, null if it can.
        warnings: What is odd about the file and loses no row.
        lines: Finds the lines of its rows, None where the format has no lines.
        explain: Says what is wrong with the file, given DuckDB's error; answers None if it finds nothing.
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
