"""A server of HTTP on the loopback interface."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlake_gcp_emulator.errors import port_taken

_GLANCE = 1.0
"""Seconds after which the server checks for its end, if the connection that tells it is refused."""


class LoopbackServer:
    """Answers requests in threads, from the start until `stop`.

    Args:
        port: Port to listen on; 0 for any free port.
        handler: Class that answers a request.
        name: Name of its thread.

    Raises:
        StarlakeError: If the port is taken.
    """

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], name: str) -> None:
        try:
            self._server = _Server(("127.0.0.1", port), handler)
        except OSError as error:
            raise port_taken(port, error) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.ends = True
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=_GLANCE).close()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Waits for connections, without looking up in between as `serve_forever` does."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    timeout = _GLANCE
    ends = False

    def serve(self) -> None:
        while not self.ends:
            self.handle_request()

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002  the signature is given
        return not self.ends
