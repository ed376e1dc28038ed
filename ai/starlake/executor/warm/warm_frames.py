"""The wire protocol between the executor and `StarlakeWarmServer`; this docstring is its specification.

**A frame** is one byte, the kind; four bytes, the length of the payload, big-endian; and the payload. Except for
`STDOUT` and `STDERR`, whose payload is bytes of the stream as they are, the payload is a list of parts: each is four
bytes, its length, big-endian, and that many bytes. A mapping is a list of names and values in turn. Strings are UTF-8.
Arguments and variables are bytes as the system has them (`os.fsencode`), so that odd ones survive.

**Start.** The one who starts the server writes one `START` frame to its standard input and keeps that pipe open: the
server halts when it ends. `START` names a file; the server writes it once it listens, or refuses to: one `HELLO` frame,
mode 0600, to a new file beside it which is then renamed, so that the file is either missing or whole. A server whose
checks failed writes it too, with port 0, and ends with exit code `CHECKS_FAILED`. Standard output and error of the
server carry what the virtual machine itself says, and the lines of `dropped lines` below; never frames.

**A connection** is made to 127.0.0.1. The client sends `OPEN` with the token; the server answers `HELLO`, or closes the
connection if the token is wrong or does not come within some seconds. Then come any number of commands, one at a time:

    client                    server
    REQUEST  ---------------->          arguments, environment, working folder
             <---------------- READY    SL_ROOT and digest of the environment as Starlake reads it now
             or <------------- REFUSED  why not; nothing ran, and the connection stays usable
    GO       ---------------->          the command begins now, not before
             <---------------- STDOUT, STDERR, HEARTBEAT (each second), in any number and order
             <---------------- END      exit code; SL_ROOT and digest once more, read after the command

A command that got no `GO` never runs: a client that does not receive `READY` may run it elsewhere. After `GO` it may
not, whatever happens. If the connection ends after `GO` and before `END`, the server halts (`CLIENT_GONE`). There is no
way to stop a command but to kill the server. One command at a time: while one is running, the requests of other
connections are refused.

**Exit codes.** Starlake's `run` returns a truth value: the code is 0 or 1. If it throws, the code is 1 and the stack
trace is on `STDERR`. If it returns a number, that is the code. If a thread of the command ends the virtual machine
(`System.exit`), the server sends `EXITING` instead of `END`, once all output is sent: the exit code is then the exit
status of the server's process, which only its parent learns. A thread of the command is its own one, or one that a
thread of it started: an exit that another thread asks for sends a line on `STDERR` only. `Runtime.halt`, which Starlake
calls where `forceHalt` is set, and a crash send nothing. So an end without `END` or `EXITING` is never a success,
whatever the exit status is. A security manager could tell the code, but Java 24 has none, and it would change how pools
of threads load classes.

**Output.** Bytes of one stream arrive in their order, cut anywhere; `LineSplitter` makes lines of them. What is printed
is sent before the call that prints it returns, so that the last lines before a crash arrive, and everything that the
command's threads printed before its end is sent before `END`, a last line without line break too. Dropped lines: a
thread of Starlake's own code that an earlier command started, and that lives on, must not print into a later command's
output; its lines go to the standard error of the server. Workers of thread pools and threads of libraries, such as
Spark's, serve all commands: what they print belongs to the running command.

**Environment.** `environment_digest` is SHA-256 over the sorted entries. The server computes it from what
`System.getenv` returns, by name and by entries; an entry that reads otherwise than what the request said makes another
digest. After the command, the server has the environment again that it was started with, and overwrites its copy of the
variables. A child process of the command inherits this environment if its `ProcessBuilder.environment()` is touched, as
Hadoop and Spark do; else Java hands on the environment that the server was started with.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

from ai.starlake.common import StarlakeError

PROTOCOL = 1
"""Changes with every incompatible change of the protocol."""
LARGEST_PAYLOAD = 64 * 1024 * 1024
"""A longer payload is invalid."""
CHECKS_FAILED = 72
CLIENT_GONE = 73
OWNER_GONE = 74
SPOILT = 75
UNUSED = 76
"""Exit codes of a server that ends by itself; `UNUSED` after its idle timeout, or without the file with its port."""
_NEVER_PASSED = frozenset({"SL_FORCE_HALT"})
_HEADER = struct.Struct(">BI")
_LENGTH = 4


class FrameKind(IntEnum):
    """First byte of a frame."""

    START = 1
    OPEN = 2
    HELLO = 3
    REQUEST = 4
    READY = 5
    REFUSED = 6
    GO = 7
    STDOUT = 8
    STDERR = 9
    HEARTBEAT = 10
    END = 11
    EXITING = 12


_KINDS = {int(kind): kind for kind in FrameKind}
_OUTPUT = frozenset({FrameKind.STDOUT, FrameKind.STDERR})
_kind = itemgetter(0)


class FrameError(StarlakeError):
    """The received bytes do not follow the protocol.

    Args:
        cause: The problem.
    """

    def __init__(self, cause: str) -> None:
        super().__init__("the warm server sent something that cannot be understood", cause=cause)

    def __reduce__(self) -> tuple[object, ...]:
        return FrameError, (self.cause,)


@dataclass(frozen=True)
class Frame:
    """One frame.

    Args:
        kind: Its kind.
        payload: Its payload.
    """

    kind: FrameKind
    payload: bytes = b""

    @classmethod
    def of(cls, kind: FrameKind, *parts: bytes) -> Frame:
        """Return a frame whose payload is a list of parts."""
        return cls(kind, b"".join(len(part).to_bytes(_LENGTH, "big") + part for part in parts))

    @property
    def encoded(self) -> bytes:
        """The bytes to send."""
        return bytes([self.kind]) + len(self.payload).to_bytes(_LENGTH, "big") + self.payload

    @property
    def parts(self) -> list[bytes]:
        """The payload as a list of parts.

        Raises:
            FrameError: If it is not a list of parts.
        """
        parts, at, payload = [], 0, self.payload
        while at < len(payload):
            begin = at + _LENGTH
            at = begin + int.from_bytes(payload[at:begin], "big")
            if begin > len(payload) or at > len(payload):
                raise FrameError(f"a part of a {self.kind.name} frame is longer than the frame")
            parts.append(payload[begin:at])
        return parts

    def require(self, *kinds: FrameKind) -> None:
        """Check that this is a frame of one of some kinds.

        Raises:
            FrameError: If it is not.
        """
        if self.kind not in kinds:
            raise FrameError(f"{self.kind.name} where {' or '.join(kind.name for kind in kinds)} was expected")


class FrameSplitter:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._mistake = ""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Add the next bytes, and yield the frames that are complete; all of them have to be consumed.

        Successive frames of one output become one frame: a server sends one for each line, and lines are cheaper
        together.

        Raises:
            FrameError: If the bytes after these frames do not follow the protocol.
        """
        self._rest += data
        for kind, frames in groupby(self._split(), _kind):
            payloads = [payload for _, payload in frames]
            yield from [Frame(kind, b"".join(payloads))] if kind in _OUTPUT else [Frame(kind, one) for one in payloads]
        if self._mistake:
            raise FrameError(self._mistake)

    def _split(self) -> Iterator[tuple[FrameKind, bytes]]:
        rest, at = self._rest, 0
        while len(rest) - at >= _HEADER.size:
            number, length = _HEADER.unpack_from(rest, at)
            begin, end = at + _HEADER.size, at + _HEADER.size + length
            if length > LARGEST_PAYLOAD:
                self._mistake = f"a frame of {length} bytes"
                break
            if end > len(rest):
                break
            if number not in _KINDS:
                self._mistake = f"a frame of the unknown kind {number}"
                break
            yield _KINDS[number], bytes(rest[begin:end])
            at = end
        del rest[:at]

    @property
    def is_between_frames(self) -> bool:
        """True if nothing of a next frame has arrived."""
        return not self._rest


