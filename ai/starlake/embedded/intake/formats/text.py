"""Text files: their first lines, and searches for characters."""

from __future__ import annotations

import bz2
import gzip
import mmap
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ai.starlake.embedded.database.quoting import literal

FAR = 50_000
"""Row from which on the lines of a file are counted, which is fast and reads all of it, instead of searched."""
_CHUNK = 1 << 20
_LONG_LINE = 1_000_000
"""Maximum bytes of a line; DuckDB's reader accepts twice as many by itself."""
_NEAR = 1 << 16
"""Bytes at the end of a long block, in which most files have a line end."""
_SLACK = 4096
_TEXT_OR_COMMA = re.compile(rb'"(?:[^"\\]|\\.)*"|,\s*([}\]])', re.DOTALL)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_PACKED: dict[str, Callable[..., gzip.GzipFile | bz2.BZ2File]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}
_WILDCARDS = frozenset("*?[]{}")


def unpacked(file: Path, scratch: Path) -> Path:
    """Return the file, or its content if its name ends with ``.gz`` or ``.bz2``, which Spark's readers unpack too.

    Args:
        file: The file.
        scratch: Folder for the unpacked copy, if one is needed.
    """
    opening = _PACKED.get(file.suffix.lower())
    if opening is None:
        return file
    copy = fresh(scratch, ".txt")
    with opening(file, "rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, _CHUNK)
    return copy


def plainly_named(file: Path, scratch: Path) -> Path:
    """Return the file under a name that DuckDB does not treat as a glob pattern.

    Args:
        file: The file.
        scratch: Folder for a link to it, if one is needed.
    """
    if not _WILDCARDS & set(str(file)):
        return file
    link = scratch / f"{len(list(scratch.iterdir()))}.link"
    link.symlink_to(file.absolute())
    return link


def fresh(scratch: Path, suffix: str) -> Path:
    """Return a new file in a folder of scratch files."""
    handle, name = tempfile.mkstemp(suffix, dir=scratch)
    os.close(handle)
    return Path(name)


def contains(file: Path, text: str, pattern: str = "") -> bool:
    """Return True if a string occurs in a UTF-8 file.

    Args:
        file: The file.
        text: The string, which is searched for quickly.
        pattern: A regular expression that must occur too; it is searched for only if the string is found.
    """
    if not text or file.stat().st_size == 0:
        return False
    with file.open("rb") as source:
        if not _occurs(source, text.encode("utf-8")):
            return False
        if not pattern:
            return True
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return re.search(pattern.encode("utf-8"), content) is not None


def _occurs(source: BinaryIO, text: bytes) -> bool:
    """Search a file piece by piece: the pages of a mapped file would count as memory of this process."""
    before = b""
    while piece := source.read(_CHUNK):
        if text in before + piece[: len(text) - 1] or text in piece:
            return True
        before = piece[len(piece) - len(text) + 1 :]
    return False


def starts_with(file: Path, text: str) -> bool:
    """Return True if a UTF-8 file starts with a string."""
    wanted = text.encode("utf-8")
    with file.open("rb") as source:
        return source.read(len(wanted)) == wanted


def line_of_trailing_comma(file: Path, *, over_lines: bool) -> int | None:
    """Return the line of a comma before the end of an object or an array, which JSON forbids and DuckDB accepts.

    Args:
        file: The file, UTF-8.
        over_lines: True if documents may span lines.
    """
    hints = (",",) if over_lines else (",}", ",]", ", }", ", ]", ",  ", ",\t")
    if not any(contains(file, hint, r",\s*[}\]]") for hint in hints):
        return None
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = next((found for found in _TEXT_OR_COMMA.finditer(content) if found[1]), None)
        return None if found is None else 1 + len(_LINE_END.findall(content, 0, found.start()))


def evenly_broken(file: Path, scratch: Path) -> Path:
    """Return a UTF-8 file whose lines have uniform line ends.

    Args:
        file: The file; DuckDB cannot read one with mixed line ends.
        scratch: Folder for the copy of such a file, in which every line ends with LF.
    """
    if not _is_mixed(file):
        return file
    copy = fresh(scratch, ".txt")
    with file.open(encoding="utf-8", newline=None) as source, copy.open("w", encoding="utf-8", newline="") as target:
        shutil.copyfileobj(source, target, _CHUNK)
    return copy


def _is_mixed(file: Path) -> bool:
    if not contains(file, "\r"):
        return False
    returns = feeds = pairs = 0
    last = b""
    with file.open("rb") as source:
        while piece := source.read(_CHUNK):
            returns += piece.count(b"\r")
            pairs += piece.count(b"\r\n") + (last == b"\r" and piece.startswith(b"\n"))
            feeds += piece.count(b"\n")
            last = piece[-1:]
    return not returns == feeds == pairs


def first_character(file: Path) -> str:
    """Return the first non-blank character of a UTF-8 file if it is ASCII, else ''."""
    with file.open("rb") as source:
        while piece := source.read(_CHUNK):
            if text := piece.lstrip():
                return text[:1].decode("ascii", "replace")
    return ""


def last_character(file: Path) -> str:
    """Return the last non-blank character of a UTF-8 file if it is ASCII, else ''."""
    with file.open("rb") as source:
        end = source.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _CHUNK)
            source.seek(start)
            piece = source.read(end - start).rstrip()
            if piece:
                return piece[-1:].decode("ascii", "replace")
            end = start
    return ""


