"""Repeat calls to a service after transient errors."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random

from ai.starlake.executor.protocol import Reporter
from ai.starlake.executor.remote.progress import Progress, jittered
from ai.starlake.executor.remote.remote_errors import RemoteCallError

ResultT = TypeVar("ResultT")
RepeatsT = TypeVar("RepeatsT", bound="Repeats")

_HASTE = 15.0
"""Seconds for which calls are repeated while cleaning up."""
_HASTY_CALL = 5.0
"""Timeout in seconds of one call while cleaning up."""
_LONGEST = 200
"""Maximum characters of a message of the service, in the log line about a repeated call."""


def patience_with(error: BaseException) -> float:
    """Return the seconds for which repeating the call that raised an error may help; 0 if it does not help."""
    return error.patience if isinstance(error, RemoteCallError) else 0.0


class RepeatPolicy:
    """Decides how long a call is repeated, by the error that it raised.

    Args:
        tolerance: Seconds for which a call is repeated after transient errors.
        clock: Returns the time in seconds.
        patience: Returns how long repeating may help; see `patience_with`.
    """

    def __init__(
        self,
        tolerance: float,
        clock: Callable[[], float] = time.monotonic,
        patience: Callable[[BaseException], float] = patience_with,
    ) -> None:
        self._tolerance = tolerance
        self._clock = clock
        self._patience = patience
        self._started = clock()
        self._since: dict[float, float] = {}

    def outlasts(self, error: BaseException) -> bool:
        """Return True if the call that raised an error is to be repeated."""
        now, limit = self._clock(), self._patience(error)
        since = self._since.setdefault(limit, now)
        return limit > 0 and now - self._started < self._tolerance and now - since < limit


class Repeats:
    """Repeats calls during short outages of a service, and watches long operations.

    Args:
        report: Receives a message about each repeated call.
        interval: Seconds between two polls of a long operation. Pauses before repetitions grow from one second to three
            times the interval, and are shorter if the interval is.
        tolerance: Seconds for which a call is repeated after transient errors.
        mask: Masks secrets in messages of the service.
        clock: Returns the time in seconds.
        sleep: Waits for a number of seconds.
    """

    service = "the service"

    def __init__(
        self,
        report: Reporter,
        *,
        interval: float = 10,
        tolerance: float = 600,
        mask: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.report = report
        self.interval = interval
        self.tolerance = tolerance
        self.mask = mask
        self.clock = clock
        self.sleep = sleep
        self.longest = math.inf
        """Maximum seconds of any call."""

    def within(self: RepeatsT, tolerance: float) -> RepeatsT:
        """Return a copy with another tolerance.

        Args:
            tolerance: Seconds for which errors of the service are tolerated.
        """
        made = copy.copy(self)
        made.tolerance = tolerance
        made.interval = min(self.interval, tolerance / 4)
        return made

    def hasty(self: RepeatsT) -> RepeatsT:
        """Return a copy that gives up sooner, for cleaning up."""
        made = self.within(max(1.0, min(_HASTE, self.tolerance)))
        made.longest = _HASTY_CALL
        return made

    def pause(self, seconds: float) -> None:
        """Wait for about so many seconds.

        Args:
            seconds: Seconds, varied a little so that many clients do not call at once.
        """
        self.sleep(jittered(seconds))

    def progress(self, what: str, *, timeout: float | None = None) -> Progress:
        """Start to watch an operation.

        Args:
            what: Name of the operation, such as ``Cloud Run execution x``.
            timeout: Timeout in seconds.

        Returns:
            The watch, which reports each change of its state, and how long it takes.
        """
        return Progress(self.report, what, interval=self.interval, timeout=timeout, clock=self.clock, sleep=self.sleep)

    def repeated(self, action: Callable[[], ResultT], *, what: str) -> ResultT:
        """Repeat an idempotent action until the service answers.

        Args:
            action: Makes a call; raises a transient `RemoteCallError` if it may be repeated.
            what: Description of the action, as in ``start job x``.

        Returns:
            The result of the action.

        Raises:
            RemoteCallError: If the service refuses the call, or does not answer within the tolerance.
        """
        first = min(1.0, self.interval)
        retrying = Retrying(
            retry=retry_if_exception(RepeatPolicy(self.tolerance, self.clock, self.patience_with).outlasts),
            wait=wait_exponential(multiplier=first, max=3 * self.interval) + wait_random(0, first),
            sleep=self.sleep,
            before_sleep=lambda state: self._tell(state, what),
            reraise=True,
        )
        return retrying(action)

    def patience_with(self, error: BaseException) -> float:
        """Return the seconds for which repeating the call that raised an error may help.

        Args:
            error: The error of the call.

        Returns:
            0 if repeating it cannot help.
        """
        return patience_with(error)

    def reason_of(self, error: BaseException) -> str:
        """Return the reason why a call is repeated; may contain secrets.

        Args:
            error: The error of the call.
        """
        return str(getattr(error, "cause", None) or error)

    def _tell(self, state: RetryCallState, what: str) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        why = self._shortened(self.reason_of(error)) if error else ""
        self.report.info(f"{self.service} did not {what} ({why}); trying again in {pause:.1f} s")

    def _shortened(self, text: str) -> str:
        line = " ".join(self.mask(text).split())
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
