"""Discovery of the servers of a scope: files of mode 0600 in a private folder of mode 0700."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import FileLock
from ai.starlake.executor.process.groups import kill_marked
from ai.starlake.executor.process.interrupts import cleaning_up
from ai.starlake.executor.process.lifetimes import began_at, this_host
from ai.starlake.executor.process.watchdog import MARK
from ai.starlake.executor.warm.warm_frames import CHECKS_FAILED, CLIENT_GONE, OWNER_GONE, SPOILT, UNUSED

_NAME = "starlake-warm"
_OTHERS = 0o077
_DIGITS = 24
_OWNER = "owner.json"
_LARGEST = 1024 * 1024
_ABANDONED = 3600.0
"""Seconds after which an empty folder belongs to nobody."""
_ENDINGS = {
    0: "a thread of an earlier command ended it with exit code 0",
    CHECKS_FAILED: "its checks failed",
    CLIENT_GONE: "the process that used it ended",
    OWNER_GONE: "its guard ended",
    SPOILT: "its last command left it unusable",
    UNUSED: "it got no command for a while, or its files are gone",
}


class UntrustedFileError(StarlakeError):
    """A file or folder that other users may have written, or may read."""


@dataclass(frozen=True)
class Lifetime:
    """A process: its id and its start time, because ids are reused.

    Args:
        pid: Its id.
        began: Its start time; see `began_at`.
    """

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Lifetime:
        """Return a running process."""
        return cls(pid, began_at(pid))

    @property
    def runs(self) -> bool:
        """True as long as it is running."""
        return bool(self.pid and self.began) and began_at(self.pid) == self.began

    @property
    def may_lead_a_group(self) -> bool:
        """True unless the id was reused; it is not reused as long as a process of its group is running."""
        return bool(self.pid) and began_at(self.pid) in ("", self.began)

    def poll(self) -> int | None:
        """Return None as long as it is running, like `subprocess.Popen`."""
        return None if self.runs else 0


def private_folder(*, create: bool = True) -> Path:
    """Return the folder of all servers of this user.

    It is in ``XDG_RUNTIME_DIR``, or in the folder for temporary files.

    Args:
        create: True to create it if it is missing.

    Raises:
        UntrustedFileError: If it belongs to another user, or others may use it.
        OSError: If it does not exist, or cannot be created.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK):
        folder = Path(runtime) / _NAME
    else:
        folder = Path(tempfile.gettempdir()) / f"{_NAME}-{os.geteuid()}"
    if create:
        with suppress(FileExistsError):
            folder.mkdir(0o700)
    _require_private(folder, folder.lstat(), stat.S_ISDIR)
    return folder


def _require_private(path: Path, found: os.stat_result, has_kind: Any) -> None:
    if not has_kind(found.st_mode):
        raise _untrusted(path, "it is a link, or of another kind than expected", "remove it")
    if found.st_uid != os.geteuid():
        raise _untrusted(
            path, f"it belongs to user {found.st_uid}", "remove it, or set XDG_RUNTIME_DIR to your own folder"
        )
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise _untrusted(path, f"its mode is {mode:04o}: others may use it", "remove it, once you know who changed it")


def _untrusted(path: Path, cause: str, fix: str) -> UntrustedFileError:
    return UntrustedFileError(f"{path} cannot be trusted", cause=cause, fix=fix)


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _untrusted(path, f"it cannot be opened: {error.strerror}", "remove it") from error
    with os.fdopen(descriptor, "rb") as file:
        _require_private(path, os.fstat(descriptor), stat.S_ISREG)
        return file.read(_LARGEST)


def _read_object(path: Path) -> dict[str, Any] | None:
    data = _read(path)
    if data is None:
        return None
    try:
        content = json.loads(data)
    except ValueError as error:
        raise _untrusted(path, f"it is not JSON: {error}", "remove it") from error
    if not isinstance(content, dict):
        raise _untrusted(path, "it is not a JSON object", "remove it")
    return content


