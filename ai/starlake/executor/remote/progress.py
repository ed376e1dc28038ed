"""Report the progress of long operations, so that no log is silent for an hour."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from ai.starlake.executor.protocol import Reporter

HEARTBEAT = 60.0
"""Maximum seconds between two messages about an operation whose state does not change."""


class Progress:
    """Watches an operation: reports each change of its state with the elapsed time, and that it is still running.

    Args:
        report: Receives the messages.
        what: Name of the operation, such as ``Cloud Run execution x``.
        interval: Seconds between two polls.
        timeout: Timeout in seconds; no limit by default.
        clock: Returns the time in seconds.
        sleep: Waits for a number of seconds.
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
        """Record the current state."""
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
            late: The error to raise after the timeout.
        """
        self.require_time(late)
        pause = jittered(self._interval)
        self._sleep(pause if self.timeout is None else max(0.0, min(pause, self.timeout - self.elapsed)))

    def require_time(self, late: Exception) -> None:
        """Raise an error after the timeout.

        Args:
            late: The error to raise.
        """
        if self.timeout is not None and self.elapsed >= self.timeout:
            raise late


def duration(seconds: float) -> str:
    """Return a duration in seconds in readable form.

    >>> duration(8000)
    '2 h 13 min'
    """
    if seconds < 120:  # noqa: PLR2004  as in the next line: below two of a unit, the smaller one says more
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def jittered(seconds: float) -> float:
    """Return about so many seconds, so that steps that began together do not poll together."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  nothing to guess
