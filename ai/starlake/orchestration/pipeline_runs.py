"""Runs of a pipeline by any orchestrator: their dates, options and reports, and the graph of their steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Protocol

from ai.starlake.common import DataInterval


@dataclass(frozen=True)
class RunDate:
    """The dates that a run is for.

    Args:
        logical: Its logical date.
        interval: The span of time whose data it is for, where that is known.
        partition: The key of its partition, where the pipeline has partitions.
    """

    logical: datetime
    interval: DataInterval | None = None
    partition: str | None = None

    def __str__(self) -> str:
        return self.partition or self.logical.isoformat(sep=" ", timespec="seconds")


class StepState(str, Enum):
    """How far a step is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    PLANNED = "planned"


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Args:
        name: Its name, with the groups it is in, separated by dots.
        state: How far it is.
        seconds: How long it took.
        detail: What came of it, or why it failed, in words.
        commands: The commands that it ran, or would run in a dry run; secrets masked.
        works: True if it runs a command that loads or transforms, rather than orders or checks others.
        rows: The rows that it read, accepted and rejected, where that is known.
    """

    name: str
    state: StepState
    seconds: float | None = None
    detail: str = ""
    commands: tuple[str, ...] = ()
    works: bool = False
    rows: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class RunReport:
    """The result of a run.

    Args:
        pipeline: The name of the pipeline.
        run_id: The id of the run.
        date: What it was for; None when that was left to the launch.
        steps: Its steps, in the order in which they ran; those that did not come to run last.
        success: True if all went well.
    """

    pipeline: str
    run_id: str
    date: RunDate | None
    steps: Sequence[Step]
    success: bool

    @property
    def skipped(self) -> bool:
        """Return True if the run went well without loading or transforming anything."""
        works = [step for step in self.steps if step.works]
        return self.success and bool(works) and all(step.state is StepState.SKIPPED for step in works)

    @property
    def rows(self) -> tuple[int, int, int] | None:
        """Return the rows that its steps read, accepted and rejected; None where no step knows."""
        known = [step.rows for step in self.steps if step.rows]
        return (
            (sum(each[0] for each in known), sum(each[1] for each in known), sum(each[2] for each in known))
            if known
            else None
        )

    @property
    def outcome(self) -> str:
        """Return its result in a word: ``succeeded``, ``skipped`` or ``failed``."""
        if self.skipped:
            return "skipped"
        return "succeeded" if self.success else "failed"


Listener = Callable[[Step], None]
"""Called with each step when it begins and when it has ended."""


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Args:
        dry: True if commands are shown instead of run.
        substitutions: What commands get as further ``--options``; a section named as a table, a task or an op is for
            that one only.
        recorded: True if the run and what it produces is recorded in the instance of the orchestrator that the
            environment names. Otherwise nothing is left of it but the data.
        listener: Is told of the steps.
    """

    dry: bool = False
    substitutions: Mapping[str, Any] = field(default_factory=dict)
    recorded: bool = False
    listener: Listener | None = None


@dataclass(frozen=True)
class Summary:
    """The facts about a pipeline for one line of a list.

    Args:
        name: Its name.
        steps: How many steps it has.
        schedule: When it runs by the clock.
        sensor: The data that it waits for.
        partitions: Its partitions.
        loads: How many tables it loads.
    """

    name: str
    steps: int
    schedule: str | None = None
    sensor: str | None = None
    partitions: str | None = None
    loads: int = 0


@dataclass(frozen=True)
class GraphStep:
    """A step of a graph.

    Args:
        name: Its unique name in the graph: the names of its groups and its own.
        label: How it is shown.
        groups: The groups that it is in, outermost first.
    """

    name: str
    label: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class PipelineGraph:
    """The steps of a pipeline and their order, as plain data.

    Args:
        name: The name of the pipeline.
        steps: Its steps.
        edges: Pairs of names of steps: the second one comes after the first.
    """

    name: str
    steps: Sequence[GraphStep]
    edges: Sequence[tuple[str, str]]


class RunnablePipeline(Protocol):
    """A pipeline as the command ``python -m ai.starlake.orchestration`` uses it."""

    @property
    def pipeline_id(self) -> str:
        """Return its name."""

    def summary(self) -> Summary:
        """Return the facts for one line of a list."""

    def section_names(self) -> frozenset[str]:
        """Return the names that a section of options may have: those of its tables, tasks and ops."""

    def graph(self) -> PipelineGraph:
        """Return its steps and their order."""

    def date_of(self, timestamp: date | datetime) -> RunDate:
        """Return the dates of a run for a day or a timestamp, which is by default in the time zone of the pipeline.

        Raises:
            StarlakeError: If there is no such run, or more than one on that day.
        """

    def dates_between(self, first: date | datetime, last: date | datetime) -> Sequence[RunDate]:
        """Return the dates of the runs from `first` to `last`, both included, in the order of time.

        Raises:
            StarlakeError: If the pipeline has no partitions for a part of that time.
        """

    def execute(self, run_date: RunDate | None = None, options: RunOptions = ...) -> RunReport:
        """Run it once, to the end, in this process.

        Args:
            run_date: What the run is for; by default the newest partition that is over, or the time of the launch.
            options: How the run is made.
        """
