"""Start times of processes: their ids alone do not tell them apart, for the system gives ids again.

Standard library only: the guard of warm servers, a script of its own, loads this file by its path.
"""

from __future__ import annotations

import functools
import os


def began_at(pid: int) -> str:
    """Return when a process began; empty for none, ``?`` for one where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  pathlib costs the guard's start 10 ms
            state, *_ = fields = file.read().rpartition(b")")[2].split()
        return "" if state in (b"Z", b"X") else fields[19].decode()
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "?"
    return "" if os.path.exists("/proc/self/stat") else "?"  # noqa: PTH110


def end_fd(pid: int) -> int | None:
    """Return a file descriptor that becomes readable when a process ends; None where the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@functools.cache
def this_host() -> str:
    """Return what tells the machine, or the container, from all others; a restarted one is another."""
    import socket

    parts = [socket.gethostname()]
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:  # noqa: PTH123
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115
    except OSError:
        pass
    return "/".join(parts)