def count_lines(file: Path) -> int:
    """Return the number of lines of a UTF-8 file, as an editor shows it; a last one without an end is included."""
    count, last = 0, b""
    with file.open("rb") as source:
        while piece := source.read(_CHUNK):
            count += piece.count(b"\n")
            if b"\r" in piece or last == b"\r":
                count += piece.count(b"\r") - piece.count(b"\r\n") - (last == b"\r" and piece.startswith(b"\n"))
            last = piece[-1:]
    return count + (last not in {b"", b"\n", b"\r"})


def without_head(file: Path, count: int, scratch: Path) -> Path:
    """Copy a UTF-8 file without its first lines.

    Args:
        file: The file.
        count: Number of lines to leave out.
        scratch: Folder for the copy.
    """
    copy = fresh(scratch, ".txt")
    with file.open(encoding="utf-8", newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        deque(islice(source, count), maxlen=0)
        shutil.copyfileobj(source, target, _CHUNK)
    return copy


def reader_limits(file: Path) -> str:
    """Return the options that let DuckDB's reader read a file with lines longer than its default limit.

    DuckDB refuses a line longer than its limit, and silently leaves out one that is longer than its buffer.
    """
    if not _has_long_line(file):
        return ""
    with file.open("rb") as source:
        longest = max(len(line) for line in source) + _SLACK
    return f", max_line_size = {longest}, buffer_size = {2 * longest}"


def _has_long_line(file: Path) -> bool:
    """Return True if a line may exceed DuckDB's limit; searches line ends in large steps."""
    size = file.stat().st_size
    if size <= _LONG_LINE:
        return False
    with file.open("rb") as source:
        place = 0
        while size - place > _LONG_LINE:
            length = _line_length(source, place)
            if length is None:
                return True
            place += length
    return False


def _line_length(source: BinaryIO, place: int) -> int | None:
    """Return the number of bytes up to the last line end before a line is too long; None if there is no line end."""
    for start in (max(0, _LONG_LINE - _NEAR), 0):
        source.seek(place + start)
        window = source.read(_LONG_LINE - start)
        found = max(window.rfind(b"\n"), window.rfind(b"\r"))
        if found >= 0:
            return start + found + 1
    return None


def has_long_record(file: Path, quote: str) -> bool:
    """Return True if a row may exceed DuckDB's limit, in a file with quotes that may span lines.

    A line end is the end of a row if the number of quotes before it is even.
    """
    size = file.stat().st_size
    if size <= _LONG_LINE:
        return False
    mark = quote.encode("utf-8")
    with file.open("rb") as source:
        place = 0
        while size - place > _LONG_LINE:
            source.seek(place)
            window = source.read(_LONG_LINE)
            end, odd = len(window), window.count(mark) % 2
            while True:
                before = window.rfind(b"\n", 0, end)
                if before < 0:
                    return True
                odd ^= window.count(mark, before, end) % 2
                if not odd:
                    break
                end = before
            place += before + 1
    return False


def line_rows(file: Path, skip: int) -> str:
    """Return a SELECT of one column, ``line``: the lines of a UTF-8 file, whatever their content; '' for an empty line.

    Args:
        file: The file.
        skip: Number of lines to skip at the top.
    """
    # DuckDB keeps the empty lines of a single column as nulls only if the string for null is empty
    return (
        f"SELECT rtrim(coalesce(line, ''), chr(13)) AS line FROM read_csv({literal(str(file))}, "
        f"columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, skip = {skip}, "
        f"delim = '', quote = '', escape = '', nullstr = ''{reader_limits(file)})"
    )
