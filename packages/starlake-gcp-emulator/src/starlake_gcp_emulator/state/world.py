"""Shared state of all emulated services: one lock, one clock, one scheduler."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone

from starlake_gcp_emulator.clock import Clock
from starlake_gcp_emulator.state.scheduler import Scheduler
from starlake_gcp_emulator.timing import Timing


def moment_of(seconds: float) -> datetime:
    """Return the time that is some seconds after the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc)


class World:
    """The state's lock and time.

    Args:
        clock: The time of day that resources tell and that lifetimes go by.
        timing: Durations in the services.
        speed: Factor by which they are faster here.
    """

    def __init__(self, clock: Clock, timing: Timing, speed: float) -> None:
        self.clock = clock
        self.timing = timing
        self.speed = speed
        self.changed = threading.Condition(threading.RLock())
        self.version = 0
        self.scheduler = Scheduler(self.changed, clock)

    def now(self) -> datetime:
        """Return the time of the clock."""
        return moment_of(self.clock.now())

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action under the lock when a service would have taken some seconds."""

        def act() -> None:
            action()
            self.touch()

        self.scheduler.after(seconds / self.speed, act)

    def touch(self) -> None:
        """Notify waiting threads that the state changed."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], object], timeout: float) -> bool:
        """Wait until a condition on the state holds.

        Args:
            condition: Checked under the lock whenever the state changed.
            timeout: Real seconds to wait at most.

        Returns:
            True if it holds.
        """
        with self.changed:
            return bool(self.changed.wait_for(lambda: bool(condition()), timeout))