def _write_object(path: Path, content: Mapping[str, object]) -> None:
    """Write a private file atomically.

    Raises:
        OSError: If it cannot be written, such as on a full disk; the error names the file.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _lifetime(value: Any) -> Lifetime:
    pid, began = value
    return Lifetime(int(pid), str(began))


@dataclass(frozen=True)
class ServerFile:
    """Data that clients need to use a server. Its guard writes it.

    Args:
        mark: Name of the server, and mark of its processes: the value of the watchdog's variable in their environment.
        token: The secret that clients have to send.
        guard: The guard.
        process: The process of its JVM; with id 0 before it has started.
        hello: The file that the server writes when it listens, with its port and its versions.
        end: The file that the guard writes when the server has ended, with its exit code.
    """

    mark: str
    token: str = field(repr=False)
    guard: Lifetime
    process: Lifetime
    hello: Path
    end: Path

    @classmethod
    def new(cls, folder: Path) -> ServerFile:
        """Return a server that is about to be started."""
        mark = f"warm-{secrets.token_hex(8)}"
        nobody = Lifetime(0, "")
        return cls(mark, secrets.token_hex(32), nobody, nobody, folder / f"{mark}.hello", folder / f"{mark}.end")

    @classmethod
    def read(cls, path: Path) -> ServerFile | None:
        """Read the file of a server; None if the file does not exist.

        Raises:
            UntrustedFileError: If another user may have written it, or may read it, or it is incomplete.
        """
        content = _read_object(path)
        if content is None:
            return None
        try:
            guard, process = _lifetime(content["guard"]), _lifetime(content["process"])
            hello, end = Path(content["hello"]), Path(content["end"])
            return cls(str(content["mark"]), str(content["token"]), guard, process, hello, end)
        except (KeyError, TypeError, ValueError) as error:
            raise _untrusted(path, f"it is not the file of a server: {error!r}", "remove it") from error

    @property
    def shared(self) -> dict[str, str]:
        """Data that the guard writes, in addition to processes."""
        return {"mark": self.mark, "token": self.token, "hello": str(self.hello), "end": str(self.end)}

    @property
    def may_serve(self) -> bool:
        """True if the server runs, or is about to, and its guard as well."""
        return self.guard.runs and (self.process.runs or not self.process.pid)

    def read_hello(self) -> bytes | None:
        """Read the file that the server writes when it listens; None as long as it does not exist.

        Raises:
            UntrustedFileError: If another user may have written it, or may read it.
        """
        return _read(self.hello)

    def read_end(self) -> ServerEnd | None:
        """Read how the server ended; None as long as that is unknown.

        Raises:
            UntrustedFileError: If another user may have written it, or may read it.
        """
        content = _read_object(self.end)
        if content is None:
            return None
        code = content.get("exit_code")
        return ServerEnd(
            None if code is None else int(code),
            str(content.get("reason", "")),
            str(content.get("said", "")),
            listened=content.get("listened") is True,
        )


@dataclass(frozen=True)
class ServerEnd:
    """End of a server.

    Args:
        exit_code: The exit code of its JVM, negative for a signal; None if the guard ended it, or it did not start.
        reason: The reason why the guard ended it; empty if it ended by itself.
        said: The last output of the JVM itself; may contain secrets.
        listened: True if it listened once.
    """

    exit_code: int | None
    reason: str = ""
    said: str = field(default="", repr=False)
    listened: bool = False

    def __str__(self) -> str:
        if self.exit_code is None:
            return self.reason
        if self.exit_code in _ENDINGS:
            return _ENDINGS[self.exit_code]
        return (
            f"it was ended by signal {-self.exit_code}" if self.exit_code < 0 else f"its exit code is {self.exit_code}"
        )


@dataclass(frozen=True)
class CommandFile:
    """A command that a server runs, for the check whether a load is running.

    Args:
        job_id: The value of SL_JOB_ID.
        root: The root of its project.
        verb: The first of its arguments.
        process: The process of the server.
    """

    job_id: str
    root: str
    verb: str
    process: Lifetime


@dataclass(frozen=True)
class ServerSlot:
    """One of a pool's slots for servers; the holder of its lock may start the server, and use it.

    Args:
        folder: The folder of the scope.
        name: Its unique name in the scope.
    """

    folder: Path
    name: str

    @property
    def server_file(self) -> Path:
        """The file of its server."""
        return self.folder / f"{self.name}.json"

    @property
    def holder(self) -> Path:
        """The note of the lock's holder."""
        return self.folder / f"{self.name}.holder"

    def lock(self) -> FileLock:
        """Return the lock, which the system releases when its holder ends."""
        return FileLock(
            self.folder / f"{self.name}.lock", fix="set XDG_RUNTIME_DIR to a folder on a disk of this machine"
        )

    def read(self) -> ServerFile | None:
        """Read the file of its server; see `ServerFile.read`."""
        return ServerFile.read(self.server_file)

    def forget(self, server: ServerFile) -> None:
        """Remove the files of a server that has ended."""
        with suppress(UntrustedFileError):
            current = self.read()
            if current is not None and current.mark == server.mark:
                self.server_file.unlink(missing_ok=True)
        for path in (server.hello, server.end, self._command):
            path.unlink(missing_ok=True)

    @property
    def _command(self) -> Path:
        return self.folder / f"{self.name}.command"

    def write_command(self, command: CommandFile) -> None:
        """Record the command that the server is about to run."""
        process = [command.process.pid, command.process.began]
        _write_object(self._command, {**vars(command), "process": process})

    def remove_command(self) -> None:
        """Remove the record of a command that has ended."""
        self._command.unlink(missing_ok=True)

    def read_status(self) -> dict[str, Any]:
        """Return the notes of earlier users of the slot."""
        try:
            return _read_object(self.folder / f"{self.name}.status") or {}
        except UntrustedFileError:
            return {}

    def write_status(self, status: Mapping[str, object]) -> None:
        """Write a note for the next user of the slot."""
        _write_object(self.folder / f"{self.name}.status", status)


