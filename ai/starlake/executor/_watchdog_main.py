"""The watchdog itself: a script of its own, started by `ai.starlake.executor.watchdog`, standard library only.

Its standard input notes (``+``) and forgets (``-``) groups of processes, by their number or, before they have one, by a
mark in their environment. When the input ends, because the process that writes it ended however abruptly, the groups
that are still noted are ended: SIGTERM, a grace, SIGKILL.

Arguments: the grace in seconds, and the variable that holds the mark.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

_PAUSE = 0.05
_SEARCH = 1.0
"""Seconds to look for marks: what is about to be started shows its environment a moment later."""


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


def _marked(entries: set[bytes]) -> Iterator[int]:
    """The groups of the processes that have one of some entries in their environment."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208  starts faster
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                    found = not entries.isdisjoint(file.read().split(b"\0"))
                if found:
                    yield os.getpgid(int(name))
            except OSError:
                continue


def _reaches(group: int, number: int) -> bool:
    """Sends a signal to a group; False if there is no such group any more."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def _end(notes: set[str], grace: float, variable: str) -> None:
    entries = {f"{variable}={note}".encode() for note in notes if not note.isdigit()}
    groups = {int(note) for note in notes if note.isdigit()}
    started = time.monotonic()
    told: set[int] = set()
    while True:
        passed = time.monotonic() - started
        searching = bool(entries) and passed < _SEARCH
        if searching:
            groups.update(_marked(entries))
        groups = {group for group in groups if _reaches(group, 0 if group in told else signal.SIGTERM)}
        told |= groups
        if passed > grace or not (groups or searching):
            break
        time.sleep(_PAUSE)
    for group in groups:
        _reaches(group, signal.SIGKILL)


def _main() -> None:
    # whoever ends a whole tree of processes must not end the watchdog first
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    _end(_read_notes(), float(sys.argv[1]), sys.argv[2])


if __name__ == "__main__":
    _main()
