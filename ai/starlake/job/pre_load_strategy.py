"""When a domain is worth loading."""

from __future__ import annotations

from enum import Enum

from ai.starlake.common import StarlakeError


class StarlakePreLoadStrategy(str, Enum):
    """The conditions under which a domain is loaded.

    ``none``: always. ``imported``: files wait in the landing area; they are imported first. ``pending``: files wait in
    the pending area of the domain. ``ack``: an acknowledgement file is there.
    """

    NONE = "none"
    IMPORTED = "imported"
    PENDING = "pending"
    ACK = "ack"

    @classmethod
    def is_valid(cls, strategy: str) -> bool:
        """Tells whether a text names a strategy; case does not matter."""
        return strategy.strip().lower() in cls.all_strategies()

    @classmethod
    def all_strategies(cls) -> list[str]:
        """Return the names of all strategies."""
        return [strategy.value for strategy in cls]

    @classmethod
    def of(cls, strategy: StarlakePreLoadStrategy | str | None) -> StarlakePreLoadStrategy:
        """Read a strategy; nothing means ``none``.

        Raises:
            StarlakeError: If the text names no strategy.
        """
        if strategy is None:
            return cls.NONE
        text = strategy.value if isinstance(strategy, cls) else str(strategy)
        if not cls.is_valid(text):
            raise StarlakeError(
                f"option pre_load_strategy: {text!r} is not a pre-load strategy",
                fix=f"use one of {', '.join(cls.all_strategies())}",
            )
        return cls(text.strip().lower())

    def __str__(self) -> str:
        return str(self.value)
