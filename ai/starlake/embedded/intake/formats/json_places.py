"""Positions of documents in JSON files, and of the first error: slow, for files that DuckDB has refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.intake.formats.text import FAR, count_lines
from ai.starlake.project import Attribute

_BLANKS = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SPACE = " \t\r\n"
_LARGEST_TEXT = 64 * 1024 * 1024
"""Maximum bytes of a file that is searched for the lines of rejects, if documents span lines."""
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
_ADVICE = re.compile(r"\s*(?:Try |Possible |Consider ).*", re.DOTALL)

Documents = Callable[[], Iterator[tuple[int, Any]]]
"""Yields the documents of a file, each with its line."""


class MistakeError(Exception):
    """A file is not JSON; contains the position and the reason."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        self.line, self.column, self.reason = line, column, reason


def documents_of(text: Path, layout: str) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a UTF-8 file, each with its first line.

    Args:
        text: The file.
        layout: ``array``, ``newline_delimited`` or ``unstructured``, in DuckDB's terms.

    Raises:
        MistakeError: At the first error.
    """
    if layout == "newline_delimited":
        with text.open(encoding="utf-8", newline="\n") as source:
            for number, line in enumerate(source, 1):
                if line.strip():
                    yield from _Parser(line.rstrip(_SPACE), number).only()
    else:
        with text.open(encoding="utf-8", newline="") as source:
            parser = _Parser(source.read().rstrip(_SPACE))
        yield from parser.items() if layout == "array" else parser.documents()


def row_lines(text: Path, layout: str, places: Collection[int], rows: int) -> list[int]:
    """Return the lines of rows, as in `RawRows.lines`; a document that is an array contains several rows."""
    lines = layout == "newline_delimited"
    wanted, last, found, place = set(places), max(places, default=-1), [], 0
    if lines and last >= FAR and count_lines(text) == rows:
        return [place + 1 for place in places]
    if not lines and text.stat().st_size > _LARGEST_TEXT:
        return []
    for line, document in _documents_in_lines(text) if lines else documents_of(text, layout):
        for _ in document if isinstance(document, list) else [document]:
            found += [line] if place in wanted else []
            place += 1
        if place > last:
            break
    return found


def _documents_in_lines(text: Path) -> Iterator[tuple[int, Any]]:
    """Yield the documents in lines, of which only arrays are parsed."""
    with text.open(encoding="utf-8", newline="\n") as source:
        stripped = ((number, line.strip(_SPACE)) for number, line in enumerate(source, 1))
        yield from ((number, json.loads(line) if line[0] == "[" else line) for number, line in stripped if line)


def explained(file: Path, documents: Documents, attributes: Sequence[Attribute], error: str) -> StarlakeError | None:
    """Explain why DuckDB has refused a file, with the line that an editor shows.

    Args:
        file: The file.
        documents: Yields its documents.
        attributes: The attributes that the documents are read as.
        error: DuckDB's message.

    Returns:
        The error; None if this file is valid.
    """
    try:
        for line, document in documents():
            for row in document if isinstance(document, list) else [document]:
                if row is not None and not isinstance(row, dict):
                    return StarlakeError(
                        f"{file.name} has a document that is not an object (line {line})",
                        cause=f"it is {_KINDS.get(type(row), 'a number')}, and a row is an object",
                        fix="correct the file",
                    )
                if row and not _fits(row, attributes):
                    cause = plain(error)
                    return StarlakeError(f"{file.name} does not fit its table (line {line})", cause=cause)
    except MistakeError as mistake:
        return StarlakeError(
            f"{file.name} is not valid JSON (line {mistake.line}, column {mistake.column})",
            cause=mistake.reason,
            fix="correct the file; metadata.multiline: true reads documents over lines, array: true an array of them",
        )
    return None


def plain(error: str) -> str:
    """Return DuckDB's message without its advice, which names settings that do not exist here."""
    return _ADVICE.sub("", error.splitlines()[0].removeprefix("Invalid Input Error: "))


class _Parser:
    """Iterates over the documents of a string.

    Args:
        text: The string.
        line: Its first line in the file.
    """

    def __init__(self, text: str, line: int = 1) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(parse_int=str, parse_float=str)
        self._place = _after_blanks(text, 0)
        self._known, self._line, self._start = 0, line, line

    def documents(self) -> Iterator[tuple[int, Any]]:
        """Yield documents until the end of the string."""
        while self._place < len(self._text):
            yield self._next()

    def only(self) -> Iterator[tuple[int, Any]]:
        """Yield the only document."""
        yield self._next()
        if self._place < len(self._text):
            raise self._mistake("a line holds one document, and more follows")

    def items(self) -> Iterator[tuple[int, Any]]:
        """Yield the items of the array in the string."""
        if not self._takes("["):
            raise self._mistake("an array begins with [")
        while not self._takes("]"):
            yield self._next()
            if self._place >= len(self._text):
                raise self._mistake("the array does not end")
            if not self._takes(",") and self._text[self._place] != "]":
                raise self._mistake("a comma or ] is missing")
        if self._place < len(self._text):
            raise self._mistake("something follows the array")

    def _next(self) -> tuple[int, Any]:
        self._line += len(_LINE_END.findall(self._text, self._known, self._place))
        self._known = self._place
        try:
            document, end = self._decoder.raw_decode(self._text, self._place)
            json.dumps(document, ensure_ascii=False).encode()  # refuses half of a surrogate pair
        except json.JSONDecodeError as error:
            self._place = error.pos
            raise self._mistake(error.msg) from error
        except (UnicodeEncodeError, RecursionError) as error:
            raise self._mistake(f"a value cannot be read: {error}") from error
        self._place = _after_blanks(self._text, end)
        return self._line, document

    def _takes(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._place)
        if found:
            self._place = _after_blanks(self._text, self._place + 1)
        return found

    def _mistake(self, reason: str) -> MistakeError:
        before = max(self._text.rfind("\n", 0, self._place), self._text.rfind("\r", 0, self._place))
        line = self._start + len(_LINE_END.findall(self._text, 0, self._place))
        return MistakeError(line, self._place - before, reason)


def _after_blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found else place


def _fits(row: Mapping[str, Any], attributes: Sequence[Attribute]) -> bool:
    """Return True if the values have the shapes of their attributes; null has any shape."""
    lowered = {name.lower(): value for name, value in row.items()}
    pairs = ((one, row.get(one.name, lowered.get(one.name.lower()))) for one in attributes if not one.script)
    return all(_has_shape(value, attribute) for attribute, value in pairs if value is not None)


def _has_shape(value: Any, attribute: Attribute) -> bool:
    if attribute.type == "variant" and not attribute.array:
        return True
    if attribute.array != isinstance(value, list):
        return False
    items = [item for item in (value if attribute.array else [value]) if item is not None]
    if attribute.is_struct:
        return all(isinstance(item, dict) and _fits(item, attribute.attributes) for item in items)
    return attribute.type == "variant" or not any(isinstance(item, (dict, list)) for item in items)
