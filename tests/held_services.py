"""Services of an emulator of Google Cloud that end nothing by themselves until a test lets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from starlake_gcp_emulator import GcpEmulator


class Held:
    """Ends of what an emulator has begun: creations, deletions, starts."""

    def __init__(self, gcp: GcpEmulator) -> None:
        self._world = gcp.machine.world
        self._after = self._world.after
        self._actions: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, action: Callable[[], None]) -> None:
        self._actions.append(action)

    def let_one_go(self) -> None:
        """Let the first of it end; what follows is held."""
        self._after(0, self._actions.pop(0))

    def let_go(self) -> None:
        """Let it end; what begins from now on is not held."""
        with self._world.changed:
            self._world.after = self._after
            while self._actions:
                self._after(0, self._actions.pop(0))


@contextmanager
def held(gcp: GcpEmulator) -> Iterator[Held]:
    """Hold what an emulator begins in a block, until it is let go or the block ends."""
    hold = Held(gcp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gcp.machine.world, "after", hold)
        try:
            yield hold
        finally:
            hold.let_go()
