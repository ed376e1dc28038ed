"""The watchdog process: a script started by `ai.starlake.executor.process.watchdog`, standard library only.

It reads from its standard input which groups of processes to note (``+``) and to forget (``-``), by their id, and marks
in their environment, by which it finds those without an id yet and those that left their group. When the input ends,
because the process that writes it has ended, the watchdog ends all noted groups: SIGTERM, a grace period, SIGKILL.

Arguments: the grace period in seconds, and the variable that holds the mark.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator

_PAUSE = 0.05
_SEARCH = 1.0
"""Seconds to search for marks: a process that is about to start shows its environment only after a delay."""


def _read_notes() -> set[str]:
    notes: set[str] = set()
    rest = ""
    while True:
        data = os.read(0, 65536).decode()
        if not data:
            return notes
        *messages, rest = (rest + data).split("\n")
        for message in messages:
            (notes.add if message[0] == "+" else notes.discard)(message[1:])


def related_groups(entries: set[bytes], groups: set[int], among: Iterable[str] | None = None) -> set[int]:
    """Return the groups of the processes that descend from some groups, or have an entry in their environment.

    A process that created its own session has left its group, but keeps the environment that it was started with. Only
    Linux shows both; elsewhere the result is empty. Zombies and our own group are ignored.

    `among` limits the search to some process ids.
    """
    table = dict(_processes(entries, among))
    found = {pid for pid, (_, group, marked) in table.items() if marked or group in groups}
    while more := {pid for pid, (parent, _, _) in table.items() if parent in found} - found:
        found |= more
    return {table[pid][1] for pid in found} - groups - {os.getpgrp(), 0}


def _processes(entries: set[bytes], among: Iterable[str] | None) -> Iterator[tuple[int, tuple[int, int, bool]]]:
    """Yield the running processes: id, parent, group, and whether the environment has one of some entries."""
    if among is None:
        among = os.listdir("/proc") if os.path.isdir("/proc/self") else ()  # noqa: PTH112, PTH208  starts faster
    for name in among:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                # pid (name) state parent group ...; the name may contain blanks and brackets
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X"):
            yield int(name), (int(parent), int(group), bool(entries) and _is_marked(name, entries))


def _is_marked(name: str, entries: set[bytes]) -> bool:
    try:
        with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
            return not entries.isdisjoint(file.read().split(b"\0"))
    except OSError:
        return False


def _reaches(group: int, number: int) -> bool:
    """Send a signal to a group; return False if the group does not exist."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def end_noted(notes: set[str], grace: float, variable: str) -> None:
    """End groups: SIGTERM, a grace, SIGKILL.

    Args:
        notes: Their numbers, and marks in the environment of processes.
        grace: Seconds between the two signals.
        variable: The variable that holds the mark.
    """
    entries = {f"{variable}={note}".encode() for note in notes if not note.isdigit()}
    groups = {int(note) for note in notes if note.isdigit()}
    started = time.monotonic()
    told: set[int] = set()
    while True:
        passed = time.monotonic() - started
        groups |= related_groups(entries, groups)
        groups = {group for group in groups if _reaches(group, 0 if group in told else signal.SIGTERM)}
        told |= groups
        if passed > grace or not (groups or (entries and passed < _SEARCH)):
            break
        time.sleep(_PAUSE)
    for group in groups | related_groups(entries, groups):
        _reaches(group, signal.SIGKILL)


def _main() -> None:
    # a program that ends a whole tree of processes must not end the watchdog first
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    end_noted(_read_notes(), float(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    _main()
