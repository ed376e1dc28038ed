"""Files in Google Cloud Storage.

Every call carries the generation of its object: an object that another process puts in its place is neither removed nor
replaced.
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
"""Timeout of one call in seconds."""
_TOLERANCE = 120.0
"""Seconds for which a call is repeated after transient errors."""


@dataclass(frozen=True)
class CloudStorage:
    """Files of the schemes ``gs`` and ``gcs``, which are synonyms.

    Args:
        endpoint: URL of Cloud Storage; by default the variable STORAGE_EMULATOR_HOST, else that of Google.
        impersonate: The service account to impersonate.
    """

    endpoint: str | None = None
    impersonate: str | None = None

    def path(self, uri: str) -> Path:
        """Return a path of universal-pathlib with the driver gcsfs.

        Raises:
            GcpCallError: If there are no credentials to impersonate another account.
        """
        return upath(uri, **self._driver_settings)

    def location(self, uri: str) -> GcsLocation:
        """Return a location that uses Google's own client, which supports generations of objects.

        Raises:
            StarlakeError: If the URI names no bucket.
        """
        bucket, _, key = uri.partition("://")[2].partition("/")
        if not bucket:
            raise StarlakeError(f"{uri} names no bucket", fix="write it as gs://bucket/folder")
        return GcsLocation(self, bucket, key.strip("/"))

    @cached_property
    def _driver_settings(self) -> Mapping[str, Any]:
        """Settings of gcsfs. Created once: for fsspec, new credentials mean another store."""
        address = endpoint_of_storage(self.endpoint)
        given: dict[str, Any] = {"endpoint_url": address.rstrip("/")} if address else {}
        if is_insecure(address):
            # gcsfs asks Google, by gRPC only, for the kind of each bucket; an emulator does not answer, and each call
            # would wait for a minute and a half
            return {**given, "token": "anon", "retry_timeout": 0}
        if self.impersonate:
            given["token"] = default_credentials(self.impersonate)[0]
        return given


class GcsLocation(Location):
    """An object, or the folder of a prefix.

    Args:
        storage: Access to Cloud Storage.
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
        """Return the names of the files in this folder; raise an error if the bucket does not exist."""
        return [entry.name for entry in self.entries()]

    def entries(self) -> list[ListedFile]:
        """Return the files in this folder with sizes and checksums; raise an error if the bucket does not exist."""
        found = self._listed("listed")
        if not found and self.key and self._blob("listed") is not None:
            raise StarlakeError(f"{self} cannot be listed", cause=os.strerror(errno.ENOTDIR))
        files = (entry for entry in found if entry.name and not entry.name.endswith("/"))
        return sorted((entry for entry in files if not entry.name.startswith(".")), key=lambda entry: entry.name)

    def exists(self) -> bool:
        """Return True if the file exists; raise an error if the bucket does not exist."""
        return self._file("looked at") is not None

    def remove(self) -> bool:
        """Remove this file; return True in exactly one of several processes that try.

        One exception: if an answer is lost and the file is gone at the next attempt, this call returns True. A file
        that no process gets would be worse than one that two get, and two processes that try while answers are lost are
        rarer still.
        """
        blob = self._file("removed")
        return blob is not None and self._delete(blob)

    def read(self) -> str | None:
        """Return the content of this file."""
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
        """Move this file: a copy within Cloud Storage, which replaces nothing, followed by a removal."""
        if not isinstance(folder, GcsLocation):
            raise two_kinds(self, folder)
        target = folder.child(self.name)
        blob = self._file("moved")
        if blob is None:
            raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it no longer exists")
        try:
            self._copy(blob, target)
        except GcpCallError as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION"):
                raise
            # after a move that was killed half-way, or whose answer was lost, both exist with the same content
            if not target.holds(blob):
                raise StarlakeError(f"{self} cannot be moved to {folder}", cause="it no longer exists") from None
        self._delete(blob)
        return target

    def holds(self, other: Blob) -> bool:
        """Return True if this file exists with the content of another one.

        Raises:
            FileExistsError: If it has another content.
        """
        blob = self._file("looked at")
        if blob is not None and (blob.size, blob.crc32c) != (other.size, other.crc32c):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
        return blob is not None

    def _listed(self, action: str, most: int | None = None) -> list[ListedFile]:
        """Return the files, and the folders with a trailing slash, in this folder.

        The placeholder of the folder itself has an empty name.
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
        """Return the current object; None if it does not exist.

        Raises:
            StarlakeError: If a folder has the name, or if the bucket does not exist.
        """
        blob = self._blob(action) if self.key else None
        if blob is None and self._listed(action, most=1):
            raise StarlakeError(f"{self} is not a file", cause="a folder has this name")
        return blob

    def _blob(self, action: str) -> Blob | None:
        """Return the current object; None if it does not exist, or its bucket does not."""
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
    """Return the client for a URL and account, one each, because each has a pool of connections."""
    return storage_client(GcpEndpoints(storage=endpoint, impersonate=impersonate))


def _retry(lost: list[Exception] | None = None) -> Any:
    """Return the retry policy for calls with transient errors.

    Args:
        lost: Receives the errors of calls whose answers were lost.
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
