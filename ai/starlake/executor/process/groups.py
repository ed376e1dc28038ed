"""End all processes of a process group."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ai.starlake.executor.process._watchdog_main import related_groups

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
_AFTER_KILL = 2.0
_SOON = 2.0
"""Seconds within which a machine does not use up all of its process ids."""
_FEW = 256
"""Maximum number of process ids to check one by one; more are looked up in the list of all processes."""


class Leader(Protocol):
    """A process that leads a group: a child of this process, such as a `subprocess.Popen`, or another one."""

    @property
    def pid(self) -> int:
        """Id of the process, and that of its group."""
        ...

    def poll(self) -> int | None:
        """Return None as long as it runs."""
        ...


def end_group(leader: Leader, grace: float, entry: str = "", began: float | None = None) -> None:
    """End the leader of a process group, its group, and what it started: SIGTERM, a grace period, SIGKILL.

    A process that left the group for a session of its own, as daemons do, is found on Linux: by the entry in its
    environment, or as a descendant of the group. A process that cleared its environment and outlived its parent is not
    found, nor is one of another user.

    Args:
        leader: The leader of the group; it is reaped if it is a child of this process.
        grace: Seconds between the two signals.
        entry: ``NAME=value``, which only the environment of the group contains.
        began: A time before the start of the leader, by `time.monotonic`. It limits the search after a short command to
            processes that are young enough.
    """
    deadline = time.monotonic() + grace
    try:
        strays = _strays(leader.pid, entry) if _runs(leader) else set()
        for group in (leader.pid, *strays):
            _signal(group, signal.SIGTERM)
        if _gone(leader, grace) and _strays_gone(leader.pid, entry, strays, deadline, signal.SIGTERM, began):
            return
    except BaseException:
        kill_group(leader, entry)
        raise
    kill_group(leader, entry)


def kill_group(leader: Leader, entry: str = "") -> None:
    """End a group without a grace period, and reap its leader; see `end_group`."""
    strays = _strays(leader.pid, entry)
    for group in (leader.pid, *strays):
        _signal(group, signal.SIGKILL)
    deadline = time.monotonic() + _AFTER_KILL
    _gone(leader, _AFTER_KILL)
    _strays_gone(leader.pid, entry, strays, deadline, signal.SIGKILL)


def kill_marked(entry: str) -> None:
    """Kill the groups of all processes whose environment has an entry, on Linux; see `end_group`."""
    entries = {entry.encode()}
    told: set[int] = set()

    def gone() -> bool:
        alive = related_groups(entries, set())
        for group in alive - told:
            _signal(group, signal.SIGKILL)
        told.update(alive)
        return not alive

    _comes_true(gone, time.monotonic() + _AFTER_KILL)


def _runs(leader: Leader) -> bool:
    """Return True if a process is running. The check does not reap it, so its id is not reused."""
    if hasattr(os, "waitid"):
        with suppress(ChildProcessError):
            return os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None
    return leader.poll() is None


def _strays(group: int, entry: str, began: float | None = None) -> set[int]:
    return related_groups({entry.encode()} if entry else set(), {group}, _younger(group, began))


def _younger(process: int, began: float | None) -> Sequence[str] | None:
    """Return the ids of processes that may have started after another one; None if unknown, which means all.

    The system assigns ids in increasing order. A child has a higher id than its parent, unless the ids wrapped around.
    """
    if began is None or time.monotonic() - began > _SOON:
        return None
    try:
        last = int(Path("/proc/loadavg").read_text(encoding="utf-8").split()[-1])
    except (OSError, ValueError, IndexError):
        return None
    return list(map(str, range(process + 1, last + 1))) if process <= last <= process + _FEW else None


def _strays_gone(
    group: int, entry: str, known: set[int], deadline: float, number: int, began: float | None = None
) -> bool:
    """Signal groups that appear, and wait until none of them is alive."""
    told = set(known)

    def gone() -> bool:
        alive = _strays(group, entry, began) | {one for one in told if _lives(one)}
        for one in alive - told:
            _signal(one, number)
        told.update(alive)
        return not alive

    return _comes_true(gone, deadline)


def _comes_true(condition: Callable[[], bool], deadline: float) -> bool:
    """Poll a condition at growing intervals until it holds; return False if it does not by the deadline."""
    pause = _FIRST_PAUSE
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return True


def _signal(group: int, number: int) -> None:
    # macOS answers EPERM for a group that has only zombies
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _gone(leader: Leader, within: float) -> bool:
    """Wait until no process of a group is alive, for a limited number of seconds."""
    return _comes_true(lambda: leader.poll() is not None and not _lives(leader.pid), time.monotonic() + within)


def _lives(group: int) -> bool:
    """Return True if a group whose leader was reaped has running members.

    Orphans that nobody reaps, as in a container whose first process does not, stay zombies: they count as ended.
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
        # pid (name) state parent group ...; the name may contain blanks and brackets
        state, _parent, of_group = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(of_group) == group and state not in "ZX"
