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
    """The dates of a run.

    Args:
        logical: Its logical date.
        interval: The time span whose data it processes, if known.
        partition: The key of its partition, if the pipeline has partitions.
    """

    logical: datetime
    interval: DataInterval | None = None
    partition: str | None = None

    def __str__(self) -> str:
        return self.partition or self.logical.isoformat(sep=" ", timespec="seconds")


class StepState(str, Enum):
    """Progress of a step."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    PLANNED = "planned"


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Args:
        name: Its name, with its groups, separated by dots.
        state: Its state.
        seconds: Its duration.
        detail: Its summary or its error.
        commands: The commands that it ran, or would run in a dry run; secrets masked.
        works: True if it runs a command that loads or transforms, rather than orders or checks others.
        rows: The rows that it read, accepted and rejected, if known.
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
        date: Its date; None if it was determined at the launch.
        steps: Its steps, in execution order; those that did not run last.
        success: True if it succeeded.
    """

    pipeline: str
    run_id: str
    date: RunDate | None
    steps: Sequence[Step]
    success: bool

    @property
    def skipped(self) -> bool:
        """True if the run succeeded without loading or transforming anything."""
        works = [step for step in self.steps if step.works]
        return self.success and bool(works) and all(step.state is StepState.SKIPPED for step in works)

    @property
    def rows(self) -> tuple[int, int, int] | None:
        """Rows that its steps read, accepted and rejected; None if no step reports them."""
        known = [step.rows for step in self.steps if step.rows]
        return (
            (sum(each[0] for each in known), sum(each[1] for each in known), sum(each[2] for each in known))
            if known
            else None
        )

    @property
    def outcome(self) -> str:
        """Outcome of the run: ``succeeded``, ``skipped`` or ``failed``."""
        if self.skipped:
            return "skipped"
        return "succeeded" if self.success else "failed"


Listener = Callable[[Step], None]
"""Called with each step when it starts and when it has ended."""


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Args:
        dry: True if commands are shown instead of run.
        substitutions: Further ``--options`` of commands; a section with the name of a table, a task or an op applies to
            that one only.
        recorded: True if the run and its assets are recorded in the orchestrator's instance of the environment.
            Otherwise only the data remains.
        listener: Called for each step.
    """

    dry: bool = False
    substitutions: Mapping[str, Any] = field(default_factory=dict)
    recorded: bool = False
    listener: Listener | None = None


@dataclass(frozen=True)
class Summary:
    """Facts about a pipeline for one line of a list.

    Args:
        name: Its name.
        steps: Number of steps.
        schedule: Its schedule.
        sensor: The data that it waits for.
        partitions: Its partitions.
        loads: Number of loaded tables.
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
        label: Its display name.
        groups: Its groups, outermost first.
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
    """A pipeline for the command ``python -m ai.starlake.orchestration``."""

    @property
    def pipeline_id(self) -> str:
        """Name of the pipeline."""

    def summary(self) -> Summary:
        """Return the facts for one line of a list."""

    def section_names(self) -> frozenset[str]:
        """Return the valid names of sections of options: those of its tables, tasks and ops."""

    def graph(self) -> PipelineGraph:
        """Return its steps and their order."""

    def date_of(self, timestamp: date | datetime) -> RunDate:
        """Return the dates of a run for a day or a timestamp, by default in the time zone of the pipeline.

        Raises:
            StarlakeError: If there is no such run, or more than one on that day.
        """

    def dates_between(self, first: date | datetime, last: date | datetime) -> Sequence[RunDate]:
        """Return the dates of the runs from `first` to `last`, both included, in chronological order.

        Raises:
            StarlakeError: If the pipeline has no partitions for a part of that time.
        """

    def execute(self, run_date: RunDate | None = None, options: RunOptions = ...) -> RunReport:
        """Run it once, to the end, in this process.

        Args:
            run_date: Its date; by default the last partition that has ended, or the time of the launch.
            options: The options of the run.
        """
