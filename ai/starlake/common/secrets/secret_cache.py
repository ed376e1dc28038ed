"""Cache of the secrets that this process has fetched, so that each is fetched once."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.redaction import mask_named_values
from ai.starlake.common.secrets.secret_references import SecretReference

ResultT = TypeVar("ResultT")

LIFETIME = 3600.0
"""Seconds that a value is cached. Amazon's own cache of secrets has the same default."""

PATIENCE = 20.0
"""Seconds for which requests to a store that does not answer are repeated."""


@dataclass(frozen=True)
class _Known:
    value: str
    until: float


class SecretCache:
    """Fetches each secret once, and again when its lifetime is over or its value was refused.

    Of threads that request one secret at the same time, one fetches it. The others get the same result, also an error:
    a store that is down is not asked by one thread after the other. An error is not kept for later requests.

    Args:
        clock: Returns the time in seconds.
        sleep: Waits for a number of seconds.
        patience: Seconds for which requests to a store that does not answer are repeated.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._patience = patience
        self._lock = threading.Lock()
        self._known: dict[SecretReference, _Known] = {}
        self._fetches: dict[SecretReference, Future[str | None]] = {}

    def value(self, reference: SecretReference, *, renew: bool = False) -> str:
        """Return the value of a reference.

        Args:
            reference: The reference; an unhashable one is fetched each time.
            renew: True to fetch it again, because the known value was refused.

        Raises:
            StarlakeError: If there is no such value, or if its store did not answer.
        """
        lifetime = float(getattr(reference, "lifetime", LIFETIME))
        if lifetime <= 0 or not _is_hashable(reference):
            return self._fetched(reference)
        while True:
            with self._lock:
                known = self._known.get(reference)
                if known and not renew and self._clock() < known.until:
                    return known.value
                under_way = self._fetches.get(reference)
                mine: Future[str | None] = Future()
                if under_way is None:
                    self._fetches[reference] = mine
            if under_way is None:
                return self._fetch(reference, lifetime, mine)
            fetched = under_way.result()
            if fetched is not None:
                return fetched

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._known.clear()

    def _fetch(self, reference: SecretReference, lifetime: float, fetch: Future[str | None]) -> str:
        """Fetch a value for all threads that wait for it; if this thread is interrupted, another one fetches it."""
        try:
            value = self._fetched(reference)
        except BaseException as error:
            with self._lock:
                del self._fetches[reference]
            if isinstance(error, StarlakeError):
                fetch.set_exception(error)
            else:
                fetch.set_result(None)
            raise
        with self._lock:
            self._known[reference] = _Known(value, self._clock() + lifetime)
            del self._fetches[reference]
        fetch.set_result(value)
        return value

    def _fetched(self, reference: SecretReference) -> str:
        """Ask the store, repeatedly if it does not answer; raise only errors that contain no value."""
        try:
            value = self._answer(reference)
        except StarlakeError:
            raise
        except Exception as error:  # noqa: BLE001  a user's store may raise any error
            raise StarlakeError(
                f"{_shown(reference)} cannot be read", cause=_reason(error), fix=_fix(error)
            ) from None  # its message and its frames may contain the value
        if not isinstance(value, str):
            raise StarlakeError(
                f"{_shown(reference)} is not a string",
                cause=f"`resolve` returned a value of type {type(value).__name__}",
                fix="return a string from it",
            )
        return value

    def _answer(self, reference: SecretReference) -> str:
        from tenacity import Retrying, retry_if_exception, wait_random_exponential

        until = self._clock() + self._patience
        retrying = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=lambda _: self._clock() >= until,
            wait=wait_random_exponential(multiplier=0.25, max=5),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(reference.resolve)


secret_cache = SecretCache()
"""The secrets that this process has fetched."""


_PASSING = frozenset({"ConnectError", "ConnectionError", "ReadError", "Timeout", "TimeoutError", "TimeoutException"})
"""Network errors: Python's own classes, and those of requests, httpx and urllib3 by their names."""
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


def _is_passing(error: BaseException) -> bool:
    """Return True if a store may answer when it is asked again."""
    if isinstance(error, StarlakeError):
        return False
    reason = getattr(error, "reason", None)  # the cause of an error of urllib
    kinds = {kind.__name__ for each in (error, reason) for kind in type(each).__mro__}
    status = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return bool(kinds & _PASSING) or status in _BUSY


def _reason(error: Exception) -> str:
    """Return the cause of an error: the message of a network error; for others only the place that raised them."""
    name = type(error).__name__
    if isinstance(error, OSError):
        return f"{name}: {mask_named_values(str(error))}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else name


def _fix(error: Exception) -> str:
    if _is_passing(error):
        return "see that the store runs and can be reached from this machine, then try again"
    return "correct the reference or its store; a store that raises StarlakeError can say more here"


def _shown(reference: SecretReference) -> str:
    return f"the secret {mask_named_values(repr(reference))}"


def _is_hashable(reference: SecretReference) -> bool:
    try:
        hash(reference)
    except TypeError:
        return False
    return True
