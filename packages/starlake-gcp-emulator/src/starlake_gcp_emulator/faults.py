"""Faults that a test orders."""

from __future__ import annotations

import difflib
import random
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from ai.starlake.common import StarlakeError
from starlake_gcp_emulator.errors import Code, RpcError
from starlake_gcp_emulator.journal import Call, is_named

When = Literal["before", "after"]

_MEETING_TIMEOUT = 30.0
"""Seconds that a held answer waits for the other calls before it fails."""


@dataclass
class Fault:
    """An answer instead of the real one.

    Args:
        method: The method, as `Call.is_of` reads it.
        code: The status of the answer; OK leaves the answer as it is, for a delay.
        when: Before the side effect, which then does not happen, or after it.
        count: Number of calls that still fail; None for any number.
        probability: The share of calls that it strikes; None for all.
        delay: Seconds that the answer takes longer.
        message: Message for the caller.
        together: The number of struck calls that are answered at the same time: each waits for the others.
    """

    method: str
    code: Code
    when: When = "before"
    count: int | None = 1
    probability: float | None = None
    delay: float = 0.0
    message: str = "injected fault"
    random: random.Random = field(default_factory=random.Random)
    together: int = 1

    def __post_init__(self) -> None:
        self._meeting = threading.Barrier(self.together)

    def strikes(self, call: Call) -> bool:
        """Return True if a call meets it; counts those that do."""
        if self.count == 0 or not call.is_of(self.method):
            return False
        if self.probability is not None and self.random.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def meet(self) -> None:
        """Wait until all calls that are answered together are here.

        Raises:
            RpcError: If the others do not come within 30 seconds.
        """
        try:
            self._meeting.wait(_MEETING_TIMEOUT)
        except threading.BrokenBarrierError:
            raise RpcError(
                Code.INTERNAL, f"a fault holds answers until {self.together} calls of {self.method} are here"
            ) from None


class Faults:
    """The faults that are ordered.

    Args:
        methods: The methods that there are, with their services.
    """

    def __init__(self, methods: Collection[str]) -> None:
        self._methods = methods
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add a fault.

        Raises:
            StarlakeError: If there is no such method, or a value is out of bounds.
        """
        _require_known(fault.method, self._methods)
        if fault.when not in ("before", "after"):
            raise StarlakeError(f"a fault strikes before or after the side effect, not {fault.when!r}")
        if fault.probability is not None and not 0 <= fault.probability <= 1:
            raise StarlakeError(f"{fault.probability} is not a probability", fix="pass a number from 0 to 1")
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forgets all faults."""
        with self._lock:
            self._faults.clear()

    def striking(self, call: Call) -> Fault | None:
        """Return the first fault that strikes a call."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(call)), None)


def _require_known(method: str, methods: Collection[str]) -> None:
    known = [(service, name) for service, _, name in (one.rpartition(".") for one in methods)]
    if any(is_named(service, name, method) for service, name in known):
        return
    names = sorted({name for _, name in known})
    near = difflib.get_close_matches(method.rpartition(".")[2], names, n=1)
    raise StarlakeError(
        f"the emulator has no method {method}", fix=f"perhaps {near[0]}?" if near else f"one of {', '.join(names)}"
    )
