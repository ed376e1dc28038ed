"""Strategies that decide whether a domain is loaded or skipped."""

from __future__ import annotations

from ai.starlake.job.names import JobWord


class StarlakePreLoadStrategy(JobWord):
    """Conditions under which a domain is loaded.

    ``none``: always. ``imported``: files wait in the landing area; they are staged first. ``pending``: files wait in
    the stage area of the domain. ``ack``: an acknowledgement file exists. See Starlake's `PreLoadStrategy.scala`.
    """

    NONE = "none"
    IMPORTED = "imported"
    PENDING = "pending"
    ACK = "ack"

    @property
    def awaited(self) -> str:
        """Name of the awaited files or file, for names of tasks."""
        return {self.IMPORTED: "incoming_files", self.PENDING: "pending_files", self.ACK: "ack_file"}[self]

    @classmethod
    def is_valid(cls, strategy: str) -> bool:
        """Return True if a string names a strategy, ignoring case.

        Args:
            strategy: Any string.
        """
        return strategy.strip().lower() in cls.all_strategies()

    @classmethod
    def all_strategies(cls) -> list[str]:
        """Return the names of all strategies."""
        return [strategy.value for strategy in cls]

    @classmethod
    def of(cls, word: StarlakePreLoadStrategy | str | None) -> StarlakePreLoadStrategy:
        """Return the strategy of a name, ignoring case; None means ``none``.

        Args:
            word: A strategy, or its name.

        Raises:
            StarlakeError: If there is no such strategy.
        """
        return cls.NONE if word is None else super().of(word)

    @classmethod
    def _complaint(cls, text: str) -> str:
        return f"option pre_load_strategy: {text!r} is not a pre-load strategy"
