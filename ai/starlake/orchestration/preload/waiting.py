"""The wait of a pre-load check: its polling interval and its timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ai.starlake.common import StarlakeError
from ai.starlake.job import JobOptions

_HEARTBEAT = 30
"""Seconds between two messages about a waiting check."""


@dataclass(frozen=True)
class PreLoadFinding:
    """The finding of a pre-load check.

    Args:
        ready: True if there is something to load.
        reason: The reason.
        warning: Returns a warning, empty for none; called once, because it takes time.
        error: The reason why "nothing to load" is uncertain, such as a missing folder.
    """

    ready: bool
    reason: str
    warning: Callable[[], str] = str
    error: StarlakeError | None = None


@dataclass(frozen=True)
class Patience:
    """Timeout and polling interval of a check.

    Args:
        timeout: Seconds after which it stops; 0 for one check.
        interval: Seconds between two checks.
        fails: True if having nothing to load by then is an error.
    """

    timeout: float
    interval: float
    fails: bool = False

    @classmethod
    def of(cls, settings: JobOptions, *, for_ack: bool) -> Patience:
        """Return the values of the options.

        Args:
            settings: The options.
            for_ack: True if the check waits for an ack file, which it does by default.
        """
        if settings.pre_load_sensor:
            fails = not settings.pre_load_sensor_soft_fail
            return cls(settings.pre_load_timeout, settings.pre_load_poke_interval, fails)
        return cls(settings.ack_wait_timeout if for_ack else 0, settings.ack_poll_interval)

    def wait(self, look: Callable[[], PreLoadFinding], tell: Callable[[str], None]) -> PreLoadFinding:
        """Poll until there is something to load or the timeout is reached.

        Args:
            look: Checks once.
            tell: Receives messages about the wait, at once and every 30 seconds.
        """
        heartbeat = time.monotonic()
        deadline = heartbeat + self.timeout
        while not (found := look()).ready:
            now = time.monotonic()
            if now >= deadline:
                return self.ended(found)
            next_look = min(now + self.interval, deadline)
            while now < next_look:
                if now >= heartbeat:
                    tell(f"waiting: {found.reason}; checking again for {deadline - now:.0f} s at most")
                    heartbeat = now + _HEARTBEAT
                time.sleep(min(next_look, heartbeat) - now)
                now = time.monotonic()
        return found

    def ended(self, found: PreLoadFinding) -> PreLoadFinding:
        """Return the finding of a check that has reached its timeout."""
        return replace(found, reason=f"{found.reason} within {self.timeout:g} s") if self.timeout else found

    def check(self, found: PreLoadFinding, domain: str) -> None:
        """Raise an error if there is nothing to load, if that is an error.

        Raises:
            StarlakeError: If there is nothing to load, and that is an error or uncertain.
        """
        if found.ready:
            return
        if self.fails:
            raise StarlakeError(
                f"domain {domain} has nothing to load",
                cause=found.reason if found.error is None else f"{found.reason}\n{found.error}",
                fix="raise option pre_load_timeout, or set pre_load_sensor_soft_fail to skip its loads instead",
            )
        if found.error:
            raise found.error
