"""Run one command over a connection to a warm server."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.lines import LineSplitter
from ai.starlake.executor.process.supervision import OnLine, require_wanted
from ai.starlake.executor.protocol import Stream
from ai.starlake.executor.warm.warm_frames import (
    GO,
    Frame,
    FrameError,
    FrameKind,
    FrameSplitter,
    WarmEnd,
    WarmHello,
    WarmReady,
    WarmRefusal,
    WarmRequest,
    environment_digest,
    open_frame,
)
from ai.starlake.executor.warm.warm_server import WarmDoubtError, require_sound

_CHUNK = 64 * 1024
_GLANCE = 0.5
"""Seconds after which a wait is repeated; see `supervision`."""
SILENCE = 60.0
"""Seconds without a heartbeat after which a server counts as dead; it sends one each second."""
_STREAMS: dict[FrameKind, Stream] = {FrameKind.STDOUT: "stdout", FrameKind.STDERR: "stderr"}


class ConnectionLostError(Exception):
    """The server closed the connection."""


class RequestRefusedError(Exception):
    """The server refuses the command; nothing ran.

    Args:
        reason: The reason.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class SilentServerError(Exception):
    """The server no longer sends heartbeats."""


class WarmClient:
    """A connection to a server.

    Use it as a context manager. A server whose connection ends during a command halts.

    Args:
        port: Port of the server.
        token: The secret that the server requires.
        death_fd: A file descriptor that becomes readable when the command is no longer wanted.
        silence: Seconds without a frame after which the server counts as dead.
    """

    def __init__(self, port: int, token: str, *, death_fd: int | None = None, silence: float = SILENCE) -> None:
        self._port = port
        self._token = token
        self._death_fd = death_fd
        self._silence = silence
        self._frames = FrameSplitter()
        self._arrived: deque[Frame] = deque()

    def __enter__(self) -> WarmClient:
        """Connect.

        Raises:
            OSError: If no process listens there.
        """
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=self._silence)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        if self._death_fd is not None:
            self._selector.register(self._death_fd, selectors.EVENT_READ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._selector.close()
        self._socket.close()

    def greet(self) -> WarmHello:
        """Authenticate, and read the greeting of the server.

        Raises:
            ConnectionLostError: If it closes the connection.
            WarmDoubtError: If it is not usable.
        """
        try:
            self._send(open_frame(self._token))
            hello = WarmHello.of(self._next())
        except SilentServerError:
            raise WarmDoubtError(f"the warm server did not answer within {self._silence:g} s") from None
        except FrameError as error:
            raise WarmDoubtError(f"the warm server cannot be understood: {error.cause}") from error
        require_sound(hello)
        return hello

    def prepare(self, request: WarmRequest) -> None:
        """Send a command, which does not begin yet.

        Raises:
            ConnectionLostError: If the server closes the connection.
            RequestRefusedError: If it refuses the command.
            WarmDoubtError: If the command must not begin.
        """
        try:
            self._send(request.encoded())
            answer = self._next()
            if answer.kind == FrameKind.REFUSED:
                raise RequestRefusedError(WarmRefusal.of(answer).reason)
            ready = WarmReady.of(answer)
        except SilentServerError:
            raise WarmDoubtError(f"the warm server did not answer within {self._silence:g} s") from None
        except FrameError as error:
            raise WarmDoubtError(f"the warm server cannot be understood: {error.cause}") from error
        mismatch = environment_mismatch(request.environment, ready.root, ready.digest)
        if mismatch:
            raise WarmDoubtError(
                f"the warm server would run the command in another environment: {mismatch}", lasting=True
            )

    def go(self, on_line: OnLine) -> WarmEnd | None:
        """Run the prepared command to its end.

        Returns:
            Its end; None if it ended the virtual machine, whose exit code is then that of the command.

        Raises:
            ConnectionLostError: If the server ended.
            SilentServerError: If it no longer sends heartbeats.
            FrameError: If its answer is invalid.
            StarlakeError: If the command is no longer wanted.
        """
        splitters = {stream: LineSplitter() for stream in _STREAMS.values()}
        try:
            end = self._attend(splitters, on_line)
        except ConnectionLostError:
            _finish(splitters, on_line)
            raise
        _finish(splitters, on_line)
        return end

    def _attend(self, splitters: Mapping[Stream, LineSplitter], on_line: OnLine) -> WarmEnd | None:
        self._send(GO)
        while True:
            frame = self._next()
            stream = _STREAMS.get(frame.kind)
            if stream is not None:
                for line in splitters[stream].feed(frame.payload):
                    on_line(stream, line)
            elif frame.kind == FrameKind.EXITING:
                return None
            elif frame.kind != FrameKind.HEARTBEAT:
                return WarmEnd.of(frame)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise SilentServerError from None
        except OSError as error:
            raise ConnectionLostError from error

    def _next(self) -> Frame:
        """Wait for the next frame."""
        silent = 0.0
        while not self._arrived:
            began = time.monotonic()
            events = self._selector.select(_GLANCE)
            # the suspension of a machine, server included, is not a silent server
            silent += min(time.monotonic() - began, 2 * _GLANCE)
            if any(key.fd == self._death_fd for key, _ in events):
                require_wanted(self._death_fd)
            if any(key.fileobj is self._socket for key, _ in events):
                self._receive()
            elif silent > self._silence:
                raise SilentServerError
        return self._arrived.popleft()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except OSError as error:
            raise ConnectionLostError from error
        if not data:
            raise ConnectionLostError
        self._arrived.extend(self._frames.feed(data))


def _finish(splitters: Mapping[Stream, LineSplitter], on_line: OnLine) -> None:
    """Pass on last lines without a line break."""
    for stream, splitter in splitters.items():
        for line in splitter.feed(b"", final=True):
            on_line(stream, line)


def environment_mismatch(environment: Mapping[str, str], root: str, digest: str) -> str | None:
    """Return the difference between a server's environment and the one that was sent; None if they are equal."""
    sent = environment.get("SL_ROOT", "")
    if root != sent:
        return f"its SL_ROOT is {root or 'not set'}, not {sent or 'unset'}"
    if digest != environment_digest(environment):
        return "some of its variables differ"
    return None


def untrusted_result(mismatch: str) -> StarlakeError:
    """Return the error of a command that ended in another environment than it was sent with."""
    return StarlakeError(
        "the result of the command cannot be trusted",
        cause=f"the warm server ran it in another environment: {mismatch}",
        fix="set option warm to false, and report this with the version of Starlake",
    )
