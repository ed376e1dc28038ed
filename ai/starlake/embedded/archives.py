"""Compressed files in landing areas are unpacked, as the documentation says (contract 4, trap 7)."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ai.starlake.common import StarlakeError
from ai.starlake.project import Domain

_SUFFIXES = (".tgz", ".tar.gz", ".zip", ".gz")


def unpack(file: Path, domain: Domain, ready: Callable[[str], bool]) -> tuple[str, ...]:
    """Puts the files of an archive that belong to tables of the domain beside it, once all of them may be taken.

    Nothing comes of an archive whose own name matches a table, which wants it as it is, nor of one that holds nothing
    for the domain. Names within the archive lose their folders.

    Args:
        file: The file, which may be no archive at all.
        domain: The domain.
        ready: Whether a file inside, given its name, may be taken.

    Returns:
        The names of the files that are there now. The archive is there too; the caller deletes it.

    Raises:
        StarlakeError: If the archive is damaged, or if two of its files have the same name.
    """
    with _wanted(file, domain) as wanted:
        if not all(ready(name) for name in wanted):
            return ()
        for name, source in wanted.items():
            _extract(source, file.with_name(name), file)
        return tuple(wanted)


def contents(file: Path, domain: Domain) -> tuple[str, ...]:
    """The names of the files that `unpack` would put beside an archive.

    Args:
        file: The file, which may be no archive at all.
        domain: The domain.

    Raises:
        StarlakeError: If the archive is damaged, or if two of its files have the same name.
    """
    with _wanted(file, domain) as wanted:
        return tuple(wanted)


@contextmanager
def _wanted(file: Path, domain: Domain) -> Iterator[dict[str, Callable[[], IO[bytes]]]]:
    """The files in an archive that belong to tables, and how to open each."""
    if not file.name.lower().endswith(_SUFFIXES) or domain.table_of(file.name) is not None:
        yield {}
        return
    try:
        with _members(file) as members:
            found = [(name, source) for name, source in members if domain.table_of(name)]
            twice = {name for name, times in Counter(name for name, _ in found).items() if times > 1}
            if twice:
                raise StarlakeError(
                    f"the archive {file} has several files named {min(twice)}",
                    cause="folders within an archive do not count, so that one would replace the other",
                    fix="give the files different names, or unpack the archive",
                )
            yield dict(found)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise StarlakeError(
            f"the archive {file} cannot be unpacked",
            cause=str(error),
            fix="replace it, or take it out of the landing area",
        ) from error


@contextmanager
def _members(file: Path) -> Iterator[Iterator[tuple[str, Callable[[], IO[bytes]]]]]:
    """The files in an archive: their bare names, and how to open each."""
    name = file.name.lower()
    if name.endswith((".tgz", ".tar.gz")):
        with tarfile.open(file, "r:gz") as archive:
            yield iter([(_bare(one.name), _opener(archive, one)) for one in archive.getmembers() if one.isfile()])
    elif name.endswith(".zip"):
        with zipfile.ZipFile(file) as packed:
            entries = [one for one in packed.infolist() if not one.is_dir()]
            yield iter([(_bare(one.filename), _zip_opener(packed, one)) for one in entries])
    else:
        yield iter([(file.name[: -len(".gz")], lambda: cast("IO[bytes]", gzip.GzipFile(file)))])


def _opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        content = archive.extractfile(member)
        if content is None:
            raise tarfile.TarError(f"{member.name} cannot be read")
        return content

    return open_member


def _zip_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(member)


def _bare(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _extract(source: Callable[[], IO[bytes]], target: Path, archive: Path) -> None:
    partial = target.with_name(f".{target.name}.part")
    with source() as content, partial.open("wb") as file:
        shutil.copyfileobj(content, file)
    moment = archive.stat()
    os.utime(partial, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    partial.replace(target)
