"""Files of text: their first lines, whether a character occurs in them."""

from __future__ import annotations

import bz2
import gzip
import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ai.starlake.embedded.sql import literal

_CHUNK = 1 << 20
_TEXT_OR_COMMA = re.compile(rb'"(?:[^"\\]|\\.)*"|,\s*([}\]])', re.DOTALL)
_PACKED: dict[str, Callable[..., gzip.GzipFile | bz2.BZ2File]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File}
_WILDCARDS = frozenset("*?[]{}")


def unpacked(file: Path, scratch: Path) -> Path:
    """The file, or what is in it when its name ends with ``.gz`` or ``.bz2``, which Spark's readers unpack too.

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
    """The file under a name that DuckDB does not take for a pattern of names.

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
    """A new file in a folder of scratch files."""
    handle, name = tempfile.mkstemp(suffix, dir=scratch)
    os.close(handle)
    return Path(name)


def contains(file: Path, text: str, pattern: str = "") -> bool:
    """Whether a text occurs in a UTF-8 file.

    Args:
        file: The file.
        text: The text, which is quickly looked for.
        pattern: A regular expression that must occur too; it is looked for only where the text is found.
    """
    if not text or file.stat().st_size == 0:
        return False
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = content.find(text.encode("utf-8")) >= 0
        return found and (not pattern or re.search(pattern.encode("utf-8"), content) is not None)


def starts_with(file: Path, text: str) -> bool:
    """Whether a UTF-8 file starts with a text."""
    wanted = text.encode("utf-8")
    with file.open("rb") as source:
        return source.read(len(wanted)) == wanted


def has_trailing_comma(file: Path, *, over_lines: bool) -> bool:
    """Whether a JSON file has a comma before the end of an object or an array, which is no JSON.

    Args:
        file: The file, UTF-8.
        over_lines: Whether documents go over several lines.
    """
    hints = (",",) if over_lines else (",}", ",]", ", }", ", ]")
    if not any(contains(file, hint, r",\s*[}\]]") for hint in hints):
        return False
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(found[1] for found in _TEXT_OR_COMMA.finditer(content))


def evenly_broken(file: Path, scratch: Path) -> Path:
    """A UTF-8 file whose lines all end in one way.

    Args:
        file: The file; DuckDB cannot read one whose lines end now with LF, now with CR, now with both.
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


def lines_end_with_crlf(file: Path) -> bool:
    """Whether the first line of a UTF-8 file ends with CR and LF."""
    with file.open(encoding="utf-8", newline="") as source:
        return source.readline().endswith("\r\n")


def first_character(file: Path) -> str:
    """The first character of a UTF-8 file that is no blank, if it is ASCII; '' if there is none."""
    with file.open("rb") as source:
        while piece := source.read(_CHUNK):
            if text := piece.lstrip():
                return text[:1].decode("ascii", "replace")
    return ""


def last_character(file: Path) -> str:
    """The last character of a UTF-8 file that is no blank, if it is ASCII; '' if there is none."""
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


def lines(file: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends; for the few at its head."""
    with file.open(encoding="utf-8", newline=None) as source:
        for line in source:
            yield line.rstrip("\n")


def line_rows(file: Path, skip: int) -> str:
    """A SELECT of one column, ``line``: the lines of a UTF-8 file, whatever is in them; '' for an empty line.

    Args:
        file: The file.
        skip: How many lines to leave out at the top.
    """
    # DuckDB keeps the empty lines of a single column as nulls only where the text of null is empty
    return (
        f"SELECT rtrim(coalesce(line, ''), chr(13)) AS line FROM read_csv({literal(str(file))}, "
        f"columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, skip = {skip}, "
        "delim = '', quote = '', escape = '', nullstr = '')"
    )
