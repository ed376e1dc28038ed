"""Conversion of the tasks of a pipeline to a Dagster graph.

Each group becomes a graph, each task an invocation of its op under its own name. An input that orders ops carries
nothing and accepts any number of sources, so that a job has as many connections as its pipeline, not a multiple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dagster import (
    DependencyDefinition,
    GraphDefinition,
    In,
    InputMapping,
    MultiDependencyDefinition,
    NodeInvocation,
    Nothing,
    OpDefinition,
    OutputMapping,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.pre_load_op import READY, SKIPPED
from ai.starlake.orchestration import AbstractDependency, AbstractTask, AbstractTaskGroup
from ai.starlake.orchestration.ordering.links import AnyTask, Link, Links, Source, TaskOutcome, is_empty, meeting
from ai.starlake.orchestration.ordering.run_conditions import RunCondition
from ai.starlake.orchestration.task_graph import TaskGraph

START = "start"
"""Input of every op, and of every group's graph, that orders it after others."""

_FEW = 64
"""Connections between two groups that are made one by one; more of them join in an op that only orders."""


Join = Callable[[str, AbstractTaskGroup, Iterable[str]], AbstractTask[OpDefinition]]
"""Creates a task that only orders, from its name, its group, and its inputs."""


@dataclass
class _Graph:
    """The parts of the graph of a group.

    Args:
        wired: Sources by member and input: an output of a member, or the name of an input of the graph itself.
        inputs: Inputs of the graph, by their targets in the group.
        outputs: Outputs of the graph, by their sources in the group.
    """

    wired: dict[tuple[AbstractDependency, str], dict[DependencyDefinition | str, None]] = field(default_factory=dict)
    inputs: dict[tuple[AbstractDependency, RunCondition], str] = field(default_factory=dict)
    outputs: dict[tuple[AbstractDependency, str], str] = field(default_factory=dict)

    def wire(self, member: AbstractDependency, name: str, source: DependencyDefinition | str) -> None:
        self.wired.setdefault((member, name), {})[source] = None


class Assembly:
    """Creates the graph of a pipeline.

    Args:
        graph: The tasks of the pipeline, and their order.
        join: Creates a task that only orders.

    Raises:
        StarlakeError: If tasks wait for each other in a circle, or if a task that cannot wait has to.
    """

    def __init__(self, graph: TaskGraph[OpDefinition], join: Join) -> None:
        self._tasks = graph
        self._join = join
        self._links = Links(graph)
        self._graphs: dict[AbstractTaskGroup, _Graph] = {}
        self._gates: dict[AnyTask, AnyTask] = {}

    def graph(self) -> GraphDefinition:
        """Return the graph, named as the pipeline."""
        for task, conditions in list(self._links.conditions.items()):
            if len(conditions) > 1:
                self._gate(task, len(conditions))
        for link in self._links:
            self._connect(link)
        return self._built(self._tasks.root, self._tasks.name)

    def _gate(self, task: AnyTask, inputs: int) -> None:
        """Put an op before a task that waits for ops which are skipped under different conditions.

        A fan-in input fires on any source, so the gate op has one input per condition and requires all.
        """
        parent = _parent(task)
        names = [f"{START}_{number}" for number in range(1, inputs + 1)]
        gate = self._join(f"{task.id}_when_ready", parent, names)
        self._graph(parent).wire(task, _input_of(task), _output(gate))
        self._gates[task] = gate

    def _connect(self, link: Link) -> None:
        group, _, after = meeting(link.before, link.after)
        sources = link.sources
        fans_out = isinstance(after, AbstractTaskGroup) and len(self._links.entries(after)) > 1
        if fans_out and len(sources) > _FEW:
            name = sanitize_id(f"{link.before.full_id}_before_{link.after.full_id}")
            join = self._join(name, group, [START])
            self._wire(group, join, START, sources)
            sources = [Source(join, TaskOutcome.DONE)]
        member, name = self._entry(group, link.after, link.condition)
        self._wire(group, member, name, sources)

    def _wire(self, group: AbstractTaskGroup, member: AbstractDependency, name: str, sources: Iterable[Source]) -> None:
        for source in sources:
            self._graph(group).wire(member, name, self._exit(group, source))

    def _exit(self, group: AbstractTaskGroup, source: Source) -> DependencyDefinition:
        """Return an output of a task as seen from a group around it; the groups between get an output each for it."""
        member: AbstractDependency = source.task
        output = _output_name(source)
        while member.parent is not group:
            parent = _parent(member)
            graph = self._graph(parent)
            output = graph.outputs.setdefault((member, output), f"{member.id}_{output}")
            member = parent
        return DependencyDefinition(member.id, output)

    def _entry(
        self, group: AbstractTaskGroup, after: AbstractDependency, condition: RunCondition
    ) -> tuple[AbstractDependency, str]:
        """Return the member of a group, and its input, that lead to a task or group in it."""
        member = after
        while member.parent is not group:
            member = _parent(member)
        if isinstance(member, AbstractTask):
            return self._entry_of_task(member, condition)
        assert isinstance(member, AbstractTaskGroup)  # noqa: S101  a member is either
        graph = self._graph(member)
        name = graph.inputs.get((after, condition))
        if name is None:
            name = _free(START if after is member else f"{START}_{after.id}", graph.inputs.values())
            graph.inputs[after, condition] = name
            for inner in self._links.entries(member) if after is member else [after]:
                target, target_input = self._entry(member, inner, condition)
                graph.wire(target, target_input, name)
        return member, name

    def _entry_of_task(self, task: AnyTask, condition: RunCondition) -> tuple[AbstractDependency, str]:
        gate = self._gates.get(task)
        if gate is None:
            return task, _input_of(task)
        return gate, f"{START}_{self._links.conditions[task].index(condition) + 1}"

    def _graph(self, group: AbstractTaskGroup) -> _Graph:
        return self._graphs.setdefault(group, _Graph())

    def _built(self, group: AbstractTaskGroup, name: str) -> GraphDefinition:
        graph = self._graph(group)
        nodes: dict[str, OpDefinition | GraphDefinition] = {}
        dependencies: dict[NodeInvocation, dict[str, Any]] = {}
        of_members: dict[AbstractDependency, dict[str, Any]] = {}
        mappings: list[InputMapping] = []
        for (member, given), sources in graph.wired.items():
            mapped = list(_input_mappings(member, given, list(sources)))
            mappings += mapped
            if len(sources) > len(mapped) or len(sources) > 1:
                of_members.setdefault(member, {})[given] = _dependency(list(sources))
        for member in group.members:
            if is_empty(member):
                continue
            if isinstance(member, AbstractTask):
                node = member.task
            else:
                assert isinstance(member, AbstractTaskGroup)  # noqa: S101  a member is either
                node = self._built(member, f"{name}__{member.id}")
            nodes[node.name] = node
            dependencies[NodeInvocation(node.name, alias=member.id)] = of_members.get(member, {})
        return GraphDefinition(
            name=name,
            node_defs=list(nodes.values()),
            dependencies=dependencies,
            input_mappings=mappings,
            output_mappings=[
                OutputMapping(graph_output_name=outer, mapped_node_name=member.id, mapped_node_output_name=inner)
                for (member, inner), outer in graph.outputs.items()
            ],
        )


