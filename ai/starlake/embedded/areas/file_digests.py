"""Digests of the contents of files, computed beside the load that reads them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

from ai.starlake.common.outcomes.table_outcomes import LoadedFile

_SMALL = 1 << 20
"""Maximum bytes of a file that is read at once instead of in a thread."""
_HUGE = 1 << 30
"""Minimum bytes of a file that is sampled: its digest then changes with its modification time too."""
_BLOCK = 1 << 20
_SAMPLES = 64


class FileDigests:
    """The files of one ingestion: their digests are computed while it runs.

    The hash function releases Python's GIL, so its thread takes nothing from DuckDB but a core. A file that is read
    into memory at once needs no thread.

    Args:
        files: The files, which may move afterwards.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._found: list[LoadedFile | Future[LoadedFile]] = [_begun(file) for file in files]

    def result(self) -> tuple[LoadedFile, ...]:
        """Return the files when all digests are computed."""
        return tuple(each.result() if isinstance(each, Future) else each for each in self._found)


def _begun(file: Path) -> LoadedFile | Future[LoadedFile]:
    try:
        opened = file.open("rb")
    except OSError:
        return LoadedFile(file.name)
    status = os.fstat(opened.fileno())
    if status.st_size <= _SMALL:
        return _digested(file.name, opened, status)
    return _in_thread(file.name, opened, status)


def _in_thread(name: str, opened: BinaryIO, status: os.stat_result) -> Future[LoadedFile]:
    found: Future[LoadedFile] = Future()
    thread = threading.Thread(
        target=lambda: found.set_result(_digested(name, opened, status)), name="starlake-digest", daemon=True
    )
    thread.start()
    return found


def _digested(name: str, opened: BinaryIO, status: os.stat_result) -> LoadedFile:
    size = status.st_size
    with opened:
        try:
            whole = size <= _HUGE
            digest = hashlib.sha256(b"" if whole else f"{size} {status.st_mtime_ns}".encode())
            for block in _blocks(opened) if whole else _samples(opened, size):
                digest.update(block)
        except OSError:
            return LoadedFile(name, size)
    return LoadedFile(name, size, f"{'sha256' if whole else 'sampled-sha256'}:{digest.hexdigest()}")


def _blocks(opened: BinaryIO) -> Iterator[bytes]:
    yield from iter(lambda: opened.read(_BLOCK), b"")


def _samples(opened: BinaryIO, size: int) -> Iterator[bytes]:
    for number in range(_SAMPLES):
        opened.seek((size - _BLOCK) * number // (_SAMPLES - 1))
        yield opened.read(_BLOCK)
