"""Cloud Storage, by the package `gcp-storage-emulator`."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from starlake_gcp_emulator.cloud_storage.preconditions import unmet
from starlake_gcp_emulator.fronts.loopback import LoopbackServer

_log = logging.getLogger(__name__)
_FLUSH_EVERY = 0.5
_LARGEST = 1024 * 1024
_TIMEOUT = 30
_opener = build_opener(ProxyHandler({}))  # it is on this machine, whatever http_proxy says


class StorageServer:
    """The storage emulator on the loopback interface.

    Args:
        port: Port to listen on; 0 for any free port.

    Raises:
        StarlakeError: If the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = LoopbackServer(port, _handler(), "gcp-emulator-storage")
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        self._lock = threading.Lock()
        self._buckets: set[str] = set()

    def create_bucket(self, name: str) -> None:
        """Make a bucket unless it is there."""
        with self._lock:
            if name not in self._buckets:
                self._buckets.add(name)
                self._create(name)

    def output(self, uri: str) -> OutputObject:
        """Return the location of the output of a driver."""
        return OutputObject(self, uri)

    def upload(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object."""
        self.create_bucket(bucket)
        path = f"/upload/storage/v1/b/{quote(bucket)}/o?uploadType=media&name={quote(name, safe='')}"
        self._post(path, content, "text/plain")

    def stop(self) -> None:
        """End the server; what it holds is gone."""
        self._server.stop()

    def _create(self, name: str) -> None:
        try:
            self._post("/storage/v1/b?project=emulator", f'{{"name": "{name}"}}'.encode(), "application/json")
        except HTTPError as error:
            if error.code != 409:  # noqa: PLR2004  it is there already
                raise

    def _post(self, path: str, content: bytes, kind: str) -> None:
        request = Request(self.endpoint + path, data=content, headers={"Content-Type": kind}, method="POST")  # noqa: S310
        with _opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read()


class OutputObject:
    """The output of a driver, which Dataproc keeps in numbered objects: ``.000000000`` and so on.

    The last object grows while the driver runs; a new one begins after a megabyte.

    Args:
        storage: Storage that has them.
        uri: Prefix of the number, such as ``gs://bucket/folder/driveroutput``.
    """

    def __init__(self, storage: StorageServer, uri: str) -> None:
        self._storage = storage
        parts = urlsplit(uri)
        self._bucket, self._prefix = parts.netloc, parts.path.lstrip("/")
        self._number = 0
        self._content = b""
        self._flushed = time.monotonic()

    def write(self, line: str) -> None:
        """Add a line; it is seen half a second later at most, or after `flush`."""
        self._content += line.encode() + b"\n"
        if time.monotonic() - self._flushed > _FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what there is; no object when there is nothing, which the storage emulator could not take."""
        if self._content:
            self._upload()
        self._flushed = time.monotonic()
        if len(self._content) > _LARGEST:
            self._number += 1
            self._content = b""

    def _upload(self) -> None:
        name = f"{self._prefix}.{self._number:09d}"
        try:
            self._storage.upload(self._bucket, name, self._content)
        except OSError as error:  # a job does not fail for its output
            _log.warning("gs://%s/%s cannot be written: %s", self._bucket, name, error)


def _handler() -> type[BaseHTTPRequestHandler]:
    """Return what answers requests, on a storage of its own in memory."""
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    storage = Storage(use_memory_fs=True)
    one_at_a_time = threading.Lock()  # the storage is not made for several threads

    class Handler(RequestHandler):  # type: ignore[misc]  # it has no types
        """Answers requests one after the other; a connection that says nothing holds up no other one."""

        rfile: Any

        def __init__(self, *arguments: Any) -> None:
            super().__init__(storage, *arguments)

        def _serve(self) -> None:
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length)) if length else b""
            if length:
                self.rfile = BytesIO(body)
            with one_at_a_time:
                condition = unmet(self.path, body, storage)
                if condition is None:
                    getattr(super(), f"do_{self.command}")()
                else:
                    self._refuse(condition)

        def _refuse(self, condition: str) -> None:
            error = {"code": 412, "message": f"At least one of the pre-conditions did not hold: {condition}"}
            content = json.dumps({"error": error}).encode()
            self.send_response(412)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  the names that http.server looks for

    return Handler