def _parent(member: AbstractDependency) -> AbstractTaskGroup:
    assert member.parent is not None  # noqa: S101  only the pipeline itself has none
    return member.parent


def _output_name(source: Source) -> str:
    """Return the output of an op for the condition that another task waits for."""
    if source.outcome is TaskOutcome.DONE:
        return _compat.first_output(source.task.task)
    return READY if source.outcome is TaskOutcome.READY else SKIPPED


def _output(task: AnyTask) -> DependencyDefinition:
    return DependencyDefinition(task.id, _output_name(Source(task, TaskOutcome.DONE)))


def _input_of(task: AnyTask) -> str:
    """Return the ordering input of an op."""
    name = _compat.ordering_input(task.task)
    if name is None:
        raise StarlakeError(f"{task.label} cannot wait for anything: nothing comes before {task.full_id}")
    return name


def _free(name: str, taken: Iterable[str]) -> str:
    known = set(taken)
    return next(
        candidate
        for number in range(len(known) + 1)
        for candidate in [f"{name}_{number}" if number else name]
        if candidate not in known
    )


def _input_mappings(
    member: AbstractDependency, name: str, sources: list[DependencyDefinition | str]
) -> Iterable[InputMapping]:
    for index, source in enumerate(sources):
        if isinstance(source, str):
            yield InputMapping(
                graph_input_name=source,
                mapped_node_name=member.id,
                mapped_node_input_name=name,
                fan_in_index=index if len(sources) > 1 else None,
            )


def _dependency(sources: list[DependencyDefinition | str]) -> DependencyDefinition | MultiDependencyDefinition:
    entries = [_compat.MAPPED_INPUT if isinstance(source, str) else source for source in sources]
    if len(entries) == 1 and isinstance(entries[0], DependencyDefinition):
        return entries[0]
    return MultiDependencyDefinition(entries)


_CARRIES_NOTHING = In(Nothing)


def ordering_inputs(names: Iterable[str]) -> dict[str, In]:
    """Return inputs that carry nothing and only order ops."""
    return dict.fromkeys(names, _CARRIES_NOTHING)
