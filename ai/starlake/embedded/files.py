"""Files on their way through the areas: listing, moving, naming. Nothing here knows about tables or databases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ai.starlake.common import StarlakeError

_MOST_NAMES = 10_000


def waiting(folder: Path) -> list[Path]:
    """Lists the regular files of a folder, oldest first, then by name; those that begin with a dot are not seen.

    The order is the one in which Starlake loads files (contract 4, ``IngestionTimeStrategy``). A folder that does not
    exist is empty.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [
            (entry.stat().st_mtime_ns, entry.name)
            for entry in entries
            if entry.is_file() and not entry.name.startswith(".")
        ]
    return [folder / name for _, name in sorted(found)]


def move(source: Path, target: Path) -> None:
    """Moves a file, over whatever has the target's name.

    The target is never seen half written: within a file system the move is a rename, across file systems the copy is
    renamed into place once it is on disk.

    Args:
        source: The file.
        target: Its new path; the folder is created when missing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != _CROSS_DEVICE:
            raise
        copy(source, target)
        source.unlink()


_CROSS_DEVICE = 18
"""errno EXDEV"""


def copy(source: Path, target: Path) -> None:
    """Copies a file with its modification time; the target is never seen half written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copy2(source, partial)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def uri(path: Path) -> str:
    """Writes a path as the audit tables do: ``file:/data/rows.csv``."""
    return f"file:{path}"


def give_back(source: Path, folder: Path, *, fits: Callable[[str], bool]) -> Path:
    """Moves a file back into a folder without replacing a newer one of its name.

    Args:
        source: The file.
        folder: Where it came from.
        fits: Whether a name is still one of the same table's; the file gets another such name when its own is taken.

    Returns:
        Where the file is now.

    Raises:
        StarlakeError: If the name is taken and no other fits.
    """
    for name in _names(source.name):
        target = folder / name
        if not fits(name) or target.exists():
            continue
        move(source, target)
        return target
    raise StarlakeError(
        f"{source} cannot go back to {folder}",
        cause="a newer file has its name there, and no other name matches the pattern of the table",
        fix="load the newer file first, then move this one back",
    )


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
