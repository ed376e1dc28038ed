"""Operations on a file or folder in any storage.

"Does not exist" is a result; every other obstacle is a `StarlakeError`, never an empty result.
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
    """A file in the listing of its folder.

    Attributes:
        name: File name.
        size: Size in bytes; None if the listing does not contain it.
        version: Changes when the content changes, and not when the file is moved: the modification time, or the
            checksum in a store that moves by copying. Empty if the listing does not contain it.
        modified: Modification time as a timestamp, in storages that show incomplete files; None if files appear as a
            whole, as in object stores.
    """

    name: str
    size: int | None = None
    version: str = ""
    modified: float | None = None


class Location(ABC):
    """A file or a folder that may or may not exist; created by `Files.location`."""

    @abstractmethod
    def __str__(self) -> str: ...

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of the path."""

    @abstractmethod
    def child(self, name: str) -> Location:
        """Return the location of a name in this folder.

        Args:
            name: Name of a file or folder, without a separator.
        """

    @abstractmethod
    def list_files(self) -> list[str]:
        """Return the names of the files in this folder, sorted; empty if the folder does not exist.

        Folders in it, and files whose names begin with a dot, are ignored, as by Starlake.

        Raises:
            StarlakeError: If it is not a folder or cannot be read.
        """

    def entries(self) -> list[ListedFile]:
        """Return the files of `list_files` with the facts from one listing.

        Raises:
            StarlakeError: If it is not a folder or cannot be read.
        """
        return [ListedFile(name) for name in self.list_files()]

    @abstractmethod
    def exists(self) -> bool:
        """Return True if the file exists.

        Raises:
            StarlakeError: If it is not a file, or the store does not answer.
        """

    @abstractmethod
    def remove(self) -> bool:
        """Remove this file.

        Returns:
            True if this call removed it; of several concurrent calls exactly one, on a local disk. Most object stores
            cannot tell.

        Raises:
            StarlakeError: If it cannot be removed.
        """

    @abstractmethod
    def read(self) -> str | None:
        """Return the content of this file; None if the file does not exist.

        Raises:
            StarlakeError: If it cannot be read.
        """

    @abstractmethod
    def write(self, text: str) -> None:
        """Write this file, replacing an existing one. A concurrent reader sees the old content or the new one.

        Args:
            text: Content of the file, written in UTF-8.

        Raises:
            StarlakeError: If it cannot be written.
        """

    @abstractmethod
    def move_into(self, folder: Location) -> Location:
        """Move this file into a folder, which is created if it is missing. No file is replaced.

        Args:
            folder: Folder in the same store.

        Returns:
            The new location.

        Raises:
            FileExistsError: If the folder has a file of that name; this file stays in place.
            StarlakeError: If it cannot be moved.
        """


def local_path(location: str | Path) -> Path | None:
    """Return the path of a local location; None for a URI with a scheme other than ``file``.

    Like Hadoop, and unlike browsers, Starlake does not decode the path of a ``file:`` URI: ``%20`` is not a blank.

    Args:
        location: A path or a URI.

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
                cause=f"{host!r} is in the place of the host name",
                fix=f"write it with three slashes: file:///{path[2:]}",
            )
        path = slash + rest
    return Path(path)


@contextmanager
def explained(action: str, location: object) -> Iterator[None]:
    """Turn errors of the system into ours; "does not exist" and "exists already" propagate."""
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
