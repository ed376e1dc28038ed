"""Files in Google Cloud Storage.

Every call carries the generation of the object that it is about: what somebody else puts in its place meanwhile is
neither removed nor replaced.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage.location import ListedFile, Location, two_kinds
from ai.starlake.common.storage.object_store import upath
from ai.starlake.executor.remote.repeats import RepeatPolicy
from ai.starlake.gcp.client.clients import default_credentials, endpoint_of_storage, storage_client
from ai.starlake.gcp.client.endpoints import GcpEndpoints, is_insecure
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError, explained, patience_of, permissions_of

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

_TIMEOUT = 60.0
"""Seconds that one answer may take."""
_TOLERANCE = 120.0
"""Seconds for which a call that fails for a passing reason is repeated."""


@dataclass(frozen=True)
class CloudStorage:
    """The files of the schemes ``gs`` and ``gcs``, which mean the same.

    Args:
        endpoint: The address of Cloud Storage; by default what STORAGE_EMULATOR_HOST says, else Google's.
        impersonate: The service account on whose behalf Cloud Storage is called.
    """

    endpoint: str | None = None
    impersonate: str | None = None

    def path(self, uri: str) -> Path:
        """Return a path of universal-pathlib, whose driver is gcsfs.

        Raises:
            GcpCallError: If there are no credentials to act for another account with.
        """
        return upath(uri, **self._driver_settings)

    def location(self, uri: str) -> GcsLocation:
        """Return a location that is reached by Google's own client, which can name generations of objects.

        Raises:
            StarlakeError: If the URI names no bucket.
        """
        bucket, _, key = uri.partition("://")[2].partition("/")
        if not bucket:
            raise StarlakeError(f"{uri} names no bucket", fix="write it as gs://bucket/folder")
        return GcsLocation(self, bucket, key.strip("/"))

    @cached_property
    def _driver_settings(self) -> Mapping[str, Any]:
        """The settings of gcsfs. Made once: fsspec takes other credentials for those of another store."""
        address = endpoint_of_storage(self.endpoint)
        given: dict[str, Any] = {"endpoint_url": address.rstrip("/")} if address else {}
        if is_insecure(address):
            # gcsfs asks Google, by gRPC and nowhere else, for the kind of each bucket; an emulator has no answer to
            # that, and each call would wait for one for a minute and a half
            return {**given, "token": "anon", "retry_timeout": 0}
        if self.impersonate:
            given["token"] = default_credentials(self.impersonate)[0]
        return given


class GcsLocation(Location):
    """An object, or the folder that a prefix stands for.

    Args:
        storage: How Cloud Storage is reached.
        bucket: The bucket.
        key: The name of the object; empty for the bucket itself.
    """

    def __init__(self, storage: CloudStorage, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self._storage = storage

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.key.rpartition("/")[2] or self.bucket

    def child(self, name: str) -> GcsLocation:
        """Return the location of a name in this folder."""
        return GcsLocation(self._storage, self.bucket, f"{self.key}/{name}".lstrip("/"))

    def list_files(self) -> list[str]:
        """Return the names of the files in this folder; an error if there is no such bucket."""
        return [entry.name for entry in self.entries()]

    def entries(self) -> list[ListedFile]:
        """Return the files in this folder with their sizes and checksums; an error if there is no such bucket."""
        found = self._listed("listed")
        if not found and self.key and self._blob("listed") is not None:
            raise StarlakeError(f"{self} cannot be listed", cause=os.strerror(errno.ENOTDIR))
        files = (entry for entry in found if entry.name and not entry.name.endswith("/"))
        return sorted((entry for entry in files if not entry.name.startswith(".")), key=lambda entry: entry.name)

    def exists(self) -> bool:
        """Return True if there is such a file; an error if there is no such bucket."""
        return self._file("looked at") is not None

    def remove(self) -> bool:
        """Remove this file; True in exactly one of several processes that try.

        One exception: where an answer is lost and the file is gone at the next try, this call counts as the one. A file
        that nobody got would be worse than one that two got, and rarer still is that two try while answers are lost.
        """
        blob = self._file("removed")
        return blob is not None and self._delete(blob)

    def read(self) -> str | None:
        """Return the text of this file."""
        blob = self._blob("read")
        if blob is None:
            return None
        try:
            with self._explained("read", blob.download_as_bytes):
                return bytes(blob.download_as_bytes(timeout=_TIMEOUT, retry=_retry())).decode()
        except NotFoundError:
            return None

    def write(self, text: str) -> None:
        """Write this file."""
        blob = self._client.bucket(self.bucket).blob(self.key)
        with self._explained("written", blob.upload_from_string):
            blob.upload_from_string(text, content_type="application/json", timeout=_TIMEOUT, retry=_retry())

    def move_into(self, folder: Location) -> Location:
        """Move this file: a copy within Cloud Storage, which replaces nothing, and then a removal."""
        if not isinstance(folder, GcsLocation):
            raise two_kinds(self, folder)
        target = folder.child(self.name)
        blob = self._file("moved")
        if blob is None:
            raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it is not there any more")
        try:
            self._copy(blob, target)
        except GcpCallError as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION"):
                raise
            # of a move that was killed half way, or whose answer was lost, both are there with the same content
            if not target.holds(blob):
                raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it is not there any more") from None
        self._delete(blob)
        return target

    def holds(self, other: Blob) -> bool:
        """Return True if there is this file, with the content of another one.

        Raises:
            FileExistsError: If it has another content.
        """
        blob = self._file("looked at")
        if blob is not None and (blob.size, blob.crc32c) != (other.size, other.crc32c):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
        return blob is not None

    def _listed(self, action: str, most: int | None = None) -> list[ListedFile]:
        """Return the files and, with a slash at the end of their names, the folders in this folder.

        The name of the placeholder of the folder itself is empty.
        """
        prefix = f"{self.key}/" if self.key else ""
        try:
            with self._explained(action, self._client.list_blobs):
                found = self._client.list_blobs(
                    self.bucket, prefix=prefix, delimiter="/", max_results=most, timeout=_TIMEOUT, retry=_retry()
                )
                files = [ListedFile(blob.name.removeprefix(prefix), blob.size, blob.crc32c or "") for blob in found]
        except NotFoundError:
            raise StarlakeError(f"there is no bucket gs://{self.bucket}", fix=f"correct the path {self}") from None
        return [*files, *(ListedFile(name.removeprefix(prefix)) for name in found.prefixes)]

    def _file(self, action: str) -> Blob | None:
        """Return the object as it is now, or None if it does not exist.

        Raises:
            StarlakeError: If a folder has the name, or if there is no bucket.
        """
        blob = self._blob(action) if self.key else None
        if blob is None and self._listed(action, most=1):
            raise StarlakeError(f"{self} is not a file", cause="a folder has this name")
        return blob

    def _blob(self, action: str) -> Blob | None:
        """Return the object as it is now; None if there is none, be it for want of the bucket."""
        bucket = self._client.bucket(self.bucket)
        with self._explained(action, bucket.get_blob):
            return bucket.get_blob(self.key, timeout=_TIMEOUT, retry=_retry())

    def _delete(self, blob: Blob) -> bool:
        lost: list[Exception] = []
        try:
            with self._explained("removed", blob.delete):
                blob.delete(if_generation_match=blob.generation, timeout=_TIMEOUT, retry=_retry(lost))
        except GcpCallError as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION"):
                raise
            return bool(lost)
        return True

    def _copy(self, blob: Blob, target: GcsLocation) -> None:
        copy = self._client.bucket(target.bucket).blob(target.key)
        token: str | None = None
        with self._explained(f"moved to {target}", copy.rewrite):
            while True:  # a large file is copied in several calls
                token, _, _ = copy.rewrite(
                    blob,
                    token=token,
                    if_generation_match=0,
                    if_source_generation_match=blob.generation,
                    timeout=_TIMEOUT,
                    retry=_retry(),
                )
                if token is None:
                    return

    @property
    def _client(self) -> Client:
        return _client(endpoint_of_storage(self._storage.endpoint), self._storage.impersonate)

    @contextmanager
    def _explained(self, action: str, method: object) -> Iterator[None]:
        with explained(f"have {self} {action}", permissions_of(method)):
            yield


@functools.lru_cache(maxsize=8)
def _client(endpoint: str | None, impersonate: str | None) -> Client:
    """Return the client of an address and account: one each, since each has a pool of connections."""
    return storage_client(GcpEndpoints(storage=endpoint, impersonate=impersonate))


def _retry(lost: list[Exception] | None = None) -> Any:
    """Return what repeats a call that fails for a passing reason.

    Args:
        lost: Gets the errors of the calls whose answers were lost.
    """
    from google.api_core.retry import Retry

    note = lost.append if lost is not None else None
    return Retry(
        predicate=RepeatPolicy(_TOLERANCE, patience=patience_of).outlasts,
        initial=0.5,
        maximum=16,
        timeout=_TOLERANCE,
        on_error=note,
    )
