"""Steps of a job: their order, and their states in a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dagster import (
    DagsterEvent,
    DagsterEventType,
    DependencyDefinition,
    EventLogEntry,
    GraphDefinition,
    JobDefinition,
    MultiDependencyDefinition,
)

from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import INTERRUPTED
from ai.starlake.dagster.run_options import Path, steps_of
from ai.starlake.orchestration.command_runs.command_runner import DRY_RUN
from ai.starlake.orchestration.pipeline_runs import GraphStep, Listener, PipelineGraph, Step, StepState

_COMMAND = "starlake/command"
_LONGEST_DETAIL = 2_000


class Steps:
    """Tracks the steps of a run by its events.

    Args:
        names: The names of all steps.
        working: The names of those that load or transform.
        dry: True if commands are shown instead of run.
        listener: Called for each step that starts or ends.
    """

    def __init__(
        self,
        names: Iterable[str],
        working: Collection[str] = (),
        *,
        dry: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self._steps = {
            name: Step(name, StepState.SKIPPED, detail="not reached", works=name in working) for name in names
        }
        self._order: dict[str, None] = {}
        self.interrupted = False
        self._dry = dry
        self._listener = listener

    def __call__(self, entry: EventLogEntry) -> None:
        """Read an entry of the log of the run."""
        name = entry.step_key
        if name not in self._steps:
            return
        event = entry.dagster_event
        self.interrupted |= bool(event and event.is_step_failure and _is_interruption(event))
        before = self._steps[name]
        after = self._after_event(before, event) if event else _after_log(before, entry)
        if after == before:
            return
        self._steps[name] = after
        self._order[name] = None
        if self._listener and after.state is not before.state:
            self._listener(after)

    def all(self) -> list[Step]:
        """Return the steps: started ones in the order of their start, then the others."""
        return [self._steps[name] for name in {**self._order, **dict.fromkeys(self._steps)}]

    def _after_event(self, step: Step, event: DagsterEvent) -> Step:
        change = _CHANGES.get(event.event_type)
        after = change(step, event) if change else step
        if self._dry and after.commands and after.state is StepState.SUCCEEDED:
            return replace(after, state=StepState.PLANNED)
        return after


def _materialized(step: Step, event: DagsterEvent) -> Step:
    made = _compat.materialization_of(event)
    command = made.metadata.get(_COMMAND)
    commands = (*step.commands, str(command.value)) if command else step.commands
    counts = [made.metadata.get(f"starlake/rows_{name}") for name in ("read", "accepted", "rejected")]
    numbers = [count.value for count in counts if count is not None and isinstance(count.value, int)]
    rows = (numbers[0], numbers[1], numbers[2]) if len(numbers) == len(counts) else step.rows
    return replace(step, detail=made.description or step.detail, commands=commands, rows=rows)


def _after_log(step: Step, entry: EventLogEntry) -> Step:
    """Return a step after a message of its op: in a dry run, with the command that it would have run."""
    message = _compat.message_of(entry)
    if message.startswith(DRY_RUN):
        return replace(step, commands=(*step.commands, message.removeprefix(DRY_RUN)))
    if step.state is StepState.RUNNING and entry.level in _TELLING:
        return replace(step, detail=message[:_LONGEST_DETAIL])
    return step


_TELLING = (logging.INFO, logging.WARNING, logging.ERROR)


def _is_interruption(event: DagsterEvent) -> bool:
    failure = _compat.failure_of(event)
    return failure.description == INTERRUPTED or failure.error in _INTERRUPTIONS


_INTERRUPTIONS = {kind.__name__ for kind in _compat.INTERRUPTIONS}


def _reason(event: DagsterEvent) -> str:
    """Return the reason for the failure of a step: the description of a `Failure`, else the exception at its root."""
    failure = _compat.failure_of(event)
    return (failure.description or failure.root_message or "the step failed")[:_LONGEST_DETAIL]


_CHANGES: Mapping[DagsterEventType, Callable[[Step, DagsterEvent], Step]] = {
    DagsterEventType.STEP_START: lambda step, _: replace(step, state=StepState.RUNNING, detail=""),
    DagsterEventType.STEP_SUCCESS: lambda step, event: replace(
        step, state=StepState.SUCCEEDED, seconds=_compat.seconds_of(event)
    ),
    DagsterEventType.STEP_FAILURE: lambda step, event: replace(step, state=StepState.FAILED, detail=_reason(event)),
    DagsterEventType.STEP_SKIPPED: lambda step, _: replace(step, detail="nothing to do"),
    DagsterEventType.STEP_UP_FOR_RETRY: lambda step, _: replace(step, detail="is tried again"),
    DagsterEventType.ASSET_MATERIALIZATION: _materialized,
}
"""Outcomes of steps, by the type of the event."""


def graph_of(job: JobDefinition) -> PipelineGraph:
    """Return the steps of a job, with their groups, and their order.

    An edge between steps of different groups passes through the inputs and outputs of these; it is resolved to the
    steps. All is sorted by name: Dagster keeps ops in no defined order.
    """
    steps = [GraphStep(".".join(path), path[-1], path[:-1]) for path in sorted(path for path, _ in steps_of(job))]
    edges = {(".".join(before), ".".join(after)) for before, after in _edges(_compat.graph_of_job(job), ())}
    return PipelineGraph(job.name, steps, sorted(edges))


def _members(graph: GraphDefinition) -> Mapping[str, Any]:
    return dict(_compat.nodes_of(graph))


def _edges(graph: GraphDefinition, path: Path) -> Iterator[tuple[Path, Path]]:
    members = _members(graph)
    for invocation, inputs in _compat.dependencies_of(graph).items():
        name = invocation.alias or invocation.name
        for input_name, dependency in inputs.items():
            for source in _sources(dependency):
                befores = list(_yielding(members[source.node], (*path, source.node), source.output))
                for after in _receiving(members[name], (*path, name), input_name):
                    yield from ((before, after) for before in befores)
    for name, definition in members.items():
        if isinstance(definition, GraphDefinition):
            yield from _edges(definition, (*path, name))


def _sources(dependency: Any) -> Iterator[DependencyDefinition]:
    if isinstance(dependency, MultiDependencyDefinition):
        yield from (one for one in dependency.dependencies if isinstance(one, DependencyDefinition))
    elif isinstance(dependency, DependencyDefinition):
        yield dependency


def _yielding(definition: Any, path: Path, output: str) -> Iterator[Path]:
    """Yield the step that yields an output of an op or a graph."""
    if not isinstance(definition, GraphDefinition):
        yield path
        return
    members = _members(definition)
    for mapping in definition.output_mappings:
        if mapping.graph_output_name == output:
            name, inner = _compat.inner_output(mapping)
            yield from _yielding(members[name], (*path, name), inner)


def _receiving(definition: Any, path: Path, input_name: str) -> Iterator[Path]:
    """Yield the steps that receive an input of an op or a graph."""
    if not isinstance(definition, GraphDefinition):
        yield path
        return
    members = _members(definition)
    for mapping in definition.input_mappings:
        if mapping.graph_input_name == input_name:
            name, inner = _compat.inner_input(mapping)
            yield from _receiving(members[name], (*path, name), inner)
