"""Engines that run the lazy frames of Python tasks: the seam between the engine and packages that offer one.

A package offers a `LazyEngineFactory` as an entry point of the group `starlake.lazy_engines`. The name of the entry
point is what ``engine`` says in the YAML of a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

RUN_ID = "SL_RUN_ID"
"""The variable by which executors tell a command its run: the first of a chain of re-executions."""


@dataclass(frozen=True)
class LazySession:
    """The command that a `LazyEngine` works for.

    Args:
        environment: The environment of the command, secrets included.
        run_id: The run that the command belongs to, for the names and labels of what is started for it.
        tell: Takes what a person who watches the run wants to know.
        check: Raises when the command is to end.
    """

    environment: Mapping[str, str] = field(repr=False)
    run_id: str
    tell: Callable[[str], None]
    check: Callable[[], None]


@dataclass(frozen=True)
class LazyQuery:
    """A lazy frame to run.

    Args:
        frame: What the function of the task returned.
        task: The name of the task, ``domain.task``.
        folder: An empty folder that only this user can read.
    """

    frame: Any
    task: str
    folder: Path


class LazyEngine(Protocol):
    """Runs the lazy frames of one command."""

    def write(self, query: LazyQuery) -> None:
        """Run a lazy frame, and write all of its rows into the folder of the query, as files that end with .parquet.

        Raises:
            StarlakeError: If it is not a lazy frame, or if it fails.
        """
        ...

    def close(self) -> None:
        """Stop all that was started. Called once, however the command ends, possibly right after an interruption."""
        ...


LazyEngineFactory = Callable[[LazySession], LazyEngine]
