"""Tell how something that takes long is getting on, so that no log is silent for an hour."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from ai.starlake.executor.protocol import Reporter

HEARTBEAT = 60.0
"""The most seconds between two lines about something whose state does not change."""


class Progress:
    """Watches something: tells each change of its state with the time that passed, and now and then that it goes on.

    Args:
        report: Where to tell it.
        what: The thing that is watched, such as ``Cloud Run execution x``.
        interval: Seconds between two polls.
        timeout: Seconds that it may take; no limit by default.
        clock: Tells the time, in seconds.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        report: Reporter,
        what: str,
        *,
        interval: float = 10,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.timeout = timeout
        self._report = report
        self._what = what
        self._interval = interval
        self._clock = clock
        self._sleep = sleep
        self._started = self._told = clock()
        self._state: str | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the watch began."""
        return self._clock() - self._started

    def see(self, state: str) -> None:
        """Take the state that was just seen."""
        now = self._clock()
        if state != self._state:
            self._report.info(f"{self._what}: {state}, after {duration(self.elapsed)}")
        elif now - self._told >= HEARTBEAT:
            self._report.info(f"{self._what}: still {state}, after {duration(self.elapsed)}")
        else:
            return
        self._state, self._told = state, now

    def pause(self, late: Exception) -> None:
        """Wait until the next poll.

        Args:
            late: What to raise when the time is up.
        """
        self.require_time(late)
        pause = jittered(self._interval)
        self._sleep(pause if self.timeout is None else max(0.0, min(pause, self.timeout - self.elapsed)))

    def require_time(self, late: Exception) -> None:
        """Make sure that the time is not up.

        Args:
            late: What to raise when it is.
        """
        if self.timeout is not None and self.elapsed >= self.timeout:
            raise late


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> duration(8000)
    '2 h 13 min'
    """
    if seconds < 120:  # noqa: PLR2004  as in the next line: below two of a unit, the smaller one says more
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def jittered(seconds: float) -> float:
    """Return about so many seconds: steps that began together do not ask together for ever."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  nothing to guess
