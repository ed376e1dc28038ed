"""Encodings of files: conversion to UTF-8, or the first invalid byte."""

from __future__ import annotations

import codecs
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.intake.formats.reader_options import WrongSetting, encoding_of, setting_of
from ai.starlake.embedded.intake.formats.text import fresh, plainly_named, unpacked
from ai.starlake.project import Metadata, Table

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
"""Byte order marks, their codecs, and the names of these in metadata; longer marks come first."""
_C1 = range(0x80, 0xA0)
"""Bytes that are control characters in ISO-8859-1 and mostly letters and signs in windows-1252."""
_XML_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")


@dataclass(frozen=True)
class _Coding:
    """Decoding of the bytes of a file."""

    label: str
    """Name of the encoding for messages."""
    codec: str
    skip: int = 0
    """Bytes of the byte order mark."""


class _WrongBytesError(Exception):
    """Bytes are not in the encoding; contains the number of bytes before them."""

    def __init__(self, place: int) -> None:
        self.place = place


def text_of(file: Path, metadata: Metadata, scratch: Path, encoding: str = "") -> Path:
    """Return a file of a table in UTF-8, like `as_utf8`.

    Args:
        file: The file.
        metadata: The metadata of the table.
        scratch: Folder for the converted copy.
        encoding: The encoding of the file; that of the metadata if empty.
    """
    return as_utf8(file, encoding or encoding_of(metadata), scratch, replaces=metadata.replace_invalid_bytes)


def as_utf8(
    file: Path, encoding: str, scratch: Path, *, replaces: bool = False, setting: str = "metadata.encoding:"
) -> Path:
    """Return a file in UTF-8, without a byte order mark.

    Args:
        file: The file; a compressed one is unpacked.
        encoding: Its encoding, by a name of Java or Python.
        scratch: Folder for the converted copy, if one is needed; it is written in pieces, never held in memory as a
            whole.
        replaces: True if bytes that are not in the encoding become U+FFFD, as in Java.
        setting: The setting for another encoding, for messages.

    Returns:
        The file itself if it is valid UTF-8 without a byte order mark, else a copy.

    Raises:
        StarlakeError: If there is no such encoding, if a byte order mark contradicts it, or if the file has invalid
            bytes.
    """
    content = unpacked(file, scratch)
    coding = _coding(file, content, encoding, setting, replaces=replaces)
    try:
        if coding.codec in {"utf-8", "ascii"} and not coding.skip:
            _check(content, coding)
            return plainly_named(content, scratch)
        return _converted(content, coding, scratch, "strict")
    except _WrongBytesError as wrong:
        error = _not_encoded(file, content, coding, setting, wrong.place)
    if not replaces:
        raise error
    logger.warning("%s; such bytes become U+FFFD because of replaceInvalidBytes", error.culprit)
    return _converted(content, coding, scratch, "replace")


def xml_encoding(file: Path, encoding: str) -> str:
    """Return the encoding of an XML file from the metadata; for UTF-8, the default, the file's declaration is used.

    Args:
        file: The file, unpacked.
        encoding: The encoding of the metadata.
    """
    if _known(encoding) != "utf-8":
        return encoding
    with file.open("rb") as source:
        head = source.read(1024)
    declared = _XML_ENCODING.search(head)
    if declared:
        return declared[1].decode("ascii")
    orders = (*((mark, label) for mark, _, label in _MARKS), (b"<\0", "UTF-16LE"), (b"\0<", "UTF-16BE"))
    return next((label for start, label in orders if head.startswith(start)), encoding)


def wrong_encoding(table: Table) -> Iterator[WrongSetting]:
    """Yield the encoding of a table's files if there is no such encoding."""
    encoding = encoding_of(table.metadata)
    if _codec(encoding) is None:
        yield WrongSetting(setting_of(table, "encoding", "encoding", "charset"), _unknown(encoding), _ENCODINGS)


_ENCODINGS = "use the name of an encoding, such as UTF-8, ISO-8859-1 or windows-1252"


def _unknown(encoding: str) -> str:
    return f"the encoding {encoding!r} is unknown"


def _codec(encoding: str) -> str | None:
    """Return the codec of an encoding; None if there is no such encoding."""
    try:
        "".encode(encoding)  # refuses codecs from bytes to bytes too
        return codecs.lookup(encoding).name.removesuffix("-sig")
    except (LookupError, ValueError):
        return None


