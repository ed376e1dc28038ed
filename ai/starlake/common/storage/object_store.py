"""Files in object stores and other storages with an fsspec driver."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.storage.location import ListedFile, Location, explained, two_kinds

if TYPE_CHECKING:
    from upath import UPath

_SAME_SCHEME = {"s3a": "s3"}
_CHECKSUMS = ("crc32c", "md5Hash", "ETag", "content_md5", "checksum")
_PACKAGES = {
    "gs": '"starlake-jobs[gcp]"',
    "s3": "s3fs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "hdfs": "pyarrow",
}


class DriverStorage:
    """The files of a scheme through an fsspec driver, with the settings that the driver finds by itself."""

    def path(self, uri: str) -> Path:
        """Return a path of universal-pathlib."""
        return upath(uri)

    def location(self, uri: str) -> Location:
        """Return a location behind the driver."""
        return DriverLocation(uri)


def upath(uri: str, **storage_options: Any) -> Path:
    """Return a path of universal-pathlib; its declared type is that of pathlib, whose interface it has.

    Args:
        uri: The URI.
        **storage_options: Settings of the driver.

    Raises:
        StarlakeError: If the scheme has no driver.
    """
    from upath import UPath

    scheme, separator, rest = uri.partition("://")
    with _known_driver(uri):
        return cast("Path", UPath(f"{_SAME_SCHEME.get(scheme, scheme)}{separator}{rest}", **storage_options))


def require_driver(path: Any) -> None:
    """Import the driver of a path of universal-pathlib.

    Raises:
        StarlakeError: If it is not installed.
    """
    from fsspec import get_filesystem_class

    with _known_driver(str(path)):
        get_filesystem_class(path.protocol)


class DriverLocation(Location):
    """A location behind a driver of fsspec, which universal-pathlib finds by the scheme."""

    def __init__(self, uri: str) -> None:
        scheme, separator, rest = uri.partition("://")
        self.uri = f"{_SAME_SCHEME.get(scheme, scheme)}{separator}{rest}".rstrip("/")

    def __str__(self) -> str:
        return self.uri

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.uri.rpartition("/")[2]

    def child(self, name: str) -> Location:
        """Return the location of a name in this folder."""
        return DriverLocation(f"{self.uri}/{name}")

    def list_files(self) -> list[str]:
        """Return the names of the files in this folder; raise an error if the bucket does not exist."""
        return [entry.name for entry in self.entries()]

    def entries(self) -> list[ListedFile]:
        """Return the files in this folder with the driver's facts; raise an error if the bucket does not exist."""
        path = self._path()
        try:
            with _explained_remote("listed", self):
                if path.fs.isfile(path.path):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.uri)
                found = path.fs.ls(path.path, detail=True)
        except FileNotFoundError:
            self._require_bucket(path)
            return []
        own = path.path.strip("/")  # an object store also lists the empty object that represents the folder
        entries = [_entry(each) for each in found if each["type"] == "file" and each["name"].strip("/") != own]
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)

    def exists(self) -> bool:
        """Return True if the file exists; raise an error if the bucket does not exist."""
        path = self._path()
        try:
            with _explained_remote("looked at", self):
                kind = path.fs.info(path.path)["type"]
        except FileNotFoundError:
            self._require_bucket(path)
            return False
        if kind != "file":
            raise StarlakeError(f"{self} is not a file", cause="a folder has this name")
        return True

    def remove(self) -> bool:
        """Remove this file; return True if this call removed it, as far as the store can tell."""
        if not self.exists():
            return False
        path = self._path()
        try:
            with _explained_remote("removed", self):
                path.fs.rm_file(path.path)
        except FileNotFoundError:
            return False
        return True

    def read(self) -> str | None:
        """Return the content of this file."""
        path = self._path()
        try:
            with _explained_remote("read", self):
                return bytes(path.fs.cat_file(path.path)).decode()
        except FileNotFoundError:
            return None

    def write(self, text: str) -> None:
        """Write this file."""
        path = self._path()
        with _explained_remote("written", self):
            path.fs.makedirs(path.parent.path, exist_ok=True)
            path.fs.pipe_file(path.path, text.encode())

    def move_into(self, folder: Location) -> Location:
        """Move this file: in an object store a copy, followed by a removal."""
        if not isinstance(folder, DriverLocation):
            raise two_kinds(self, folder)
        target = DriverLocation(f"{folder.uri}/{self.name}")
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.uri)
        source = self._path()
        try:
            with _explained_remote(f"moved to {folder}", self):
                source.fs.makedirs(folder._path().path, exist_ok=True)  # noqa: SLF001  our own class
                source.fs.mv(source.path, target._path().path)
        except FileNotFoundError as error:
            raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it no longer exists") from error
        return target

    def _path(self) -> UPath:
        """Return the path with a driver that caches nothing: other processes change the files."""
        path: Any = upath(self.uri)
        with _known_driver(self.uri):
            path.fs.invalidate_cache()
        return cast("UPath", path)

    def _require_bucket(self, path: UPath) -> None:
        """Check that the file or folder is missing, and not its bucket."""
        bucket = path.drive.strip("/")
        if not bucket:
            return
        try:
            with _explained_remote("looked at", self):
                path.fs.info(bucket)
        except FileNotFoundError:
            scheme = self.uri.partition("://")[0]
            raise StarlakeError(f"there is no bucket {scheme}://{bucket}", fix=f"correct the path {self}") from None


def _entry(found: Mapping[str, Any]) -> ListedFile:
    """Return a file from the listing of a driver; drivers name the checksum differently, or have none."""
    checksums = (found.get(word) for word in _CHECKSUMS)
    version = next((str(each) for each in checksums if each), "")
    return ListedFile(found["name"].strip("/").rpartition("/")[2], found.get("size"), version)


@contextmanager
def _known_driver(uri: str) -> Iterator[None]:
    """Turn the errors of a missing driver into ours."""
    try:
        yield
    except (ImportError, ValueError) as error:
        scheme = uri.partition("://")[0]
        package = _PACKAGES.get(_SAME_SCHEME.get(scheme, scheme))
        raise StarlakeError(
            f"{uri} cannot be reached",
            cause=f"there is no driver for {scheme}:// in this Python environment ({error})",
            fix=f"pip install {package}" if package else "use a folder on this machine, or gs:// or s3://",
        ) from error


@contextmanager
def _explained_remote(action: str, location: Location) -> Iterator[None]:
    """Like `explained`, for drivers: each has errors of its own, those of its HTTP client among them."""
    try:
        with explained(action, location):
            yield
    except (FileNotFoundError, FileExistsError, StarlakeError):
        raise
    except Exception as error:
        raise StarlakeError(f"{location} cannot be {action}", cause=f"{type(error).__name__}: {error}") from error
