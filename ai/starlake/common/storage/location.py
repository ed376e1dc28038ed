"""The operations on a file or folder, wherever it is.

"Nothing there" is an answer; everything else that keeps us from it is a `StarlakeError`, never an empty answer.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ai.starlake.common.errors import StarlakeError


@dataclass(frozen=True)
class ListedFile:
    """A file as the listing of its folder shows it.

    Attributes:
        name: Its name.
        size: Its size in bytes; None if the listing does not tell.
        version: Changes when another content is written, and not when the file is moved: the time when it was written,
            or the checksum of a store that copies to move. Empty where the listing does not tell.
        modified: When it was written last, as a timestamp, where files can be seen before they are complete; None where
            they appear as a whole, as in object stores.
    """

    name: str
    size: int | None = None
    version: str = ""
    modified: float | None = None


class Location(ABC):
    """A file or a folder that may or may not exist. `Files.location` makes one."""

    @abstractmethod
    def __str__(self) -> str: ...

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of the path."""

    @abstractmethod
    def child(self, name: str) -> Location:
        """Return the location of a name in this folder."""

    @abstractmethod
    def list_files(self) -> list[str]:
        """Return the names of the files in this folder, sorted; none if there is no such folder.

        Folders in it, and files whose names begin with a dot, do not count, as Starlake has it.

        Raises:
            StarlakeError: If it is not a folder or cannot be read.
        """

    def entries(self) -> list[ListedFile]:
        """Return the files of `list_files` with what one listing tells of them.

        Raises:
            StarlakeError: If it is not a folder or cannot be read.
        """
        return [ListedFile(name) for name in self.list_files()]

    @abstractmethod
    def exists(self) -> bool:
        """Return True if there is such a file.

        Raises:
            StarlakeError: If it is not a file, or the store cannot tell.
        """

    @abstractmethod
    def remove(self) -> bool:
        """Remove this file.

        Returns:
            True if it was this call that removed it; of several at once, exactly one on a local disk. Most object
            stores cannot tell.

        Raises:
            StarlakeError: If it cannot be removed.
        """

    @abstractmethod
    def read(self) -> str | None:
        """Return the text of this file; None if there is no such file.

        Raises:
            StarlakeError: If it cannot be read.
        """

    @abstractmethod
    def write(self, text: str) -> None:
        """Write this file, over the one that is there. Whoever reads it meanwhile sees the old text or the new one.

        Raises:
            StarlakeError: If it cannot be written.
        """

    @abstractmethod
    def move_into(self, folder: Location) -> Location:
        """Move this file into a folder, which is made when missing. Replaces nothing.

        Returns:
            Its new location.

        Raises:
            FileExistsError: If the folder has a file of that name; this one stays where it is.
            StarlakeError: If it cannot be moved.
        """


def local_path(location: str | Path) -> Path | None:
    """Return the path of a local location; None for a URI of another scheme than ``file``.

    Like Hadoop, and unlike browsers, Starlake takes the path of a ``file:`` URI as it is: ``%20`` is no blank.

    Raises:
        StarlakeError: If it is empty, holds a null, or is a ``file:`` URI with a host.
    """
    text = str(location)
    if not text.strip() or "\0" in text:
        raise StarlakeError(f"{text!r} is not a path")
    if not text.startswith("file:"):
        return None if "://" in text else Path(text)
    path = text.removeprefix("file:")
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise StarlakeError(
                f"{text} is not a path on this machine",
                cause=f"{host!r} stands where the name of a host does",
                fix=f"write it with three slashes: file:///{path[2:]}",
            )
        path = slash + rest
    return Path(path)


@contextmanager
def explained(action: str, location: object) -> Iterator[None]:
    """Turn errors of the system into ours; those that mean "nothing there" or "already there" pass."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise StarlakeError(f"{location} cannot be {action}", cause=cause) from error


def two_kinds(source: Location, folder: Location) -> StarlakeError:
    """Return the error of a move from one kind of storage to another."""
    return StarlakeError(
        f"{source} cannot be moved to {folder}", cause="they are in two kinds of storage", fix="move it by hand"
    )
