"""Files on their way through the areas: listing, moving, naming. This module knows no tables and no databases."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.project.landing import is_utf8

_MOST_NAMES = 10_000
_LONGEST_NAME = 255
"""Maximum bytes of the name of a file, on all common file systems."""


@dataclass(frozen=True)
class BrokenFile:
    """A file that cannot be read, or with an unusable name.

    Attributes:
        path: The file.
        reason: The problem with it.
    """

    path: Path
    reason: str


def listed(folder: Path) -> tuple[list[Path], list[BrokenFile]]:
    """Return the regular files of a folder, oldest first, then by name; names that begin with a dot are ignored.

    Starlake loads files in the same order (``IngestionTimeStrategy``). A folder that does not exist is empty; a file
    that has disappeared was taken by another command.

    Returns:
        The files, and those that cannot be used: broken links, names that are not UTF-8.
    """
    found: list[tuple[int, str]] = []
    broken: list[BrokenFile] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                time, reason = _examined(entry)
                if reason:
                    broken.append(BrokenFile(folder / entry.name, reason))
                elif time is not None:
                    found.append((time, entry.name))
    except FileNotFoundError:
        return [], []
    return [folder / name for _, name in sorted(found)], sorted(broken, key=lambda each: each.path)


def _examined(entry: os.DirEntry[str]) -> tuple[int | None, str]:
    """Return the modification time of a regular file, else None; and the problem with it."""
    try:
        status = entry.stat()
    except OSError as error:
        if not entry.is_symlink():  # gone, or unreadable
            return None, "" if isinstance(error, FileNotFoundError) else _why(error)
        lost = isinstance(error, FileNotFoundError)
        return None, "it is a link to a file that does not exist" if lost else f"it is a link, and {_why(error)}"
    if not stat.S_ISREG(status.st_mode):
        return None, ""
    return status.st_mtime_ns, "" if is_utf8(entry.name) else "its name is not UTF-8"


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def waiting(folder: Path) -> list[Path]:
    """Return the usable files of a folder; see `listed`."""
    return listed(folder)[0]


def move(source: Path, target: Path) -> None:
    """Move a file, replacing an existing one.

    The target is never visible half-written: within a file system the move is a rename, across file systems the copy is
    renamed when it is on disk.

    Args:
        source: The file.
        target: Its new path; the folder is created if it is missing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target)
        source.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy a file with its modification time; the target is never visible half-written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid.uuid4().hex}.part")  # short, however long the name of the file is
    try:
        shutil.copy2(source, partial)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def uri(path: Path) -> str:
    """Return the URI of a path in the form of the audit tables: ``file:/data/rows.csv``."""
    return f"file:{path}"


def give_back(source: Path, folder: Path, *, fits: Callable[[str], bool]) -> Path:
    """Move a file back to a folder without replacing a newer one with the same name.

    Args:
        source: The file.
        folder: Its former folder.
        fits: Returns True if a name still belongs to the same table; the file gets another such name if its own is
            taken.

    Returns:
        The new path of the file.

    Raises:
        StarlakeError: If the name is taken and no other matches.
    """
    target = free_path(folder, source.name, fits=fits)
    if target is None:
        raise StarlakeError(
            f"{source} cannot go back to {folder}",
            cause="a newer file has its name there, and no other name matches the pattern of the table",
            fix="load the newer file first, then move this one back",
        )
    move(source, target)
    return target


def free_path(folder: Path, name: str, *, fits: Callable[[str], bool]) -> Path | None:
    """Return a path for a file in a folder that no other file has.

    Args:
        folder: The folder.
        name: The name of the file, which it keeps if possible.
        fits: Returns True if the file may have another name.

    Returns:
        The path; None if the name is taken and no other matches.
    """
    for candidate in _names(name):
        path = folder / candidate
        if is_short(candidate) and fits(candidate) and not os.path.lexists(path):
            return path
    return None


def is_short(name: str) -> bool:
    """Return True if the name of a file is short enough for file systems."""
    return len(os.fsencode(name)) <= _LONGEST_NAME


def _names(name: str) -> Iterator[str]:
    stem, suffix = Path(name).stem, Path(name).suffix
    yield name
    for number in range(2, _MOST_NAMES):
        yield from (
            f"{stem}-{number}{suffix}",
            f"{stem}_{number}{suffix}",
            f"{stem}{number}{suffix}",
            f"{number}-{name}",
        )
