"""Run the lazy frames of Python tasks on the task's engine."""

from __future__ import annotations

from ai.starlake.common import PermanentError
from ai.starlake.common.lazy_frames import LazyEngine, LazySession
from ai.starlake.common.plug_ins import LAZY_ENGINES, load, plug_ins


class LazyEngines:
    """The engines of one command, each created on first use.

    Args:
        session: The command.
    """

    def __init__(self, session: LazySession) -> None:
        self._session = session
        self._made: dict[str, LazyEngine] = {}

    def named(self, name: str) -> LazyEngine:
        """Return the engine with a name.

        Raises:
            StarlakeError: If no installed package offers it, or if a required package is not installed.
        """
        if name not in self._made:
            offered = plug_ins(LAZY_ENGINES)
            if name not in offered:
                raise PermanentError(f"there is no engine {name!r}", fix=f"use {', '.join(offered)}")
            self._made[name] = load(offered[name], f"engine: {name}")(self._session)
        return self._made[name]

    def close(self) -> None:
        """Close the engines that were created."""
        while self._made:
            self._made.popitem()[1].close()
