"""Every call that reached the emulator, in order."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

IN_FLIGHT = "IN_FLIGHT"


def is_named(service: str, method: str, name: str) -> bool:
    """Return True if a name means a method of a service: ``Jobs.GetJob``, ``GetJob``; ``*`` means all."""
    of_service, _, alone = name.rpartition(".")
    return alone in {"*", method} and (not of_service or f".{service}".endswith(f".{of_service}"))


@dataclass(frozen=True)
class Call:
    """One remote procedure call.

    Args:
        service: The full name of the service, such as ``google.cloud.run.v2.Jobs``.
        method: Such as ``RunJob``.
        request: The fields that were set, by their names in the protocol; durations read as ``600s``, enumerations by
            their names, numbers of 64 bits as strings.
        outcome: Answer to the caller: ``OK`` or the name of a status code; ``IN_FLIGHT`` before the answer.
        injected: True if a fault that was ordered decided the outcome.
        time: Time of its arrival, in seconds since the epoch by the emulator's clock.
    """

    service: str
    method: str
    request: Mapping[str, Any]
    outcome: str
    injected: bool
    time: float

    def is_of(self, method: str) -> bool:
        """Return True if it is a call of a method; see `is_named`.

        Args:
            method: Name, alone or with its service.
        """
        return is_named(self.service, self.method, method)


class Journal:
    """The calls, in the order in which they arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def note(self, call: Call) -> int:
        """Note a call that arrived; return its number."""
        with self._lock:
            self._calls.append(call)
            return len(self._calls) - 1

    def answer(self, number: int, outcome: str, *, injected: bool) -> None:
        """Record the answer to the caller."""
        with self._lock:
            self._calls[number] = replace(self._calls[number], outcome=outcome, injected=injected)

    def calls(self) -> list[Call]:
        """All of them so far."""
        with self._lock:
            return list(self._calls)
