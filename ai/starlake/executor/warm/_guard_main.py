"""The guard of one warm server: a script of its own, started by `warm_server`, standard library only.

It starts the server's virtual machine, and waits for the end of the server or of its owner, whichever comes first. When
the owner ends, however abruptly, it ends the server: SIGTERM, a grace period, SIGKILL, for the whole group and every
process with its mark. It holds the pipe that is the server's standard input, and the server halts when that ends: if
the guard is killed, the server does not outlive it.

Its own standard input is one `GuardTask` as JSON. It detaches from the process that started it at once, so that no
process has to wait for it, and records the server's process, and later its end, in files of mode 0600.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

# the watchdog and its neighbour, without the packages that they belong to: those take half a second to import
sys.path.insert(0, os.path.abspath(f"{__file__}/../../process"))  # noqa: PTH100
_lifetimes: Any = importlib.import_module("lifetimes")
_watchdog: Any = importlib.import_module("_watchdog_main")

_KEPT = 16 * 1024
"""Maximum bytes of the last output of the virtual machine, such as the reason for a crash."""
_GLANCE, _START_GLANCE = 1.0, 0.05
"""Seconds between two checks without an event; the end of processes has none if the system lacks pidfd."""
_SEARCH_GRACE = 1.0
_LINGERS = 60.0
"""Seconds after the end of the server in which the guard waits for that of the owner."""


class _Guard:
    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task
        self._owner: tuple[int, str] = (task["owner"][0], task["owner"][1])
        self._deadline = time.monotonic() + task["start_timeout"]
        self._started = False
        self._said = b""
        self._selector = selectors.DefaultSelector()
        self._told_by_events = {"owner": False, "server": False}

    def start(self) -> subprocess.Popen[bytes] | None:
        """Start the server; return None if it does not start."""
        task = self._task
        if not self._write_server(0):
            return None
        try:
            process = subprocess.Popen(
                task["argv"],
                cwd=task["folder"],
                env={**task["environment"], task["variable"]: task["server"]["mark"]},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._write_end(
                0, None, f"{task['argv'][0]} cannot be started: {getattr(error, 'strerror', None) or error}"
            )
            return None
        self._write_server(process.pid)
        return process

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of the server, or of its owner, and leave nothing of the server."""
        self._tell_secrets(process)
        self._register(process)
        reason = self._wait(process)
        group, mark, variable = process.pid, self._task["server"]["mark"], self._task["variable"]
        if not reason:
            ended = os.waitid(os.P_PID, group, os.WEXITED | os.WNOWAIT) if hasattr(os, "waitid") else None
            code = process.wait() if ended is None else _exit_code(ended)
            self._read_rest(process)
            self._write_end(group, code, "")
            # as long as the leader is not reaped, the id of the group is not reused
            _kill(group)
            process.wait()
            _watchdog.end_noted({mark}, _SEARCH_GRACE, variable)
        else:
            self._write_end(group, None, reason)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # its end is visible although no process waits for it
            _watchdog.end_noted({str(group), mark}, self._task["grace"], variable)
            _kill(group)

    def _write_server(self, pid: int) -> bool:
        guard = [os.getpid(), _lifetimes.began_at(os.getpid())]
        process = [pid, _lifetimes.began_at(pid) if pid else ""]
        return _write(self._task["server_file"], {**self._task["server"], "guard": guard, "process": process})

    def _write_end(self, pid: int, code: int | None, reason: str) -> None:
        said = self._said[-_KEPT:].decode("utf-8", "replace")
        end = {"pid": pid, "exit_code": code, "reason": reason, "said": said, "listened": self._has_listened()}
        _write(self._task["end_file"], end)

    def _has_listened(self) -> bool:
        """Return True if the server listened once; its file may be gone since."""
        self._started = self._started or os.path.exists(self._task["hello_file"])  # noqa: PTH110
        return self._started

    def clean_up(self) -> None:
        """Remove the folder when the owner ends, which often follows the end of a server: a run may be cancelled.

        An owner that lives on has further commands; those of other owners remove its folder after its end.
        """
        folder, deadline = os.path.dirname(self._task["server_file"]), time.monotonic() + _LINGERS  # noqa: PTH120
        owner_ends = _lifetimes.end_fd(self._owner[0])
        while self._owner_lives():
            if not os.path.isdir(folder) or time.monotonic() > deadline:  # noqa: PTH112
                return
            select.select([] if owner_ends is None else [owner_ends], [], [], _GLANCE)
        import shutil

        shutil.rmtree(folder, ignore_errors=True)

    def _tell_secrets(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):  # it may have ended already
            if process.stdin is not None:
                process.stdin.write(base64.b64decode(self._task["start"]))
                process.stdin.flush()

    def _register(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, "said")
        for name, pid in (("owner", self._owner[0]), ("server", process.pid)):
            descriptor = _lifetimes.end_fd(pid)
            if descriptor is not None:
                self._told_by_events[name] = True
                self._selector.register(descriptor, selectors.EVENT_READ, name)

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        """Return why the server has to end; empty if it ended by itself."""
        while True:
            if not self._owner_lives():
                return "the process that it belongs to ended"
            if _ended(process):
                return ""
            if not self._has_listened() and time.monotonic() > self._deadline:
                return f"it did not answer within {self._task['start_timeout']:g} s"
            for key, _ in self._selector.select(self._patience()):
                if key.data == "said" and self._read(process) == b"":
                    self._selector.unregister(key.fileobj)

    def _patience(self) -> float | None:
        if not self._started:
            return _START_GLANCE
        return None if all(self._told_by_events.values()) else _GLANCE

    def _owner_lives(self) -> bool:
        began: str = _lifetimes.began_at(self._owner[0])
        return bool(began) and began == self._owner[1]

    def _read(self, process: subprocess.Popen[bytes]) -> bytes | None:
        """Keep the last output of the virtual machine; return None while it prints nothing, empty at its end."""
        if process.stdout is None:
            return b""
        try:
            data = os.read(process.stdout.fileno(), 65536)
        except BlockingIOError:
            return None
        self._said = (self._said + data)[-_KEPT:]
        return data

    def _read_rest(self, process: subprocess.Popen[bytes]) -> None:
        while self._read(process):
            pass


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Return True if a child has ended; the check does not reap it."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _exit_code(ended: os.waitid_result) -> int:
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _kill(group: int) -> None:
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _write(path: str, content: dict[str, Any]) -> bool:
    """Write a private file atomically; return False if that is not possible."""
    partial = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(partial, path)  # noqa: PTH105
    except OSError:  # nobody who could read a message is there any more
        return False
    return True


def _leave() -> int | None:
    """Detach from the process that started this one.

    Returns:
        A file descriptor to close when the server is starting; None in the first process, after that.
    """
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(told, 1)
        return None
    os.close(told)
    os.setsid()
    return tell


def main() -> None:
    """Guard a server to its end."""
    # a program that ends a whole tree of processes must not end the guard first; ignored signals would be inherited
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    task = json.load(sys.stdin.buffer)
    tell = _leave()
    if tell is None:
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    os.chdir("/")
    guard = _Guard(task)
    process = guard.start()
    os.close(tell)
    if process is not None:
        guard.watch(process)
    guard.clean_up()


if __name__ == "__main__":
    main()
