"""Compressed files in landing areas: their contents, and how to unpack them."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ai.starlake.common import StarlakeError
from ai.starlake.project.landing import FileRules, is_utf8, printable

_TARS = {".tgz": "r:gz", ".tar.gz": "r:gz", ".tar": "r:"}
_SUFFIXES = (*_TARS, ".zip", ".gz")
_CHUNK = 1 << 20
_ZIP_END = struct.Struct("<4s4H2LH")
"""The record that ends a zip; its fifth field is the number of files."""
_ZIP_MANY = 0xFFFF
"""Value of the number field if the number does not fit into it."""


class ArchiveError(StarlakeError):
    """An archive that cannot be unpacked."""


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: File name without folders; folders within the archive are ignored.
        size: Size in bytes according to the archive; None if unknown.
        open: Opens the file.
        is_file: True if it is a plain file, and not a link or a device.
    """

    name: str
    size: int | None
    open: Callable[[], IO[bytes]]
    is_file: bool = True


@dataclass(frozen=True)
class Archive:
    """An open archive.

    Attributes:
        path: Path of the archive.
        members: Its members, except folders.
    """

    path: Path
    members: tuple[Member, ...]

    def wanted(self, rules: FileRules) -> tuple[Member, ...]:
        """Return the files in the archive that match tables.

        Args:
            rules: The rules of the tables.

        Raises:
            ArchiveError: If two of them have one name, or a name that is invalid on this machine.
        """
        found = tuple(member for member in self.members if member.is_file and rules.rule_of(member.name))
        twice = [name for name, times in Counter(member.name for member in found).items() if times > 1]
        if twice:
            raise ArchiveError(
                f"the archive {self.path} has several files named {printable(min(twice))}",
                cause="folders within an archive do not count, so that one would replace the other",
                fix="give the files different names, or unpack the archive",
            )
        for member in found:
            if not is_utf8(member.name) or "\0" in member.name:
                raise _not_unpacked(self.path, f"the name of its file {printable(member.name)} is not UTF-8")
        return found


def is_archive(name: str) -> bool:
    """Return True if a file name is that of an archive that can be unpacked."""
    return name.lower().endswith(_SUFFIXES)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive for the block.

    Args:
        path: The archive; see `is_archive`.

    Raises:
        ArchiveError: If it cannot be read: damaged, encrypted, or with an unknown method. Also raised within the block.
        FileNotFoundError: If it does not exist.
    """
    try:
        with _members(path) as members:
            yield Archive(path, tuple(members))
    except (StarlakeError, FileNotFoundError):
        raise
    except Exception as error:  # the errors of the libraries on damaged archives are not specified
        raise _not_unpacked(path, _why(error)) from error


def contents(path: Path, rules: FileRules) -> tuple[str, ...]:
    """Return the names of the files in an archive that match tables; empty if it is gone.

    Args:
        path: The archive.
        rules: The rules of the tables.

    Raises:
        ArchiveError: If it cannot be read.
    """
    try:
        with opened(path) as archive:
            return tuple(member.name for member in archive.wanted(rules))
    except FileNotFoundError:
        return ()


class Budget:
    """Number of bytes that may still be written to a folder.

    Args:
        source: Name of the content, for messages.
        folder: The folder to write to.
        limit: Maximum bytes; None for as many as the disk holds.
    """

    def __init__(self, source: Path, folder: Path, limit: int | None) -> None:
        self._source = source
        self._folder = folder
        self._limit = limit
        self._left = limit

    def require(self, size: int) -> None:
        """Check that there is space.

        Raises:
            ArchiveError: If there is not enough space. Some space is kept free for other commands.
        """
        if self._left is not None and size > self._left:
            raise _not_unpacked(
                self._source,
                f"its files are larger than {self._limit:,} bytes together",
                "if you trust it, raise maxUnpackedSize in application.sl.yml (or the variable SL_MAX_UNPACKED_SIZE)",
            )
        usage = shutil.disk_usage(self._folder)
        if size > usage.free - min(usage.total // 20, 1 << 30):
            raise _not_unpacked(
                self._source,
                f"the disk of {self._folder} has {usage.free:,} bytes left, which are too few for it",
                "free space on it",
            )

    def spend(self, size: int) -> None:
        """Check that there is space, and reserve it."""
        self.require(size)
        if self._left is not None:
            self._left -= size


def write(content: IO[bytes], target: Path, budget: Budget) -> None:
    """Write a new file, and flush it to disk."""
    with target.open("xb") as file:
        while chunk := content.read(_CHUNK):
            budget.spend(len(chunk))
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _not_unpacked(path: Path, cause: str, fix: str = "replace it, or take it out of the landing area") -> ArchiveError:
    return ArchiveError(f"the archive {path} cannot be unpacked", cause=cause, fix=fix)


def _why(error: Exception) -> str:
    """Return the error of a library, in our words if its own are unclear."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    if "password required" in text or "encrypted" in text.lower():
        return "it is encrypted"
    return f"it is damaged: {text}" if text else f"it is damaged ({type(error).__name__})"


@contextmanager
def _members(path: Path) -> Iterator[Iterator[Member]]:
    name = path.name.lower()
    tar = next((mode for suffix, mode in _TARS.items() if name.endswith(suffix)), None)
    if tar:
        with tarfile.open(path, tar) as archive:  # type: ignore[call-overload]
            entries = [one for one in archive.getmembers() if not one.isdir()]
            _require_end(archive)
            yield (_of_tar(archive, one) for one in entries)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as packed:
            _require_all(packed)
            yield (_of_zip(packed, one) for one in packed.infolist() if not one.is_dir())
    else:
        yield iter([Member(path.name[: -len(".gz")], None, lambda: _gunzip(path))])


def _require_end(archive: tarfile.TarFile) -> None:
    """Check that only zeros follow the last entry: a damaged header ends an archive silently.

    The archive is read to its end, where the checksum of a compressed archive is.

    Raises:
        TarError: If other bytes follow.
    """
    file = cast("IO[bytes]", archive.fileobj)
    file.seek(archive.offset)
    while chunk := file.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.TarError("what follows its last readable file is not a file")


def _require_all(archive: zipfile.ZipFile) -> None:
    """Check that all files of the archive are found: one damaged entry may hide the next silently.

    Raises:
        BadZipFile: If the archive states another number of files.
    """
    file = cast("IO[bytes]", archive.fp)
    end = file.seek(0, os.SEEK_END)
    file.seek(end - _ZIP_END.size - len(archive.comment))
    said = _ZIP_END.unpack(file.read(_ZIP_END.size))[4]
    if said not in (len(archive.infolist()), _ZIP_MANY):
        raise zipfile.BadZipFile(f"it should hold {said} files, and {len(archive.infolist())} are found")


def _of_tar(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    def open_entry() -> IO[bytes]:
        content = archive.extractfile(entry)
        if content is None:
            raise tarfile.TarError(f"{entry.name} cannot be read")
        return content

    is_file = entry.isfile() or entry.islnk()
    return Member(_bare(entry.name), entry.size if entry.isfile() else None, open_entry, is_file)


def _of_zip(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return Member(_bare(entry.filename), entry.file_size, lambda: archive.open(entry), kind in (0, stat.S_IFREG))


def _gunzip(path: Path) -> IO[bytes]:
    if path.stat().st_size == 0:
        raise EOFError("it is empty")
    return cast("IO[bytes]", gzip.GzipFile(path))


def _bare(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
