"""The watchdog itself: a script of its own, started by `ai.starlake.executor.watchdog`, standard library only.

It reads ``+group`` and ``-group`` from its standard input. When that ends, because the process that writes to it ended
however abruptly, the groups that are still noted are ended: SIGTERM, a grace (seconds, the only argument), SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def _read_groups() -> set[int]:
    groups: set[int] = set()
    rest = b""
    while True:
        data = os.read(0, 65536)
        if not data:
            return groups
        *messages, rest = (rest + data).split(b"\n")
        for message in messages:
            (groups.add if message[:1] == b"+" else groups.discard)(int(message[1:]))


def _reaches(group: int, number: int) -> bool:
    """Sends a signal to a group; False if there is no such group any more."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def _signal(groups: set[int], number: int) -> set[int]:
    """Sends a signal to groups; returns those that are still there."""
    return {group for group in groups if _reaches(group, number)}


def _main() -> None:
    # whoever ends a whole tree of processes must not end the watchdog first
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    groups = _signal(_read_groups(), signal.SIGTERM)
    deadline = time.monotonic() + float(sys.argv[1])
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = _signal(groups, 0)
    _signal(groups, signal.SIGKILL)


if __name__ == "__main__":
    _main()
