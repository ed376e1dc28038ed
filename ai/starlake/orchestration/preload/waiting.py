"""The wait of a pre-load check: how often it looks again while there is nothing to load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ai.starlake.common import StarlakeError
from ai.starlake.job import JobOptions

_HEARTBEAT = 30
"""Seconds between two lines about a check that goes on waiting."""


@dataclass(frozen=True)
class PreLoadFinding:
    """The finding of a pre-load check.

    Args:
        ready: True if there is something to load.
        reason: Why, in words.
        warning: Says what a person should see to, empty for nothing; asked once, as that takes time.
        error: Why it cannot be believed that there is nothing to load, such as a folder that does not exist.
    """

    ready: bool
    reason: str
    warning: Callable[[], str] = str
    error: StarlakeError | None = None


@dataclass(frozen=True)
class Patience:
    """How long a check waits, and how often it looks.

    Args:
        timeout: Seconds after which it stops; 0 for one look.
        interval: Seconds between two looks.
        fails: True if it is an error when there is nothing to load by then.
    """

    timeout: float
    interval: float
    fails: bool = False

    @classmethod
    def of(cls, settings: JobOptions, *, for_ack: bool) -> Patience:
        """Return the values of the options.

        Args:
            settings: The options.
            for_ack: True if the check looks for an ack file, which is waited for by default.
        """
        if settings.pre_load_sensor:
            fails = not settings.pre_load_sensor_soft_fail
            return cls(settings.pre_load_timeout, settings.pre_load_poke_interval, fails)
        return cls(settings.ack_wait_timeout if for_ack else 0, settings.ack_poll_interval)

    def wait(self, look: Callable[[], PreLoadFinding], tell: Callable[[str], None]) -> PreLoadFinding:
        """Poll until there is something to load or the time is up.

        Args:
            look: Looks once.
            tell: Is told what is waited for, at once and every 30 seconds.
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
                    tell(f"waiting: {found.reason}; looking again for {deadline - now:.0f} s at most")
                    heartbeat = now + _HEARTBEAT
                time.sleep(min(next_look, heartbeat) - now)
                now = time.monotonic()
        return found

    def ended(self, found: PreLoadFinding) -> PreLoadFinding:
        """Return the finding of a check that has waited until its time was up."""
        return replace(found, reason=f"{found.reason} within {self.timeout:g} s") if self.timeout else found

    def check(self, found: PreLoadFinding, domain: str) -> None:
        """Make sure that there is something to load, where it is an error when there is not.

        Raises:
            StarlakeError: If there is nothing, and that is an error or cannot be believed.
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