def _mapping(frame: Frame) -> dict[bytes, bytes]:
    parts = frame.parts
    if len(parts) % 2:
        raise FrameError(f"a {frame.kind.name} frame has a name without a value")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _number(values: Mapping[str, str], name: str) -> int:
    try:
        return int(values[name])
    except (KeyError, ValueError):
        raise FrameError(f"HELLO says no number for {name}: {values.get(name)!r}") from None


@dataclass(frozen=True)
class WarmStart:
    """Secrets for a new server; the only frame on its standard input.

    Args:
        token: The secret that clients have to send; never an argument, a variable or a log line.
        hello_file: Path for `HELLO`, in a folder of mode 0700.
        idle_timeout: Seconds without a command after which the server ends.
        properties: System properties to set before anything of Starlake is loaded; some may be secret.
    """

    token: str
    hello_file: str
    idle_timeout: float
    properties: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"WarmStart(hello_file={self.hello_file!r}, idle_timeout={self.idle_timeout!r})"

    def encoded(self) -> bytes:
        """Return the frame to send."""
        milliseconds = str(max(1, round(self.idle_timeout * 1000)))
        head = (self.token.encode(), os.fsencode(self.hello_file), milliseconds.encode())
        properties = [os.fsencode(text) for item in self.properties.items() for text in item]
        return Frame.of(FrameKind.START, *head, *properties).encoded


