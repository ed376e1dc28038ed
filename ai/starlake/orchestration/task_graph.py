"""Tasks, groups of tasks, and their order, as plain data. An orchestrator creates its own objects from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from ai.starlake.common import NameRegistry, StarlakeError, sanitize_id
from ai.starlake.job import TaskType

NativeT = TypeVar("NativeT")


class AbstractDependency:
    """A node in the order of a pipeline: ``a >> b`` puts `b` after `a`, ``a << b`` before it.

    Either side may be a list, which means all of its items. The value is the right side, so that chains such as ``a >>
    b >> c`` work.

    Args:
        id: Its name within its group.
        label: Its description, for error messages.
        graph: Its graph.
        parent: Its group; None for the root of the graph.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  the name is part of the public contract
        label: str,
        graph: TaskGraph[Any],
        parent: AbstractTaskGroup | None,
    ) -> None:
        self.id = id
        self.label = label
        self.graph = graph
        self.parent = parent

    @property
    def path(self) -> tuple[AbstractTaskGroup, ...]:
        """Groups of the node, outermost first; the first of them is the root of the graph."""
        return (*self.parent.path, self.parent) if self.parent else ()

    @property
    def full_id(self) -> str:
        """Name of the node with those of its groups, separated by dots."""
        return ".".join([*(group.id for group in self.path[1:]), self.id])

    def __rshift__(self, other: Any) -> Any:
        _order([self], _listed(other))
        return other

    def __lshift__(self, other: Any) -> Any:
        _order(_listed(other), [self])
        return other

    def __rrshift__(self, other: Any) -> AbstractDependency:
        _order(_listed(other), [self])
        return self

    def __rlshift__(self, other: Any) -> AbstractDependency:
        _order([self], _listed(other))
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.full_id!r})"


class AbstractTask(AbstractDependency, Generic[NativeT]):
    """A task of a pipeline.

    Args:
        task_id: Its name within its group.
        task: Its op or operator.
        task_type: Its type; None for preparation and clean-up.
        label: Its description, for error messages.
        graph: Its graph.
        parent: Its group.
    """

    def __init__(
        self,
        task_id: str,
        task: NativeT,
        task_type: TaskType | None,
        *,
        label: str,
        graph: TaskGraph[Any],
        parent: AbstractTaskGroup,
    ) -> None:
        super().__init__(task_id, label, graph, parent)
        self.task = task
        self.task_type = task_type

    @property
    def task_id(self) -> str:
        """Name of the task within its group."""
        return self.id

    @property
    def works(self) -> bool:
        """True if it processes data, instead of ordering others or preparing for them."""
        return self.task_type not in (None, TaskType.START, TaskType.EMPTY, TaskType.END)


class AbstractTaskGroup(AbstractDependency):
    """A group of tasks and groups. Tasks that are created within its ``with`` statement belong to it.

    Args:
        group_id: Its name within its parent group.
        label: Its description, for error messages.
        graph: Its graph.
        parent: Its parent group; None for the root of the graph.
    """

    def __init__(
        self, group_id: str, *, label: str, graph: TaskGraph[Any], parent: AbstractTaskGroup | None = None
    ) -> None:
        super().__init__(group_id, label, graph, parent)
        self.members: list[AbstractDependency] = []
        """Tasks and groups directly in it, in their order."""
        self._names = NameRegistry()

    @property
    def group_id(self) -> str:
        """Name of the group within its parent group."""
        return self.id

    def add(self, member: AbstractDependency) -> None:
        """Add a task or a group.

        Args:
            member: The task or group.

        Raises:
            NameCollisionError: If another member of the group has its name.
        """
        self._names.claim(member.id, id(member), member.label)
        self.members.append(member)

    def walk(self) -> Iterator[AbstractDependency]:
        """Yield all tasks and groups in it, at any level, each group before its members."""
        for member in self.members:
            yield member
            if isinstance(member, AbstractTaskGroup):
                yield from member.walk()

    def __enter__(self) -> AbstractTaskGroup:
        self.graph.open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the group; an exception propagates."""
        self.graph.close()


TaskGroupContext = AbstractTaskGroup
"""The class of groups, under its name in DAG files that Starlake generates."""


class TaskGraph(Generic[NativeT]):
    """The tasks and groups of a pipeline, and their order.

    Args:
        name: The name of the pipeline.
    """

    def __init__(self, name: str) -> None:
        self.root = AbstractTaskGroup(name, label=f"pipeline {name}", graph=self)
        self.edges: dict[tuple[AbstractDependency, AbstractDependency], None] = {}
        self._tasks: dict[str, AbstractTask[NativeT]] = {}
        self._open = [self.root]

    @property
    def name(self) -> str:
        """Name of the pipeline."""
        return self.root.id

    @property
    def tasks(self) -> list[AbstractTask[NativeT]]:
        """The tasks, in creation order."""
        return list(self._tasks.values())

    @property
    def open_group(self) -> AbstractTaskGroup:
        """The innermost group with an open ``with`` statement; else the root."""
        return self._open[-1]

    def open(self, group: AbstractTaskGroup) -> None:
        """Add further tasks to a group."""
        self._open.append(group)

    def close(self) -> None:
        """Add further tasks to the group before the last call of `open`."""
        self._open.pop()

    def add_task(
        self,
        task_id: str,
        task: NativeT,
        task_type: TaskType | None,
        label: str,
        group: AbstractTaskGroup | None = None,
    ) -> AbstractTask[NativeT]:
        """Add a task to a group, by default to the open one.

        Raises:
            NameCollisionError: If another member of the group has its name.
        """
        parent = group or self.open_group
        made = AbstractTask(sanitize_id(task_id), task, task_type, label=label, graph=self, parent=parent)
        parent.add(made)
        self._tasks[made.full_id] = made
        return made

    def add_group(self, group_id: str, label: str) -> AbstractTaskGroup:
        """Add a group to the open one.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        parent = self.open_group
        group = AbstractTaskGroup(sanitize_id(group_id), label=label, graph=self, parent=parent)
        parent.add(group)
        return group

    def order(self, before: AbstractDependency, after: AbstractDependency) -> None:
        """Put a task or group before another one; repeating it has no effect."""
        self.edges[before, after] = None


def _listed(other: Any) -> list[AbstractDependency]:
    """Return one dependency, or the items of a list, as a list."""
    listed = [other] if isinstance(other, AbstractDependency) else other
    if isinstance(listed, Iterable) and not isinstance(listed, str):
        found = list(listed)
        if all(isinstance(one, AbstractDependency) for one in found):
            return found
    raise StarlakeError(
        f"{other!r} has no place in the order of a pipeline",
        fix="put tasks, groups or lists of them on both sides of >> and <<",
    )


def _order(before: list[AbstractDependency], after: list[AbstractDependency]) -> None:
    for one in before:
        for other in after:
            if one.graph is not other.graph:
                raise StarlakeError(
                    f"{one!r} and {other!r} are not tasks or groups of one pipeline",
                    fix="order only tasks and groups of the same pipeline",
                )
            one.graph.order(one, other)
