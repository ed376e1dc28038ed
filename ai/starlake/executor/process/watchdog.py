"""End the processes that we started even if we are killed by a signal that cannot be handled."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

_SCRIPT = Path(__file__).with_name("_watchdog_main.py")
_GRACE = 5.0
MARK = "STARLAKE_WATCHDOG"
"""Environment variable of a command by which the watchdog finds it."""
_log = logging.getLogger(__name__)


class Watchdog:
    """A small process beside this one, which ends the noted groups of processes when this one has ended.

    It notices our end because its standard input, a pipe that only we hold, ends. A group is announced before it is
    started, by a mark in its environment, because starting a group and noting its id are two steps: if we are killed in
    between, the watchdog searches for the mark. The mark also finds processes that left their group for a session of
    their own. (On Linux; elsewhere these cases are not covered.)

    Cost: 1 ms for the first group, a few microseconds for each further one, 8 MB of memory.

    Args:
        grace: Seconds that a group has between SIGTERM and SIGKILL.
    """

    def __init__(self, grace: float = _GRACE) -> None:
        self.grace = grace
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._notes: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None before the first start."""
        return self._process.pid if self._process else None

    def announce(self) -> str:
        """Announce that a group is about to be started; start the watchdog first if it does not run.

        Returns:
            The mark of the group: the value of `MARK` in its environment.
        """
        mark = f"mark-{os.getpid()}-{time.time_ns()}"
        with self._lock:
            self._notes.add(mark)
            self._tell(f"+{mark}\n")
        return mark

    def guard(self, group: int) -> None:
        """Note a group that was announced."""
        with self._lock:
            self._notes.add(str(group))
            self._tell(f"+{group}\n")

    def release(self, mark: str, group: int | None = None) -> None:
        """Forget a mark whose group has ended, or did not start."""
        notes = [mark] if group is None else [mark, str(group)]
        with self._lock:
            self._notes.difference_update(notes)
            if self._pipe is not None:
                self._tell("".join(f"-{note}\n" for note in notes))

    def _tell(self, message: str) -> None:
        try:
            if self._pipe is not None:
                os.write(self._pipe, message.encode())
                return
        except BrokenPipeError:
            self._forget()
        self._start()

    def _start(self) -> None:
        if self._process is None:
            os.register_at_fork(after_in_child=self._leave)
            atexit.register(self._stop)
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable or "python3", "-I", "-S", str(_SCRIPT), str(self.grace), MARK],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            os.close(write)
            _log.warning(
                "commands survive this process if it is killed, because the watchdog does not start: %s", error
            )
            return
        finally:
            os.close(read)
        self._pipe = write
        os.write(write, "".join(f"+{note}\n" for note in self._notes).encode())

    def _forget(self) -> None:
        """Drop a watchdog that has ended."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            self._process.poll()

    def _leave(self) -> None:
        """Close the pipe in a forked child: only the parent may hold it, or its end would go unnoticed."""
        if self._pipe is not None:
            os.close(self._pipe)
        if self._process is not None:
            self._process.returncode = 0  # not our child: nothing to wait for, nothing to warn about
        self._reset()

    def _stop(self) -> None:
        """Let the watchdog end at a normal exit, and reap it."""
        self._forget()
        if self._process is not None:
            try:
                self._process.wait(self.grace + 1)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


WATCHDOG = Watchdog()
"""The watchdog of this process."""
