"""Files on this machine. They are moved without replacing others, which pathlib cannot do."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.storage.location import ListedFile, Location, explained, two_kinds


class LocalLocation(Location):
    """A path on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    def child(self, name: str) -> Location:
        """Return the location of a name in this folder."""
        return LocalLocation(self.path / name)

    def list_files(self) -> list[str]:
        """Return the names of the files in this folder, links to files included."""
        try:
            with explained("listed", self), os.scandir(self.path) as entries:
                return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file())
        except FileNotFoundError:
            return []

    def entries(self) -> list[ListedFile]:
        """Return the files with their sizes and times, links to files included."""
        try:
            with explained("listed", self), os.scandir(self.path) as entries:
                found = [_entry(entry) for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []
        return sorted(filter(None, found), key=lambda entry: entry.name)

    def exists(self) -> bool:
        """Return True if the file exists; raise an error if a folder has its name."""
        try:
            with explained("looked at", self):
                mode = self.path.stat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise StarlakeError(f"{self} is not a file", cause="a folder or a device has this name")
        return True

    def remove(self) -> bool:
        """Remove this file; return True in exactly one of several processes that try."""
        try:
            with explained("removed", self):
                self.path.unlink()
        except FileNotFoundError:
            return False
        return True

    def read(self) -> str | None:
        """Return the content of this file."""
        try:
            with explained("read", self):
                return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def write(self, text: str) -> None:
        """Write this file; create its folder if it is missing."""
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with explained("written", self):
            if not self.path.parent.is_dir():
                _make_folder(self.path.parent)
            try:
                part.write_text(text, encoding="utf-8")
                part.replace(self.path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def move_into(self, folder: Location) -> Location:
        """Move this file, to another disk if necessary."""
        if not isinstance(folder, LocalLocation):
            raise two_kinds(self, folder)
        target = folder.path / self.name
        with explained("made", folder):
            _make_folder(folder.path)
        try:
            with explained(f"moved to {folder}", self):
                _move_local(self.path, target)
        except FileNotFoundError as error:
            raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it no longer exists") from error
        return LocalLocation(target)


def _entry(found: os.DirEntry[str]) -> ListedFile | None:
    """Return a regular file with its size and time; None for anything else, and for a file that has disappeared."""
    try:
        status = found.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return ListedFile(found.name, status.st_size, str(status.st_mtime_ns), status.st_mtime)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error


def _move_local(source: Path, target: Path) -> None:
    """Move a file by a link, then a removal: unlike a rename, this never replaces a file that has just appeared."""
    try:
        os.link(source, target)
    except FileExistsError:
        # after a move that was killed half-way, both are the same file already
        if not target.samefile(source):
            raise
    except OSError as error:
        if error.errno == errno.EXDEV:
            _copy_local(source, target)
        elif error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):  # file systems without links
            _refuse_existing(target)
            source.rename(target)
            return
        else:
            raise
    source.unlink()


def _copy_local(source: Path, target: Path) -> None:
    """Copy a file to another disk. It gets its name when it is complete."""
    import shutil

    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copy2(source, part)
        _move_local(part, target)
    finally:
        part.unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
