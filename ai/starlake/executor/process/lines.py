"""Split the bytes of a pipe into lines of text, in constant memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

LINE_LIMIT = 64 * 1024
"""Maximum characters of a line; a longer one is split into pieces."""

_WORD_LIMIT = 4 * 1024


class LineSplitter:
    r"""Splits a stream of bytes into lines.

    Bytes that are not UTF-8 become escapes such as ``\xff``. So do null characters, which the databases of event logs
    refuse. A line longer than `LINE_LIMIT` is split into pieces, after a blank if possible, so that no word, which may
    be a secret to mask, is split.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """Add the next bytes.

        Args:
            data: At most a few times `LINE_LIMIT` bytes, or memory grows accordingly.
            final: True if these are the last ones.

        Yields:
            The lines that are complete, without their line breaks.
        """
        text = self._rest + self._decoder.decode(data, final).replace("\0", "\\x00")
        *lines, self._rest = text.split("\n")
        for line in lines:
            if len(line) <= LINE_LIMIT:
                yield line.removesuffix("\r")
            else:
                yield from _pieces(line.removesuffix("\r"))
        *pieces, self._rest = _pieces(self._rest)
        yield from pieces
        if final and self._rest:
            yield self._rest.removesuffix("\r")
            self._rest = ""


def _pieces(line: str) -> list[str]:
    """Split a line; the last piece is the one that may still grow."""
    pieces = []
    while len(line) > LINE_LIMIT:
        blank = line.rfind(" ", LINE_LIMIT - _WORD_LIMIT, LINE_LIMIT)
        end = LINE_LIMIT if blank < 0 else blank + 1
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]
