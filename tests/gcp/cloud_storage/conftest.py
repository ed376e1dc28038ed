from __future__ import annotations

import http.client
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ai.starlake.common.storage import Files
from ai.starlake.gcp.client.clients import storage_client
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from ai.starlake.gcp.cloud_storage import CloudStorage
from starlake_gcp_emulator.cloud_storage.storage import StorageServer


class Proxy(ThreadingHTTPServer):
    """Stands before the storage emulator, and answers some requests with an error instead."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.faults: list[list] = []
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, method: str, part: str, status: int, *, when: str = "before", count: int = 1, then=lambda: None):
        """Orders a fault; ``then`` is called when it strikes."""
        self.faults.append([method, part, status, when, count, then])

    def striking(self, method: str, path: str):
        for fault in self.faults:
            if fault[4] and fault[0] == method and fault[1] in path:
                fault[4] -= 1
                return fault
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(self.command)
        fault = self.server.striking(self.command, self.path)
        if fault is None or fault[3] == "after":
            status, kind, content = self.passed_on(body)
        if fault is not None:
            fault[5]()
            status, kind, content = fault[2], "application/json", b'{"error": {"message": "injected fault"}}'
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def passed_on(self, body: bytes):
        connection = http.client.HTTPConnection(self.server.target)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.headers.get("Content-Type", "application/json"), content

    def log_message(self, *arguments) -> None:
        pass

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = answer  # noqa: N815  the names that http.server looks for


@pytest.fixture(scope="module")
def server():
    storage = StorageServer()
    yield storage
    storage.stop()


@pytest.fixture(scope="module")
def standing_proxy(server):
    proxy = Proxy(server.endpoint)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
    thread.start()
    yield proxy
    proxy.shutdown()
    proxy.server_close()
    thread.join()


@pytest.fixture
def proxy(standing_proxy):
    yield standing_proxy
    standing_proxy.faults.clear()


@pytest.fixture
def bucket(server):
    """Return a bucket, which the test itself reaches directly."""
    client = storage_client(GcpEndpoints(storage=server.endpoint))
    return client.create_bucket(f"bucket-{uuid.uuid4().hex}")


@pytest.fixture
def files(proxy):
    """Files that are reached through the proxy."""
    return Files({"gs": CloudStorage(proxy.endpoint)})
