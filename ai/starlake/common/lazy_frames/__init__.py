"""Engines for the lazy frames of Python tasks: the interface between the embedded engine and packages with an engine.

A package registers a `LazyEngineFactory` as an entry point of the group `starlake.lazy_engines`. The name of the entry
point is the value of ``engine`` in the YAML of a task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

RUN_ID = "SL_RUN_ID"
"""Variable by which executors pass the run to a command: the first run of a chain of re-executions."""


@dataclass(frozen=True)
class LazySession:
    """The command that a `LazyEngine` works for.

    Args:
        environment: The environment of the command, secrets included.
        run_id: The run that the command belongs to, for the names and labels of resources that are started for it.
        tell: Receives progress messages.
        check: Raises an error if the command has to end.
    """

    environment: Mapping[str, str] = field(repr=False)
    run_id: str
    tell: Callable[[str], None]
    check: Callable[[], None]


@dataclass(frozen=True)
class LazyQuery:
    """A lazy frame to run.

    Args:
        frame: The value that the function of the task returned.
        task: The name of the task, ``domain.task``.
        folder: An empty folder that only the current user can read.
    """

    frame: Any
    task: str
    folder: Path


class LazyEngine(Protocol):
    """Runs the lazy frames of one command."""

    def write(self, query: LazyQuery) -> None:
        """Run a lazy frame, and write all of its rows to the folder of the query, as files that end with .parquet.

        Raises:
            StarlakeError: If it is not a lazy frame, or if it fails.
        """
        ...

    def close(self) -> None:
        """Stop all that was started. Called once, however the command ends, possibly right after an interruption."""
        ...


LazyEngineFactory = Callable[[LazySession], LazyEngine]
