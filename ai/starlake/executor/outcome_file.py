"""The file in which a process of this machine reports the outcomes of its tables and tasks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ai.starlake.common.outcomes.outcome_data import OUTCOME_FILE, masked_outcomes, outcomes_of_text
from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.prepared import PreparedCommand


@dataclass(frozen=True)
class OutcomeFile:
    """A file for one command to write.

    Args:
        prepared: The command.
        path: The file; None if the outcomes are not wanted.
    """

    prepared: PreparedCommand
    path: Path | None = None

    @classmethod
    @contextmanager
    def of(cls, prepared: PreparedCommand, *, wanted: bool) -> Iterator[OutcomeFile]:
        """Create a folder for the file, which exists as long as the command runs.

        Args:
            prepared: The command.
            wanted: True if the outcomes are wanted.
        """
        if not wanted:
            yield cls(prepared)
            return
        with tempfile.TemporaryDirectory(prefix="starlake-outcomes-", ignore_cleanup_errors=True) as folder:
            yield cls(prepared, Path(folder) / "outcomes.json")

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the command, with the path of the file."""
        environment = self.prepared.environment
        return environment if self.path is None else {**environment, OUTCOME_FILE: str(self.path)}

    def read(self) -> tuple[TableOutcome, ...]:
        """Return the outcomes that the command wrote, secrets masked; empty if there are none that can be read."""
        if self.path is None:
            return ()
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ()
        return masked_outcomes(outcomes_of_text(text), self.prepared.mask)
