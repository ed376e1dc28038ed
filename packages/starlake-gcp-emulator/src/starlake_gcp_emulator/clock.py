"""Time that a test can move on: what the deletion of clusters goes by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """The time of the day; `advance` moves it on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], object]] = []
        self._ahead = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self._ahead

    def until(self, moment: float) -> float | None:
        """Return the seconds until a time; None if it is not reached by itself.

        Args:
            moment: The time, in seconds since the epoch.
        """
        return max(0.0, moment - self.now())

    def advance(self, seconds: float) -> None:
        """Move the time on; what is due by then happened when this returns.

        Args:
            seconds: Number of seconds to move on.

        Raises:
            ValueError: If it is backwards.
        """
        if seconds < 0:
            raise ValueError(f"time does not go backwards: {seconds}")
        with self._lock:
            self._ahead += seconds
        for listener in tuple(self._listeners):
            listener()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever the time was moved on; return what ends that.

        Args:
            listener: Function without parameters.

        Returns:
            A function that ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class ManualClock(Clock):
    """A clock that stands still until it is moved on.

    Args:
        start: Initial time, in seconds since the epoch; by default now.
    """

    def __init__(self, start: float | None = None) -> None:
        super().__init__()
        self._start = time.time() if start is None else start

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._start + self._ahead

    def until(self, moment: float) -> float | None:
        """Return 0 for a time that has come, and None for a later one, which does not come by itself.

        Args:
            moment: Seconds since the epoch.
        """
        return 0.0 if moment <= self.now() else None
