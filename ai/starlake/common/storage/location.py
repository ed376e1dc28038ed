"""Files, wherever they are: local folders, and object stores whose driver is installed.

"Nothing there" is an answer; everything else that keeps us from looking is a `StarlakeError`, never an empty answer.

Other packages add schemes by an entry point of the group ``starlake.storage``: its name is the scheme, and its object
makes a `Location` of a URI and the settings of that scheme. Schemes without one are left to fsspec.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ai.starlake.common import StarlakeError

PLUG_INS = "starlake.storage"
"""The group of entry points that add schemes."""

StorageSettings = Mapping[str, Mapping[str, str]]
"""What a store needs to be told, such as its address, by scheme."""

_settings: ContextVar[StorageSettings] = ContextVar("starlake storage settings", default=MappingProxyType({}))


class Storage(Protocol):
    """What an entry point of the group `PLUG_INS` names."""

    def __call__(self, uri: str, settings: Mapping[str, str]) -> Location:
        """Makes a location of a URI. Looks at nothing yet."""
        ...


@contextmanager
def storage_settings(settings: StorageSettings) -> Iterator[None]:
    """Within the block, and in this thread, stores are reached as some settings say.

    Args:
        settings: By scheme; other schemes stay as they are.
    """
    token = _settings.set({**_settings.get(), **settings})
    try:
        yield
    finally:
        _settings.reset(token)


class Location(ABC):
    """A file or a folder that may or may not exist."""

    @classmethod
    def of(cls, location: str | Path) -> Location:
        """Makes a location of a path or a URI. Looks at nothing yet.

        Raises:
            StarlakeError: If it is a URI that cannot be understood.
        """
        local = local_path(location)
        if local is not None:
            from ai.starlake.common.storage.local_disk import LocalLocation

            return LocalLocation(local)
        uri = str(location)
        scheme = uri.partition("://")[0].lower()
        plug_in = _plug_in(scheme)
        if plug_in is not None:
            return plug_in(uri, _settings.get().get(scheme, {}))
        from ai.starlake.common.storage.object_store import RemoteLocation

        return RemoteLocation(uri)

    @abstractmethod
    def __str__(self) -> str: ...

    @property
    @abstractmethod
    def name(self) -> str:
        """Its last part."""

    @abstractmethod
    def child(self, name: str) -> Location:
        """What has a name in this folder."""

    @abstractmethod
    def list_files(self) -> list[str]:
        """The names of the files in this folder, sorted; none if there is no such folder.

        Folders in it, and files whose names begin with a dot, do not count, as Starlake has it.

        Raises:
            StarlakeError: If it is no folder or cannot be read.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is such a file.

        Raises:
            StarlakeError: If it is no file, or one cannot tell.
        """

    @abstractmethod
    def remove(self) -> bool:
        """Removes this file.

        Returns:
            Whether it was this call that removed it; of several at once, exactly one on a local disk. Most object
            stores cannot tell.

        Raises:
            StarlakeError: If it cannot be removed.
        """

    @abstractmethod
    def read(self) -> str | None:
        """The text of this file; None if there is none.

        Raises:
            StarlakeError: If it cannot be read.
        """

    @abstractmethod
    def write(self, text: str) -> None:
        """Writes this file, over the one that is there. Whoever reads it meanwhile sees the old text or the new one.

        Raises:
            StarlakeError: If it cannot be written.
        """

    @abstractmethod
    def move_into(self, folder: Location) -> Location:
        """Moves this file into a folder, which is made when missing. Replaces nothing.

        Returns:
            Where it is now.

        Raises:
            FileExistsError: If the folder has a file of that name; this one stays where it is.
            StarlakeError: If it cannot be moved.
        """


@functools.cache
def _plug_in(scheme: str) -> Storage | None:
    """What is installed for a scheme; looking for it costs some milliseconds, once."""
    found = next(iter(entry_points(group=PLUG_INS, name=scheme)), None)
    if found is None:
        return None
    try:
        plug_in: Storage = found.load()
    except (ImportError, AttributeError) as error:
        raise StarlakeError(
            f"{scheme}:// cannot be reached", cause=f"its driver {found.value} cannot be loaded: {error}"
        ) from error
    return plug_in


def local_path(location: str | Path) -> Path | None:
    """The path of a local location; None for a URI of another scheme than ``file``.

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
    """Turns errors of the system into ours; those that mean "nothing there" or "already there" pass."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise StarlakeError(f"{location} cannot be {action}", cause=cause) from error


def two_kinds(source: Location, folder: Location) -> StarlakeError:
    """The error of a move from one kind of storage to another."""
    return StarlakeError(
        f"{source} cannot be moved to {folder}", cause="they are in two kinds of storage", fix="move it by hand"
    )
