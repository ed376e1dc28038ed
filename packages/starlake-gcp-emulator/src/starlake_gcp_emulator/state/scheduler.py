"""Delayed actions."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

from starlake_gcp_emulator.clock import Clock

_log = logging.getLogger(__name__)
Sweep = Callable[[], "float | None"]


class Scheduler:
    """One thread that runs actions when they are due, holding the lock of the emulator's state.

    There are two kinds: actions after some real seconds, and those that a sweep finds due by the clock. A sweep runs
    the due actions and returns the time of its next call, in seconds since the epoch, or None.

    Args:
        changed: The condition of the state; notified whenever the state changed.
        clock: Clock of the sweeps.
    """

    def __init__(self, changed: threading.Condition, clock: Clock) -> None:
        self._changed = changed
        self._clock = clock
        self._sweeps: list[Sweep] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stopped = False
        self._deaf = clock.listen(self._time_moved)
        self._thread = threading.Thread(target=self._run, name="gcp-emulator-scheduler", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action after some real seconds."""
        with self._changed:
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), action))
            self._changed.notify_all()

    def regularly(self, sweep: Sweep) -> None:
        """Add a sweep."""
        with self._changed:
            self._sweeps.append(sweep)

    def sweep(self) -> float | None:
        """Do what is due by the clock; return the seconds until the next time, None if none comes by itself."""
        with self._changed:
            moments = [moment for moment in (sweep() for sweep in self._sweeps) if moment is not None]
            waits = [wait for wait in map(self._clock.until, moments) if wait is not None]
            return min(waits, default=None)

    def stop(self) -> None:
        """End the thread; what is not yet due never happens."""
        self._deaf()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _time_moved(self) -> None:
        with self._changed:
            self.sweep()
            self._changed.notify_all()  # what comes next may be nearer than the thread believes

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                while self._timers and self._timers[0][0] <= time.monotonic():
                    _run(heapq.heappop(self._timers)[2])
                waits = [wait for wait in (self.sweep(), self._next_timer()) if wait is not None]
                self._changed.wait(min(waits, default=None))

    def _next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None


def _run(action: Callable[[], None]) -> None:
    """Run an action; one that fails does not keep others from their turn."""
    try:
        action()
    except Exception:  # noqa: BLE001  it is reported, with its traceback
        _log.exception("the emulator itself failed")
