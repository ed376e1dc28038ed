"""The strategies by which a domain is loaded or skipped."""

from __future__ import annotations

from ai.starlake.job.names import JobWord


class StarlakePreLoadStrategy(JobWord):
    """The conditions under which a domain is loaded.

    ``none``: always. ``imported``: files wait in the landing area; they are imported first. ``pending``: files wait in
    the pending area of the domain. ``ack``: an acknowledgement file is there.
    """

    NONE = "none"
    IMPORTED = "imported"
    PENDING = "pending"
    ACK = "ack"

    @property
    def awaited(self) -> str:
        """What a check of the strategy waits for, as names of tasks say it."""
        return {self.IMPORTED: "incoming_files", self.PENDING: "pending_files", self.ACK: "ack_file"}[self]

    @classmethod
    def is_valid(cls, strategy: str) -> bool:
        """Return True if a text names a strategy; case does not matter."""
        return strategy.strip().lower() in cls.all_strategies()

    @classmethod
    def all_strategies(cls) -> list[str]:
        """Return the names of all strategies."""
        return [strategy.value for strategy in cls]

    @classmethod
    def of(cls, word: StarlakePreLoadStrategy | str | None) -> StarlakePreLoadStrategy:
        """Read a strategy; case does not matter, and None stands for ``none``.

        Raises:
            StarlakeError: If it is not one of them.
        """
        return cls.NONE if word is None else super().of(word)

    @classmethod
    def _complaint(cls, text: str) -> str:
        return f"option pre_load_strategy: {text!r} is not a pre-load strategy"
