"""Rows of DSV files that go over several lines, told apart as Spark's reader does.

DuckDB's reader comes first; this one is for the files that it refuses. A quote at the start of a field opens it, the
next one that is not escaped closes it, and whatever stands behind that belongs to the field up to the separator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ai.starlake.embedded.formats.text import fresh, lines_end_with_crlf
from ai.starlake.embedded.sql import literal

_LARGEST_ROW = 256 * 1024 * 1024
"""Bytes; DuckDB's limit is 16 MiB."""


@dataclass(frozen=True)
class Writing:
    """How rows are written.

    Args:
        separator: What is between two fields.
        quote: What is around a field with line breaks.
        escape: What is before a quote that is text.
        comment: What lines that are no rows begin with; '' where all are.
        blanks: Whether blanks before a quote do not count.
    """

    separator: str
    quote: str
    escape: str
    comment: str = ""
    blanks: bool = False


def record_rows(file: Path, skip: int, writing: Writing, scratch: Path) -> str:
    """A SELECT of one column, ``line``: the rows of a file with the line breaks in their quotes; '' for an empty one.

    Line breaks are written as in the text, but where the first line of the file ends with CR and LF, those in
    quotes are LF, as in Spark.

    Args:
        file: A UTF-8 file; it is read as a stream.
        skip: How many lines to leave out at the top.
        writing: How its rows are written.
        scratch: Folder for the copy that DuckDB reads.
    """
    target = fresh(scratch, ".jsonl")
    crlf = lines_end_with_crlf(file)
    with file.open(encoding="utf-8", newline="") as source, target.open("w", encoding="utf-8") as out:
        for record in _records(islice(source, skip, None), writing):
            text = record.replace("\r\n", "\n") if crlf else record
            out.write(json.dumps({"line": text}, ensure_ascii=False) + "\n")
    return (
        f"SELECT line FROM read_json({literal(str(target))}, format = 'newline_delimited', "
        f"columns = {{'line': 'VARCHAR'}}, maximum_object_size = {_LARGEST_ROW})"
    )


def _records(lines: Iterable[str], writing: Writing) -> Iterator[str]:
    scan = _Scan(writing)
    parts: list[str] = []
    for line in lines:
        if not parts and writing.comment and line.startswith(writing.comment):
            continue
        parts.append(line)
        if not scan.is_open_after(line):
            yield "".join(parts).rstrip("\r\n") if len(parts) == 1 else "".join([*parts[:-1], line.rstrip("\r\n")])
            parts = []
    if parts:
        yield "".join(parts)


class _Scan:
    """Knows while lines go by whether a quote is open."""

    def __init__(self, writing: Writing) -> None:
        self._separator, self._quote = writing.separator, writing.quote
        mark, escape = re.escape(writing.quote), re.escape(writing.escape)
        self._opening = re.compile(f" *{mark}" if writing.blanks else mark)
        if writing.escape in {"", writing.quote}:
            content = f"(?:{mark}{mark}|[^{mark}])*"
        else:
            content = f"(?:{escape}.|{mark}{mark}|[^{mark}{escape}])*"
        self._content = re.compile(content, re.DOTALL)
        self._open = False

    def is_open_after(self, line: str) -> bool:
        """Whether a quote is open at the end of a line, given those before."""
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
        """Goes to the end of what is quoted; the quote stays open where the line ends before."""
        found = self._content.match(line, place)
        end = found.end() if found else place
        self._open = end >= len(line)
        return end + len(self._quote)