@dataclass(frozen=True)
class WarmHello:
    """Facts about a server.

    Args:
        port: Its port; 0 if its checks failed.
        pid: Its process.
        protocol: The version of the protocol that it speaks.
        java: The version of Java.
        starlake: The version of Starlake that it found; empty if unknown.
        checks: The result of each check by its name: ``ok``, or the problem.
    """

    KIND: ClassVar[FrameKind] = FrameKind.HELLO

    port: int
    pid: int
    protocol: int
    java: str
    starlake: str
    checks: Mapping[str, str]

    @classmethod
    def of(cls, frame: Frame) -> WarmHello:
        """Read a frame.

        Raises:
            FrameError: If it is another one, or incomplete.
        """
        frame.require(cls.KIND)
        values = {
            name.decode(errors="replace"): value.decode(errors="replace") for name, value in _mapping(frame).items()
        }
        checks = {name.removeprefix("check:"): value for name, value in values.items() if name.startswith("check:")}
        return cls(
            port=_number(values, "port"),
            pid=_number(values, "pid"),
            protocol=_number(values, "protocol"),
            java=values.get("java", ""),
            starlake=values.get("starlake", ""),
            checks=checks,
        )

    @classmethod
    def of_bytes(cls, data: bytes) -> WarmHello:
        """Read the file that a server wrote.

        Raises:
            FrameError: If it is not one whole frame.
        """
        frames = list(FrameSplitter().feed(data))
        if len(frames) != 1:
            raise FrameError("its file does not hold one frame")
        return cls.of(frames[0])

    @property
    def failed_checks(self) -> dict[str, str]:
        """Features of the server's Starlake that do not work, by the name of the check."""
        return {name: result for name, result in self.checks.items() if result != "ok"}


def open_frame(token: str) -> bytes:
    """Return the first frame of a connection."""
    return Frame.of(FrameKind.OPEN, token.encode()).encoded


GO = Frame(FrameKind.GO).encoded
"""The frame after which a command runs."""


@dataclass(frozen=True, repr=False)
class WarmRequest:
    """One command.

    Args:
        arguments: The arguments, verb first.
        environment: All of the environment.
        folder: The working folder; it has to be that of the server, which cannot change it.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str

    def __post_init__(self) -> None:
        """Leave out variables that would make Starlake end the virtual machine with the command."""
        kept = {name: value for name, value in self.environment.items() if name not in _NEVER_PASSED}
        object.__setattr__(self, "environment", kept)
        if list(self.arguments[:1]) == ["bootstrap"] and "--no-exit" not in self.arguments:
            object.__setattr__(self, "arguments", ["bootstrap", "--no-exit", *self.arguments[1:]])

    def encoded(self) -> bytes:
        """Return the frame to send: the folder, the number of arguments, the arguments, names and values in turn."""
        arguments = [os.fsencode(argument) for argument in self.arguments]
        variables = [os.fsencode(text) for variable in self.environment.items() for text in variable]
        head = (os.fsencode(self.folder), str(len(arguments)).encode())
        return Frame.of(FrameKind.REQUEST, *head, *arguments, *variables).encoded


@dataclass(frozen=True)
class WarmReady:
    """The answer to a request that may begin.

    Args:
        root: SL_ROOT as Starlake reads it; empty if it is not set.
        digest: `environment_digest` of the environment as Starlake reads it.
    """

    root: str
    digest: str

    @classmethod
    def of(cls, frame: Frame) -> WarmReady:
        """Read a frame.

        Raises:
            FrameError: If it is another one, or incomplete.
        """
        frame.require(FrameKind.READY)
        match frame.parts:
            case [root, digest]:
                return cls(os.fsdecode(root), digest.decode(errors="replace"))
        raise FrameError("a READY frame does not have two parts")


@dataclass(frozen=True)
class WarmRefusal:
    """The answer to a request that does not run.

    Args:
        reason: The reason.
    """

    reason: str

    @classmethod
    def of(cls, frame: Frame) -> WarmRefusal:
        """Read a frame.

        Raises:
            FrameError: If it is another one.
        """
        frame.require(FrameKind.REFUSED)
        return cls(" ".join(part.decode(errors="replace") for part in frame.parts))


@dataclass(frozen=True)
class WarmEnd:
    """End of a command.

    Args:
        exit_code: Its exit code.
        root: SL_ROOT after it.
        digest: `environment_digest` after it.
    """

    exit_code: int
    root: str
    digest: str

    @classmethod
    def of(cls, frame: Frame) -> WarmEnd:
        """Read a frame.

        Raises:
            FrameError: If it is another one, or incomplete.
        """
        frame.require(FrameKind.END)
        match frame.parts:
            case [code, root, digest] if code.removeprefix(b"-").isdigit():
                return cls(int(code), os.fsdecode(root), digest.decode(errors="replace"))
        raise FrameError("an END frame does not have an exit code and two parts")


def environment_digest(environment: Mapping[str, str]) -> str:
    """Return the digest of an environment, as computed by the server."""
    entries = sorted(os.fsencode(name) + b"=" + os.fsencode(value) + b"\0" for name, value in environment.items())
    return hashlib.sha256(b"".join(entries)).hexdigest()
