"""Cloud Storage, by the package `gcp-storage-emulator`."""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

_FLUSH_EVERY = 0.5
_LARGEST = 1024 * 1024
_TIMEOUT = 30


class StorageServer:
    """The storage emulator on a free port of the loopback interface."""

    def __init__(self) -> None:
        from gcp_storage_emulator.server import create_server

        self._server: Any = create_server("127.0.0.1", 0, in_memory=True)
        self._server.start()
        self.endpoint = f"http://127.0.0.1:{self._server._api._httpd.server_address[1]}"  # noqa: SLF001  it tells nowhere else
        self._lock = threading.Lock()
        self._buckets: set[str] = set()

    def create_bucket(self, name: str) -> None:
        """Makes a bucket unless it is there."""
        with self._lock:
            if name not in self._buckets:
                self._buckets.add(name)
                self._create(name)

    def output(self, uri: str) -> OutputObject:
        """Where the output of a driver goes."""
        return OutputObject(self, uri)

    def upload(self, bucket: str, name: str, content: bytes) -> None:
        """Writes an object."""
        self.create_bucket(bucket)
        path = f"/upload/storage/v1/b/{quote(bucket)}/o?uploadType=media&name={quote(name, safe='')}"
        self._post(path, content, "text/plain")

    def stop(self) -> None:
        """Ends the server; what it holds is gone."""
        self._server.stop()

    def _create(self, name: str) -> None:
        from urllib.error import HTTPError

        try:
            self._post("/storage/v1/b?project=emulator", f'{{"name": "{name}"}}'.encode(), "application/json")
        except HTTPError as error:
            if error.code != 409:  # noqa: PLR2004  it is there already
                raise

    def _post(self, path: str, content: bytes, kind: str) -> None:
        request = Request(self.endpoint + path, data=content, headers={"Content-Type": kind}, method="POST")  # noqa: S310
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            answer.read()


class OutputObject:
    """The output of a driver, which Dataproc keeps in numbered objects: ``.000000000`` and so on.

    The last object grows while the driver runs; a new one begins after a megabyte.

    Args:
        storage: Where they are.
        uri: What stands before the number, such as ``gs://bucket/folder/driveroutput``.
    """

    def __init__(self, storage: StorageServer, uri: str) -> None:
        self._storage = storage
        parts = urlsplit(uri)
        self._bucket, self._prefix = parts.netloc, parts.path.lstrip("/")
        self._number = 0
        self._content = b""
        self._flushed = time.monotonic()

    def write(self, line: str) -> None:
        """Adds a line; it is seen half a second later at most, or after `flush`."""
        self._content += line.encode() + b"\n"
        if time.monotonic() - self._flushed > _FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Writes what there is."""
        self._storage.upload(self._bucket, f"{self._prefix}.{self._number:09d}", self._content)
        self._flushed = time.monotonic()
        if len(self._content) > _LARGEST:
            self._number += 1
            self._content = b""
