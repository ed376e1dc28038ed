"""Delivery of files to a stage area, so that a kill at any point neither loses nor duplicates a file.

A file on the same disk is renamed, which is one step. All others - members of archives, files on another disk, targets
of links - are first written to a hidden folder of the stage area. Then a note in that folder records that they are
complete, then their source is removed, then they get their names. The next command that stages finds the folder:
without a note it is deleted, since the source still exists; with a note, the remaining steps are done.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import try_lock_folder
from ai.starlake.embedded.areas.archives import Budget, write
from ai.starlake.embedded.areas.area_files import free_path, move

logger = logging.getLogger(__name__)

_PREFIX = ".starlake-stage-"
_NOTE = "complete.json"
_PATIENCE = 600.0
_GLANCE = 0.05
_SURELY_DEAD = 3600.0

Fits = Callable[[str, str], bool]
"""Returns True if a file may have another name (the second) instead of its own (the first)."""


@contextmanager
def one_at_a_time(area: Path, *, patience: float = _PATIENCE) -> Iterator[bool]:
    """Keep other commands from staging to an area during the block.

    Args:
        area: The stage area of a domain; it must exist.
        patience: Seconds to wait for another command.

    Yields:
        True if the area is locked: some network file systems have no locks.

    Raises:
        StarlakeError: If another command stages for longer.
    """
    descriptor = os.open(area, os.O_RDONLY)
    try:
        yield _locked(descriptor, area, patience)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, area: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while (locked := try_lock_folder(descriptor)) is None:
        if time.monotonic() >= deadline:
            raise StarlakeError(
                f"another command stages files into {area}",
                cause=f"it did not end within {patience:g} s",
                fix="wait for it, or end it",
            )
        time.sleep(_GLANCE)
    return locked


@dataclass(frozen=True)
class Delivered:
    """A file that was delivered to the stage area.

    Attributes:
        name: Its original name.
        path: Its path.
    """

    name: str
    path: Path


class Delivery:
    """Files on their way from one source to a stage area; a context manager.

    Args:
        area: The stage area.
        source: The archive or file that contains them.
    """

    def __init__(self, area: Path, source: Path) -> None:
        self._area = area
        self._source = source
        self._folder = area / f"{_PREFIX}{uuid.uuid4().hex}"
        self._targets: list[tuple[str, str]] = []
        self._committed = False

    def __enter__(self) -> Delivery:
        """Create the hidden folder."""
        self._folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the hidden folder, unless the next command has to complete it."""
        if not self._committed:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, content: IO[bytes], name: str, target: str, budget: Budget) -> None:
        """Write a file with the modification time of the source, which determines the order of files.

        Args:
            content: The content.
            name: Its original name.
            target: Its name in the stage area.
            budget: The number of bytes that may be written.
        """
        file = self._folder / str(len(self._targets))
        write(content, file, budget)
        status = self._source.stat()
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._targets.append((name, target))

    def finish(self, fits: Fits, *, kept_in: Path | None = None, acks: tuple[Path, ...] = ()) -> list[Delivered]:
        """Remove the source, then give the files their names.

        Args:
            fits: Returns True for another name that a file may have.
            kept_in: Folder for the source; None to delete it.
            acks: The ack files that go with it.

        Raises:
            OSError: If the source cannot be removed; nothing is changed then.
        """
        note = {
            "source": os.fsencode(self._source).hex(),
            "identity": _identity(self._source),
            "keptIn": None if kept_in is None else str(kept_in),
            "acks": [os.fsencode(ack).hex() for ack in acks],
            "targets": self._targets,
        }
        partial = self._folder / "part"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(note, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._folder / _NOTE)
        self._committed = True
        try:
            _remove_source(note)
        except OSError:
            if os.path.lexists(self._source):
                self._committed = False
            raise
        return _complete(self._folder, self._area, note, fits)


def recover(area: Path, fits: Fits, *, locked: bool) -> list[Delivered]:
    """Complete or undo what killed commands left behind.

    Args:
        area: The stage area of a domain.
        fits: Returns True for another name that a file may have.
        locked: True if the area is locked. Otherwise young folders may belong to another command.

    Returns:
        The files that were delivered to the stage area.
    """
    done: list[Delivered] = []
    for folder in sorted(area.glob(f"{_PREFIX}*")):
        try:
            if not locked and time.time() - folder.stat().st_mtime < _SURELY_DEAD:
                continue
            note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        _remove_source(note)
        done += _complete(folder, area, note, fits)
    return done


def _identity(file: Path) -> list[int]:
    status = file.lstat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _remove_source(note: dict[str, Any]) -> None:
    """Remove the source, unless another file has its name now; then the ack files that belong to it."""
    source = Path(os.fsdecode(bytes.fromhex(note["source"])))
    try:
        if _identity(source) != note["identity"]:
            return
        if note["keptIn"] is None:
            source.unlink()
        else:
            keep(source, Path(note["keptIn"]))
    except FileNotFoundError:
        pass
    for ack in note["acks"]:
        Path(os.fsdecode(bytes.fromhex(ack))).unlink(missing_ok=True)


def keep(file: Path, folder: Path) -> Path:
    """Move a file that matches no table to a folder, beside an existing file with its name.

    Raises:
        FileNotFoundError: If it has disappeared.
    """
    target = free_path(folder, file.name, fits=lambda _name: True)
    if target is None:
        raise FileExistsError(f"{folder} holds too many files named {file.name}")
    move(file, target)
    return target


def _complete(folder: Path, area: Path, note: dict[str, Any], fits: Fits) -> list[Delivered]:
    """Give the files of a hidden folder their names, and remove the folder.

    Raises:
        StarlakeError: If a name is taken and no other matches; the file stays in the folder until the next time.
    """
    done = []
    for number, (name, wish) in enumerate(note["targets"]):
        file = folder / str(number)
        if not file.exists():
            continue
        target = free_path(area, wish, fits=partial(fits, name))
        if target is None:
            raise StarlakeError(
                f"{name} cannot be staged into {area}",
                cause=f"another file has its name, and no other name matches the pattern of its table; it is in {file}",
                fix="load the files that wait there, then stage again",
            )
        file.rename(target)
        done.append(Delivered(name, target))
    shutil.rmtree(folder, ignore_errors=True)
    return done
