"""Progress of a command: the engine reports events, and its caller prints them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from ai.starlake.embedded.results import JobResult, Move
from ai.starlake.project import Table

Tell = Callable[[Literal["stdout", "stderr"], str], None]
"""Receives a string for one of the two streams."""


class EngineReporter(Protocol):
    """Receives events as they happen."""

    def staging(self, source: Path, target: Path, moves: tuple[Move, ...]) -> None:
        """Receive the files of a domain that are about to be moved from its landing area to its stage area."""

    def planned(self, jobs: int) -> None:
        """Receive the number of ingestions that are still to come."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Receive the start of an ingestion."""

    def loaded(self, job: JobResult) -> None:
        """Receive the end of an ingestion, successful or not."""

    def transforming(self, task: str) -> None:
        """Receive the start of a task."""

    def progressing(self, text: str) -> None:
        """Receive the progress of a task, such as the start of a machine."""


class Silent:
    """Reports nothing."""

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
