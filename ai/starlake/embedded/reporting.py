"""What a command tells while it works; the engine calls, whoever runs it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from ai.starlake.embedded.results import JobResult, Move
from ai.starlake.project import Table

Tell = Callable[[Literal["stdout", "stderr"], str], None]
"""Takes a text for one of the two streams."""


class EngineReporter(Protocol):
    """Is told what happens, as it happens."""

    def staging(self, source: Path, target: Path, moves: tuple[Move, ...]) -> None:
        """Take the files of a domain that are about to move from its landing area to its stage area."""

    def planned(self, jobs: int) -> None:
        """Take the number of ingestions that are still to come."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Take the beginning of an ingestion."""

    def loaded(self, job: JobResult) -> None:
        """Take the end of an ingestion, successful or not."""

    def transforming(self, task: str) -> None:
        """Take the beginning of a task."""

    def progressing(self, text: str) -> None:
        """Take what a person who waits for a task wants to know, such as that a machine starts."""


class Silent:
    """Tells nobody."""

    def staging(self, source: Path, target: Path, moves: tuple[Move, ...]) -> None:
        """Do nothing."""

    def planned(self, jobs: int) -> None:
        """Do nothing."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Do nothing."""

    def loaded(self, job: JobResult) -> None:
        """Do nothing."""

    def transforming(self, task: str) -> None:
        """Do nothing."""

    def progressing(self, text: str) -> None:
        """Do nothing."""
