"""Compressed files in landing areas are unpacked, as the documentation says (contract 4, trap 7)."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ai.starlake.common import StarlakeError
from ai.starlake.project import Domain

_SUFFIXES = (".tgz", ".tar.gz", ".zip", ".gz")


def unpack(file: Path, domain: Domain, ready: Callable[[str, str], bool]) -> None:
    """Replaces an archive in a landing area by those of its files that belong to tables of the domain.

    An archive whose own name matches a table is left alone: the table wants it as it is. So is one that holds nothing
    for the domain. Names within the archive lose their folders.

    Args:
        file: The file, which may be no archive at all.
        domain: The domain.
        ready: Whether a file inside may be taken; given the archive's name and the file's.

    Raises:
        StarlakeError: If the archive is damaged.
    """
    if not file.name.lower().endswith(_SUFFIXES) or domain.table_of(file.name) is not None:
        return
    try:
        with _members(file) as members:
            wanted = [(name, source) for name, source in members if domain.table_of(name) and ready(file.name, name)]
            for name, source in wanted:
                _extract(source, file.with_name(name), file)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise StarlakeError(
            f"the archive {file} cannot be unpacked",
            cause=str(error),
            fix="replace it, or take it out of the landing area",
        ) from error
    if wanted:
        file.unlink()


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