@dataclass(frozen=True)
class ScopeFolder:
    """The folder of the servers of one scope and one owner.

    Args:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, scope: str, owner: Lifetime) -> ScopeFolder:
        """Return the folder; create it if it is missing, and remove those of owners that have ended.

        Raises:
            UntrustedFileError: If another user may have changed it.
            OSError: If it cannot be created.
        """
        outer = private_folder()
        folder = cls(outer / _digest(this_host(), scope, str(owner.pid), owner.began))
        try:
            folder.path.mkdir(0o700)
        except FileExistsError:
            _require_private(folder.path, folder.path.lstat(), stat.S_ISDIR)
            return folder
        with cleaning_up(folder.remove):  # nobody would remove one without an owner
            _write_object(folder.path / _OWNER, {"host": this_host(), "owner": [owner.pid, owner.began]})
        _sweep(outer, keep=folder.path)
        return folder

    def slot(self, fingerprint: str, number: int) -> ServerSlot:
        """Return a slot for servers that share a fingerprint."""
        return ServerSlot(self.path, f"{_digest(fingerprint)}-{number}")

    def slots(self) -> Iterator[ServerSlot]:
        """Yield the slots that have, or had, a server."""
        for path in sorted(self.path.glob("*-*.json")):
            yield ServerSlot(self.path, path.stem)

    def remove(self) -> None:
        """Remove the folder of a scope that has ended."""
        shutil.rmtree(self.path, ignore_errors=True)

    def is_first(self, reason: str) -> bool:
        """Return True for the first process of the scope that asks for a reason."""
        try:
            os.close(os.open(self.path / f"{_digest(reason)}.told", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True

    def remember(self, fingerprint: str, reason: str, until: float) -> None:
        """Record that servers of a fingerprint do not start, so that not every command has to find out.

        Args:
            fingerprint: The fingerprint.
            reason: The reason, without secrets.
            until: The time, as of `time.time`, from which on it may be tried again.
        """
        _write_object(self._memory(fingerprint), {"reason": reason, "until": until})

    def remembered(self, fingerprint: str, now: float) -> str | None:
        """Return the reason why servers of a fingerprint do not start; None if unknown."""
        try:
            content = _read_object(self._memory(fingerprint))
            return str(content["reason"]) if content is not None and now < float(content["until"]) else None
        except (UntrustedFileError, KeyError, TypeError, ValueError):
            return None

    def _memory(self, fingerprint: str) -> Path:
        return self.path / f"{_digest(fingerprint)}.failed"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def _owner_of(folder: Path) -> Lifetime | None:
    """Return the owner of the scope of a folder; None if it is a process of another machine, or unknown."""
    try:
        content = _read_object(folder / _OWNER)
        return _lifetime(content["owner"]) if content is not None and content["host"] == this_host() else None
    except (UntrustedFileError, KeyError, TypeError, ValueError):
        return None


def _sweep(outer: Path, keep: Path) -> None:
    """Remove the folders of owners that have ended, and end servers that their guards could not end."""
    for folder in outer.iterdir():
        owner = _owner_of(folder)
        if owner is None:
            _remove_abandoned(folder)
        if owner is None or owner.runs or folder == keep:
            continue
        scope = ScopeFolder(folder)
        for slot in scope.slots():
            with suppress(UntrustedFileError):
                server = slot.read()
                if server is not None and server.process.runs:
                    kill_marked(f"{MARK}={server.mark}")
        scope.remove()


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder that was made a while ago by a process that was killed before it wrote anything there."""
    with suppress(OSError):
        if time.time() - folder.lstat().st_mtime > _ABANDONED:
            folder.rmdir()


def running_commands() -> Iterator[CommandFile]:
    """Yield the commands that warm servers of this user run on this machine."""
    try:
        folders = [folder for folder in private_folder(create=False).iterdir() if _owner_of(folder)]
    except (UntrustedFileError, OSError):
        return
    for path in (path for folder in folders for path in folder.glob("*.command")):
        command = _command_of(path)
        if command is not None and command.process.runs:
            yield command


def _command_of(path: Path) -> CommandFile | None:
    try:
        content = _read_object(path)
        return CommandFile(**{**content, "process": _lifetime(content["process"])}) if content is not None else None
    except (UntrustedFileError, KeyError, TypeError, ValueError):
        return None
