"""The only place that calls a service of Google Cloud, so that every call is retried, or not, on purpose.

The clients' own retries are switched off: they differ from method to method, say nothing in the log, and repeat calls
that must not be repeated. Each call gets a time limit of its own, and an answer that does not come in time counts as
lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random

from ai.starlake.executor.protocol import Reporter
from ai.starlake.executor.remote.progress import Progress, jittered
from ai.starlake.gcp.client.google_errors import code_of, explained, patience_of, permissions_of, said_by

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

READ_TIMEOUT = 20.0
"""Seconds that the answer to a question may take."""
WRITE_TIMEOUT = 60.0
"""Seconds that the answer to an order may take."""
_LONGEST = 200
"""The most characters of what a service said, in the line about a call that is repeated."""


class Rpc(Protocol, Generic[ResultT_co]):
    """A method of one of Google's clients."""

    def __call__(self, request: Any, *, retry: Any, timeout: Any) -> ResultT_co:
        """Calls it."""
        ...


class RepeatPolicy:
    """Decide how long a call is repeated, by what it failed of.

    Args:
        tolerance: Seconds for which a call that fails for a passing reason is repeated.
        clock: Tells the time, in seconds.
    """

    def __init__(self, tolerance: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tolerance = tolerance
        self._clock = clock
        self._started = clock()
        self._since: dict[float, float] = {}

    def outlasts(self, error: BaseException) -> bool:
        """Return True if the call that raised an error is to be repeated."""
        now, limit = self._clock(), patience_of(error)
        since = self._since.setdefault(limit, now)
        return limit > 0 and now - self._started < self._tolerance and now - since < limit


class Calls:
    """Makes calls, and rides out short outages.

    Errors of Google's clients become those of `ai.starlake.gcp.client.google_errors`.

    Args:
        report: Told about each call that is repeated.
        interval: Seconds between two looks at something that takes long. Pauses before repetitions grow from a second
            to three times as much, and are shorter when it is.
        tolerance: Seconds for which a call that fails for a passing reason is repeated.
        mask: Masks secrets in what the services say.
        clock: Tells the time, in seconds.
        sleep: Waits some seconds.
    """

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

    def within(self, tolerance: float) -> Calls:
        """The same with another tolerance, such as when something is cleaned up and nobody can wait for long."""
        return Calls(
            self.report,
            interval=min(self.interval, tolerance / 4),
            tolerance=tolerance,
            mask=self.mask,
            clock=self.clock,
            sleep=self.sleep,
        )

    def pause(self, seconds: float) -> None:
        """Waits for about so many seconds."""
        self.sleep(jittered(seconds))

    def progress(self, what: str, *, timeout: float | None = None) -> Progress:
        """Begins to watch something.

        Args:
            what: What is watched, such as ``Cloud Run execution x``.
            timeout: Seconds that it may take.
        """
        return Progress(self.report, what, interval=self.interval, timeout=timeout, clock=self.clock, sleep=self.sleep)

    def read(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = READ_TIMEOUT,
    ) -> ResultT:
        """Asks a question, again and again while the service does not answer.

        Args:
            method: The method of the client.
            request: The request, as a message or a mapping.
            what: What the call is to do, as in ``look at cluster x``.
            timeout: Seconds that one answer may take.

        Raises:
            GcpCallError: If the service refuses, or did not answer for as long as the tolerance says.
        """
        return self._repeated(lambda: method(request, retry=None, timeout=timeout), what, permissions_of(method))

    def listing(
        self,
        method: Rpc[Any],
        request: Mapping[str, Any],
        *,
        what: str,
        items: str,
        timeout: float = READ_TIMEOUT,
    ) -> Iterator[Any]:
        """Asks for a list, page by page as it is consumed.

        Args:
            method: The method of the client.
            request: The request, as a mapping, without ``page_token``.
            what: What the call is to do.
            items: The field of a page that holds its items, such as ``executions``.
            timeout: Seconds that one answer may take.

        Yields:
            The items.
        """
        token = ""
        while True:
            pager = self.read(method, {**request, "page_token": token}, what=what, timeout=timeout)
            page = next(iter(pager.pages))  # the pager holds its first page already
            yield from getattr(page, items)
            token = page.next_page_token
            if not token:
                return

    def repeat(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = WRITE_TIMEOUT,
    ) -> ResultT:
        """Gives an order that has the same effect however often it is given, until the service answers.

        Such are those with a request id, and deletion and cancellation by nature.

        See `read` for arguments and errors.
        """
        return self._repeated(lambda: method(request, retry=None, timeout=timeout), what, permissions_of(method))

    def once(
        self,
        method: Rpc[ResultT],
        request: Mapping[str, Any] | object,
        *,
        what: str,
        timeout: float = WRITE_TIMEOUT,
    ) -> ResultT:
        """Gives an order that would have its effect twice if it were given twice: never sends it again.

        See `read` for arguments.

        Raises:
            GcpCallError: If the answer is an error. Unless it is `definite`, the order may have been carried out.
        """
        with explained(what, permissions_of(method), self.mask):
            return method(request, retry=None, timeout=timeout)

    def fetch(self, action: Callable[[], ResultT], *, what: str) -> ResultT:
        """Does something that only reads, by a client whose methods take no request, such as that of Cloud Storage.

        Args:
            action: Does it, without retries of its own.
            what: What it is to do.

        Raises:
            GcpCallError: See `read`.
        """
        return self._repeated(action, what, ())

    def persist(self, action: Callable[[], ResultT], *, what: str) -> ResultT:
        """Does something that makes calls of its own and may be done again when they fail for a passing reason.

        Args:
            action: Does it; raises the errors of `ai.starlake.gcp.client.google_errors`.
            what: What it is to do.

        Raises:
            GcpCallError: See `read`.
        """
        return self._repeated(action, what, ())

    def _repeated(self, action: Callable[[], ResultT], what: str, permissions: tuple[str, ...]) -> ResultT:
        first = min(1.0, self.interval)
        retrying = Retrying(
            retry=retry_if_exception(RepeatPolicy(self.tolerance, self.clock).outlasts),
            wait=wait_exponential(multiplier=first, max=3 * self.interval) + wait_random(0, first),
            sleep=self.sleep,
            before_sleep=lambda state: self._tell(state, what),
            reraise=True,
        )
        with explained(what, permissions, self.mask):
            return retrying(action)

    def _tell(self, state: RetryCallState, what: str) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        why = f"{code_of(error)}: {self._shortened(said_by(error))}" if error else ""
        self.report.info(f"Google Cloud did not {what} ({why}); trying again in {pause:.1f} s")

    def _shortened(self, text: str) -> str:
        line = " ".join(self.mask(text).split())
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
