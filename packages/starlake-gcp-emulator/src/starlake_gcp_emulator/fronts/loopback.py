"""A server of HTTP on the loopback interface."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlake_gcp_emulator.errors import port_taken

_POLL = 0.02
"""Seconds that `stop` may wait for the server to look."""


class LoopbackServer:
    """Answers requests in threads, from the start until `stop`.

    Args:
        port: Where it listens; 0 for any free port.
        handler: What answers a request.
        name: What its thread is called.

    Raises:
        StarlakeError: If the port is taken.
    """

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], name: str) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), handler)
        except OSError as error:
            raise port_taken(port, error) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
