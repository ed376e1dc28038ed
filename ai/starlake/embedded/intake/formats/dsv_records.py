"""Rows of DSV files with quotes, separated like Spark's reader, each with its line.

DuckDB's reader is tried first; this one is for files that it refuses. A quote at the start of a field opens it, the
next one that is not escaped closes it, and everything after that up to the separator belongs to the field.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ai.starlake.embedded.database.quoting import literal
from ai.starlake.embedded.intake.formats.text import fresh

_SMALLEST_LIMIT = 16 * 1024 * 1024
_MOST_LINES = 1000
"""Number of lines that are searched for the end of a quote if rows may not span lines."""


@dataclass(frozen=True)
class Writing:
    """Syntax of rows.

    Args:
        separator: Separator of fields.
        quote: Quote of fields with line breaks.
        escape: Escape of a quote within a field.
        comment: Comment prefix; empty if the file has no comments.
        blanks: True if blanks before a quote are ignored.
        multiline: True if rows may span lines.
    """

    separator: str
    quote: str
    escape: str
    comment: str = ""
    blanks: bool = False
    multiline: bool = True


class Record(NamedTuple):
    """A row of the file, unchanged.

    Args:
        text: The row, without the line end after it.
        line: Its first line, from 1.
        problem: Its problem; '' if there is none.
    """

    text: str
    line: int
    problem: str = ""


def record_rows(file: Path, skip: int, writing: Writing, scratch: Path) -> str:
    """Return a SELECT of the rows of a file as ``line``, and of their problems as ``problem``.

    Args:
        file: A UTF-8 file; it is read as a stream.
        skip: Number of lines to skip at the top.
        writing: The syntax of its rows.
        scratch: Folder for the copy that DuckDB reads.
    """
    target = fresh(scratch, ".jsonl")
    longest = 0
    with target.open("w", encoding="utf-8") as out:
        for record in file_records(file, skip, writing):
            text = json.dumps({"line": record.text, "problem": record.problem}, ensure_ascii=False)
            longest = max(longest, len(text))
            out.write(text + "\n")
    limit = max(_SMALLEST_LIMIT, 4 * longest + 1)  # a character has up to four bytes
    return (
        f"SELECT line, problem FROM read_json({literal(str(target))}, format = 'newline_delimited', "
        f"columns = {{'line': 'VARCHAR', 'problem': 'VARCHAR'}}, maximum_object_size = {limit})"
    )


def file_records(file: Path, skip: int, writing: Writing) -> Iterator[Record]:
    """Yield the rows of a UTF-8 file, empty ones included, with unchanged line ends within quotes.

    Args:
        file: The file.
        skip: Number of lines to skip at the top.
        writing: The syntax of its rows.
    """
    with file.open(encoding="utf-8", newline="") as source:
        yield from records(islice(source, skip, None), writing, skip + 1)


def records(lines: Iterable[str], writing: Writing, start: int = 1) -> Iterator[Record]:
    """Yield the rows of lines.

    Args:
        lines: The lines, with their ends.
        writing: The syntax of the rows.
        start: The number of the first line.
    """
    numbered = enumerate(lines, start)
    if not writing.quote:
        plain = ((number, line) for number, line in numbered if not _is_comment(line, writing))
        return (Record(line.rstrip("\r\n"), number) for number, line in plain)
    return (_over_lines if writing.multiline else _line_by_line)(numbered, writing)


def _is_comment(line: str, writing: Writing) -> bool:
    return writing.comment != "" and line.startswith(writing.comment)


def _over_lines(lines: Iterator[tuple[int, str]], writing: Writing) -> Iterator[Record]:
    scan = _Scan(writing)
    parts: list[str] = []
    first = 0
    for number, line in lines:
        if not parts:
            if _is_comment(line, writing):
                continue
            first = number
        parts.append(line)
        if not scan.is_open_after(line):
            yield Record("".join([*parts[:-1], line.rstrip("\r\n")]), first)
            parts = []
    if parts:
        yield Record("".join(parts), first, "the row has a quote that is never closed; what follows is part of it")


def _line_by_line(lines: Iterator[tuple[int, str]], writing: Writing) -> Iterator[Record]:
    """Yield each line; no part of a row that spans lines, which the metadata does not allow, is a row."""
    scan = _Scan(writing)
    ahead: deque[tuple[int, str]] = deque()
    while one := ahead.popleft() if ahead else next(lines, None):
        number, line = one
        if _is_comment(line, writing):
            continue
        if not scan.is_open_after(line):
            yield Record(line.rstrip("\r\n"), number)
            continue
        rest: list[tuple[int, str]] = []
        while len(rest) < _MOST_LINES and (more := ahead.popleft() if ahead else next(lines, None)):
            rest.append(more)
            if not scan.is_open_after(more[1]):
                break
        if scan.closed_at_an_end:
            text = "".join([line, *(more for _, more in rest)]).rstrip("\r\n")
            yield Record(
                text, number, f"the row goes on to line {rest[-1][0]} within quotes; set metadata.multiline: true"
            )
        else:
            ahead.extendleft(reversed(rest))
            yield Record(line.rstrip("\r\n"), number, "the row has a quote that is not closed")
        scan.reset()


class _Scan:
    """Tracks whether a quote is open, line by line."""

    def __init__(self, writing: Writing) -> None:
        self._separator, self._quote = writing.separator, writing.quote
        mark, escape = re.escape(writing.quote), re.escape(writing.escape)
        self._opening = re.compile(f" *{mark}" if writing.blanks else mark)
        if writing.escape in {"", writing.quote}:
            content = f"(?:{mark}{mark}|[^{mark}]+)*"
        else:
            content = f"(?:{escape}.|{mark}{mark}|[^{mark}{escape}]+)*"
        self._content = re.compile(content, re.DOTALL)
        self._end = re.compile(rf" *(?:{re.escape(writing.separator)}|[\r\n]|\Z)")
        self.reset()

    def reset(self) -> None:
        """Forget the lines before."""
        self._open = self._torn = False

    @property
    def closed_at_an_end(self) -> bool:
        """True if all quotes are closed, those of earlier lines at the end of a field."""
        return not self._open and not self._torn

    def is_open_after(self, line: str) -> bool:
        """Return True if a quote is open at the end of a line, given the earlier lines."""
        if not self._open and self._quote not in line:
            return False
        place = 0
        while True:
            opening = None if self._open else self._opening.match(line, place)
            if self._open or opening:
                place = self._close(line, opening.end() if opening else place)
                if self._open:
                    return True
            place = line.find(self._separator, place)
            if place < 0:
                return False
            place += len(self._separator)

    def _close(self, line: str, place: int) -> int:
        """Advance to the end of the quoted string; the quote stays open if the line ends before."""
        found = self._content.match(line, place)
        end = found.end() if found else place
        goes_on, self._open = self._open, end >= len(line)
        place = end + len(self._quote)
        self._torn |= goes_on and not self._open and not self._end.match(line, place)
        return place
