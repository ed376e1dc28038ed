"""Conversion of the order of tasks and groups to the links of each task.

A pre-load check has one of two outcomes. Downstream tasks within its outermost group wait for the outcome "ready";
tasks after that group wait for either, so that the end of a pipeline, and the deletion of a cluster, also run if there
is nothing to load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.job import TaskType
from ai.starlake.orchestration.ordering.run_conditions import ALWAYS, RunCondition, all_of, any_of, checks_of, without
from ai.starlake.orchestration.task_graph import AbstractDependency, AbstractTask, AbstractTaskGroup, TaskGraph

AnyTask = AbstractTask[Any]
Edge = tuple[AbstractDependency, AbstractDependency]


class TaskOutcome(Enum):
    """Outcomes of a task: ready or skipped for a pre-load check, done for any other task."""

    DONE = "done"
    READY = "ready"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Source:
    """An outcome of a task that others wait for."""

    task: AnyTask
    outcome: TaskOutcome


@dataclass
class Link:
    """A link: a dependency of a task or a group.

    Args:
        before: The predecessor in the pipeline.
        after: The waiting task or group.
        sources: The outcomes that it waits for; it runs if at least one has occurred, after all are decided.
        condition: The condition under which one of the sources occurs.
    """

    before: AbstractDependency
    after: AbstractDependency
    sources: list[Source] = field(default_factory=list)
    condition: RunCondition = ALWAYS


class Links:
    """Links of a pipeline: the dependencies of each task and group.

    Args:
        graph: The tasks of the pipeline.
        keep_last: True if the last tasks of a group keep their direct predecessors, whatever is in between.

    Raises:
        StarlakeError: If tasks have circular dependencies.
    """

    def __init__(self, graph: TaskGraph[Any], *, keep_last: bool = False) -> None:
        self._graph = graph
        self._edges = _without_detours(_without_empty_groups(graph), keep_last=keep_last)
        self._links = [Link(before, after) for before, after in self._edges]
        self.conditions: dict[AnyTask, list[RunCondition]] = {}
        """The distinct conditions of the dependencies of each task."""
        self.outcomes: dict[AnyTask, RunCondition] = {}
        """The condition for the outcome of each task that others wait for."""
        self._entries: dict[AbstractTaskGroup, list[AbstractDependency]] = {}
        for member in (graph.root, *graph.root.walk()):
            if isinstance(member, AbstractTaskGroup):
                waiting = self._inner[1].get(member, set())
                self._entries[member] = [m for m in member.members if m not in waiting and not is_empty(m)]
        self._resolve()

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links)

    def entries(self, group: AbstractTaskGroup) -> list[AbstractDependency]:
        """Return the first members of a group: those that wait for no other member."""
        return self._entries[group]

    def waiting(self) -> dict[AnyTask, list[Link]]:
        """Return the links of each waiting task, those of its groups included."""
        found: dict[AnyTask, list[Link]] = {}
        for link, firsts in zip(self._links, self._firsts, strict=True):
            for task in firsts:
                found.setdefault(task, []).append(link)
        return found

    def _exits(self, group: AbstractTaskGroup) -> list[AbstractDependency]:
        waited_for = self._inner[0].get(group, set())
        return [member for member in group.members if member not in waited_for and not is_empty(member)]

    @cached_property
    def _inner(self) -> tuple[dict[AbstractTaskGroup, set[AbstractDependency]], ...]:
        """By group, the members that other members wait for, and the members that wait for others."""
        befores: dict[AbstractTaskGroup, set[AbstractDependency]] = {}
        afters: dict[AbstractTaskGroup, set[AbstractDependency]] = {}
        for before, after in self._edges:
            group, first, second = meeting(before, after)
            befores.setdefault(group, set()).add(first)
            afters.setdefault(group, set()).add(second)
        return befores, afters

    def _outputs(self, of: AbstractDependency) -> list[Source]:
        """Return the outcomes that mean that a task, or all of a group, is done."""
        if isinstance(of, AbstractTask):
            return [Source(of, TaskOutcome.READY if of.task_type is TaskType.PRELOAD else TaskOutcome.DONE)]
        assert isinstance(of, AbstractTaskGroup)  # noqa: S101
        return [source for member in self._exits(of) for source in self._outputs(member)]

    def _tasks_first_in(self, of: AbstractDependency) -> Iterator[AnyTask]:
        if isinstance(of, AbstractTask):
            yield of
        elif isinstance(of, AbstractTaskGroup):
            for member in self.entries(of):
                yield from self._tasks_first_in(member)

    def _resolve(self) -> None:
        """Resolve the sources and conditions of all links, and the conditions of tasks, in the order of the tasks."""
        for link in self._links:
            link.sources = list(dict.fromkeys(self._outputs(link.before)))
        own: dict[AnyTask, RunCondition] = {}
        reached: dict[AnyTask, dict[RunCondition, None]] = {}
        for item in self._sorted():
            if isinstance(item, int):
                self._qualify(self._links[item], own)
                for task in self._firsts[item]:
                    reached.setdefault(task, {})[self._links[item].condition] = None
            else:
                is_check = item.task_type is TaskType.PRELOAD
                own[item] = all_of([*reached.get(item, ()), frozenset([item] if is_check else [])])
        self.conditions = {task: list(conditions) for task, conditions in reached.items()}
        self.outcomes = own

    @cached_property
    def _firsts(self) -> list[list[AnyTask]]:
        return [list(self._tasks_first_in(link.after)) for link in self._links]

    def _sorted(self) -> list[Any]:
        """Return all tasks, and the numbers of all links, each after its dependencies."""
        sorter: TopologicalSorter[Any] = TopologicalSorter()
        for task in self._graph.tasks:
            sorter.add(task)
        for number, link in enumerate(self._links):
            sorter.add(number, *(source.task for source in link.sources))
            for task in self._firsts[number]:
                sorter.add(task, number)
        try:
            return list(sorter.static_order())
        except CycleError as error:
            circle = [item.full_id for item in error.args[1] if isinstance(item, AbstractTask)]
            raise StarlakeError(
                f"pipeline {self._graph.name}: tasks wait for each other in a circle",
                cause=" >> ".join(circle),
                fix="take one of these out of the order",
            ) from None

    def _qualify(self, link: Link, own: dict[AnyTask, RunCondition]) -> None:
        """Return the condition of a link, with the other outcome of the checks that it leads out of."""
        condition = any_of(own[source.task] for source in link.sources)
        checks = {check for source in link.sources for check in checks_of(own[source.task])}
        left = sorted((check for check in checks if _leads_out(check, link)), key=lambda check: check.full_id)
        link.sources = [*link.sources, *(Source(check, TaskOutcome.SKIPPED) for check in left)]
        link.condition = without(condition, left)


def is_empty(member: AbstractDependency) -> bool:
    """Return True for a group without any task."""
    return isinstance(member, AbstractTaskGroup) and all(is_empty(inner) for inner in member.members)


def meeting(
    one: AbstractDependency, other: AbstractDependency
) -> tuple[AbstractTaskGroup, AbstractDependency, AbstractDependency]:
    """Return the innermost common group, and its members that they are, or are in.

    Raises:
        StarlakeError: If one of them is in the other.
    """
    paths = (*one.path, one), (*other.path, other)
    for level, (first, second) in enumerate(zip(*paths, strict=False)):
        if first is not second:
            group = paths[0][level - 1]
            assert isinstance(group, AbstractTaskGroup)  # noqa: S101  it has members
            return group, first, second
    raise StarlakeError(f"{one!r} and {other!r} cannot be put in order: one of them is, or contains, the other")


def _leads_out(check: AnyTask, link: Link) -> bool:
    """Return True if a link leads out of the outermost group of a check.

    A check without a group is left by a link to an ordering task without a group: the end of the pipeline.
    """
    groups = check.path[1:]
    if groups:
        return groups[0] not in (*link.after.path, link.after)
    return isinstance(link.after, AbstractTask) and not link.after.works and link.after.parent is check.parent


def _without_empty_groups(graph: TaskGraph[Any]) -> list[Edge]:
    """Return the order, with successors of a group without tasks directly after its predecessors."""
    edges = dict.fromkeys(graph.edges)
    for member in graph.root.walk():
        if is_empty(member):
            befores = [before for before, after in edges if after is member]
            afters = [after for before, after in edges if before is member]
            edges = {edge: None for edge in edges if member not in edge}
            edges.update(dict.fromkeys((before, after) for before in befores for after in afters))
    return list(edges)


def _without_detours(edges: list[Edge], *, keep_last: bool) -> list[Edge]:
    """Return the order without redundant edges of the first and the last tasks of a group.

    Generated files put every task after the first one and before the last one, whatever else it waits for.
    """
    by_group: dict[AbstractTaskGroup, list[Edge]] = {}
    indirect: set[AbstractTaskGroup] = set()
    for before, after in edges:
        group, first, second = meeting(before, after)
        by_group.setdefault(group, []).append((before, after))
        if (first, second) != (before, after):
            indirect.add(group)
    kept: set[Edge] = set()
    for group, of_group in by_group.items():
        if group in indirect:
            kept.update(of_group)
            continue
        forward = _peeled(group.members, of_group)
        if keep_last:
            kept.update(forward)
            continue
        backward = _peeled(group.members, [(after, before) for before, after in forward])
        kept.update((before, after) for after, before in backward)
    return [edge for edge in edges if edge in kept]


def _peeled(members: Iterable[AbstractDependency], edges: list[Edge]) -> list[Edge]:
    """Drop the edges from the one member that precedes all others to those that also have other predecessors.

    Repeat this with the rest, as long as one member precedes all others.
    """
    after: dict[AbstractDependency, list[AbstractDependency]] = {}
    count = {member: 0 for member in members if not is_empty(member)}
    for first, second in edges:
        after.setdefault(first, []).append(second)
        count[second] += 1
    dropped: set[Edge] = set()
    firsts = [member for member, waits_for in count.items() if waits_for == 0]
    while len(firsts) == 1:
        first = firsts[0]
        firsts = []
        for second in after.get(first, ()):
            if count[second] > 1:
                dropped.add((first, second))
            count[second] -= 1
            if count[second] == 0:
                firsts.append(second)
    return [edge for edge in edges if edge not in dropped]
