"""Groups of processes: how to end one, all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
_AFTER_KILL = 2.0


def end_group(leader: subprocess.Popen[bytes], grace: float) -> None:
    """Ends a process that leads a group, and all others of the group: SIGTERM, a grace, SIGKILL.

    A process that left the group (by `setsid`, as daemons do) is not reached.

    Args:
        leader: The leader; reaped afterwards.
        grace: Seconds between the two signals.
    """
    try:
        _signal(leader.pid, signal.SIGTERM)
        if _gone(leader, grace):
            return
    except BaseException:
        kill_group(leader)
        raise
    kill_group(leader)


def kill_group(leader: subprocess.Popen[bytes]) -> None:
    """Ends a group without a grace, and reaps its leader."""
    _signal(leader.pid, signal.SIGKILL)
    _gone(leader, _AFTER_KILL)


def _signal(group: int, number: int) -> None:
    # macOS answers EPERM for a group of nothing but zombies
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _gone(leader: subprocess.Popen[bytes], within: float) -> bool:
    """Waits until nothing of a group lives, for some seconds at most."""
    deadline = time.monotonic() + within
    pause = _FIRST_PAUSE
    while leader.poll() is None or _lives(leader.pid):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return True


def _lives(group: int) -> bool:
    """Whether a group whose leader was reaped has members that run.

    Orphans that nobody reaps, as in a container whose first process does not care, are zombies for good: they count
    as gone.
    """
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        return True
    return any(_runs_in(entry, group) for entry in processes.iterdir() if entry.name.isdigit())


def _runs_in(process: Path, group: int) -> bool:
    try:
        # pid (name) state parent group ...; the name may hold blanks and brackets
        state, _parent, of_group = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(of_group) == group and state not in "ZX"
