"""A warm server and connections to it, without the executor: the protocol itself."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai.starlake.executor.warm.launch import SERVER_CLASSES
from ai.starlake.executor.warm.warm_frames import (
    GO,
    Frame,
    FrameKind,
    FrameSplitter,
    WarmEnd,
    WarmHello,
    WarmReady,
    WarmRequest,
    WarmStart,
    environment_digest,
    open_frame,
)
from tests.executor.warm.fake_starlake import FakeStarlake

PATIENCE = 120.0
"""Seconds after which a test gives up; a loaded machine takes some of them."""
TOKEN = "a-token-of-tests"
_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "--add-opens=java.base/java.lang=ALL-UNNAMED")


@dataclass
class Done:
    """Result of a command."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    heartbeats: int

    @property
    def lines(self) -> list[str]:
        return self.stdout.decode(errors="backslashreplace").splitlines()


class WarmJvm:
    """A server of its own process; ended with the `with` block."""

    def __init__(
        self,
        fake: FakeStarlake,
        folder: Path,
        *,
        classes: Sequence[str | Path] = (),
        starlake: str | Path | None = None,
        idle_timeout: float = 600,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.fake = fake
        self.folder = folder
        self.hello_file = folder / "hello"
        self.log = folder / "log"
        path = os.pathsep.join(map(str, [SERVER_CLASSES, *classes, starlake or f"{fake.home}/bin/sl/*"]))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["java", *_OPTIONS, "-cp", path, "StarlakeWarmServer"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=fake.environment(folder, OF_THE_START="1"),
            )
        start = WarmStart(TOKEN, str(self.hello_file), idle_timeout, properties or {})
        self.process.stdin.write(start.encoded())
        self.process.stdin.flush()

    def __enter__(self) -> WarmJvm:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def hello(self) -> WarmHello:
        deadline = time.monotonic() + PATIENCE
        while not self.hello_file.exists():
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            time.sleep(0.01)
        return WarmHello.of_bytes(self.hello_file.read_bytes())

    def hello_of_the_dead(self) -> WarmHello:
        return WarmHello.of_bytes(self.hello_file.read_bytes())

    def connect(self, token: str = TOKEN) -> WarmConnection:
        connection = WarmConnection(socket.create_connection(("127.0.0.1", self.hello().port), PATIENCE), self)
        connection.send(open_frame(token))
        return connection

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)


@dataclass
class WarmConnection:
    """A connection to a server."""

    socket: socket.socket
    jvm: WarmJvm
    splitter: FrameSplitter = field(default_factory=FrameSplitter)
    arrived: list[Frame] = field(default_factory=list)

    def __enter__(self) -> WarmConnection:
        assert self.next().kind == FrameKind.HELLO
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def next(self) -> Frame:
        """Return the next frame.

        Raises:
            EOFError: If the server ended the connection.
        """
        while not self.arrived:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise EOFError
            self.arrived.extend(self.splitter.feed(data))
        return self.arrived.pop(0)

    def request(self, *arguments: str, folder: Path | None = None, **variables: str) -> Frame:
        """Hand over a command, and return the answer."""
        environment = self.jvm.fake.environment(self.jvm.folder, **variables)
        self.wanted = WarmRequest(arguments, environment, str(folder or self.jvm.folder))
        self.send(self.wanted.encoded())
        return self.next()

    def frames(self) -> Iterator[Frame]:
        """Let the command begin, and yield what is sent until its end."""
        self.send(GO)
        while True:
            frame = self.next()
            yield frame
            if frame.kind in (FrameKind.END, FrameKind.EXITING):
                return

    def run(self, *arguments: str, **variables: str) -> Done:
        """Run a command to its end."""
        ready = WarmReady.of(self.request(*arguments, **variables))
        expected = self.wanted.environment["SL_ROOT"], environment_digest(self.wanted.environment)
        assert (ready.root, ready.digest) == expected
        *frames, last = self.frames()
        sent = {kind: b"".join(each.payload for each in frames if each.kind == kind) for kind in FrameKind}
        heartbeats = sum(frame.kind == FrameKind.HEARTBEAT for frame in frames)
        code = None
        if last.kind == FrameKind.END:
            end = WarmEnd.of(last)
            assert (end.root, end.digest) == expected
            code = end.exit_code
        return Done(code, sent[FrameKind.STDOUT], sent[FrameKind.STDERR], heartbeats)

    def fake(self, what: str, *arguments: str, **variables: str) -> Done:
        """Let the fake misbehave; see its `Main.java`."""
        return self.run("transform", "--name", f"fake.{what}", *arguments, **variables)
