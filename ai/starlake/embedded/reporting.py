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
        """The files of a domain are about to move from its landing area to its stage area."""

    def planned(self, jobs: int) -> None:
        """That many ingestions more are to come."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """An ingestion begins."""

    def loaded(self, job: JobResult) -> None:
        """An ingestion ended, well or not."""

    def transforming(self, task: str) -> None:
        """A task begins."""


class Silent:
    """Tells nobody."""

    def staging(self, source: Path, target: Path, moves: tuple[Move, ...]) -> None:
        """Does nothing."""

    def planned(self, jobs: int) -> None:
        """Does nothing."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Does nothing."""

    def loaded(self, job: JobResult) -> None:
        """Does nothing."""

    def transforming(self, task: str) -> None:
        """Does nothing."""