def _known(encoding: str) -> str:
    """Return the codec of an encoding.

    Raises:
        StarlakeError: If there is no such encoding. A file may name one; that of the metadata is checked before.
    """
    codec = _codec(encoding)
    if codec is None:
        raise StarlakeError(_unknown(encoding), fix=_ENCODINGS)
    return codec


def _coding(file: Path, content: Path, encoding: str, setting: str, *, replaces: bool) -> _Coding:
    """Determine how to decode a file. Its byte order mark sets the byte order, and must not contradict the encoding."""
    codec = _known(encoding)
    with content.open("rb") as source:
        head = source.read(4)
    mark, marked, label = next((each for each in _MARKS if head.startswith(each[0])), (b"", codec, encoding))
    if mark and codec in {marked, marked.rpartition("-")[0]}:
        return _Coding(encoding, marked, len(mark))
    if mark and not replaces:
        raise StarlakeError(
            f"{file.name} begins with the byte order mark of {label}",
            cause=f"the encoding of its table is {encoding}",
            fix=f"set {setting} {label}, or remove the byte order mark",
        )
    if codec in {"utf-16", "utf-32"} and head:
        name = codec.upper()
        raise StarlakeError(
            f"{file.name} has no byte order mark",
            cause=f"{encoding} does not say the order of the bytes without one",
            fix=f"set {setting} {name}LE or {setting} {name}BE",
        )
    return _Coding(encoding, codec)


def _pieces(file: Path, coding: _Coding, errors: str, end: int | None = None) -> Iterator[str]:
    """Decode a file piece by piece, up to a byte.

    Raises:
        _WrongBytesError: If bytes are not in the encoding, and errors are strict.
    """
    decoder = codecs.getincrementaldecoder(coding.codec)(errors)
    with file.open("rb") as source:
        source.seek(coding.skip)
        read, piece = coding.skip, b" "
        while piece:
            piece = source.read(_CHUNK if end is None else min(_CHUNK, end - read))
            read += len(piece)
            try:
                yield decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:  # its object has the rest of the previous piece too
                raise _WrongBytesError(read - len(error.object) + error.start) from error


def _check(file: Path, coding: _Coding) -> None:
    """Check a file that needs no conversion; plain ASCII, which is the most common, is nearly free."""
    decoder = codecs.getincrementaldecoder(coding.codec)("strict")
    read, piece = 0, b" "
    with file.open("rb") as source:
        while piece:
            piece = source.read(_CHUNK)
            read += len(piece)
            if piece and piece.isascii() and not decoder.getstate()[0]:
                continue
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise _WrongBytesError(read - len(error.object) + error.start) from error


def _converted(file: Path, coding: _Coding, scratch: Path, errors: str) -> Path:
    copy = fresh(scratch, ".txt")
    with copy.open("wb") as target:
        for number, text in enumerate(_pieces(file, coding, errors)):
            try:
                content = text.encode("utf-8", errors)
            except UnicodeEncodeError as error:  # half of a surrogate pair, which UTF-7 and similar encodings accept
                raise _WrongBytesError(coding.skip + number * _CHUNK) from error
            target.write(content if target.tell() else content.removeprefix(codecs.BOM_UTF8))
    return copy


def _not_encoded(file: Path, content: Path, coding: _Coding, setting: str, place: int) -> StarlakeError:
    normalized = io.IncrementalNewlineDecoder(None, translate=True)
    before = chain(_pieces(content, coding, "replace", place), [""])
    line = 1 + sum(normalized.decode(text, final=not text).count("\n") for text in before)
    with content.open("rb") as source:
        source.seek(place)
        byte = source.read(1)
    return StarlakeError(
        f"{file.name} is not {coding.label} at byte {place + 1} (line {line})",
        cause=f"the byte 0x{byte[0]:02X} does not belong to a character there",
        fix=f"set {setting} {_likely(content, coding, byte[0])}, or the encoding that the file is in",
    )


def _likely(file: Path, coding: _Coding, byte: int) -> str:
    """Return the probable encoding of a file, if it is not the declared one."""
    utf8 = _Coding("UTF-8", "utf-8")
    if coding.codec != utf8.codec:
        try:
            _check(file, utf8)
        except _WrongBytesError:
            return "ISO-8859-1"
        return utf8.label
    return "windows-1252" if byte in _C1 else "ISO-8859-1"
