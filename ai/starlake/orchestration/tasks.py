"""Tasks and groups of tasks, and the order between them. Plain data: whoever runs pipelines makes something of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ai.starlake.common import NameRegistry, StarlakeError
from ai.starlake.job import TaskType

if TYPE_CHECKING:
    from ai.starlake.orchestration.pipeline_tasks import PipelineTasks

NativeT = TypeVar("NativeT")


class AbstractDependency:
    """Something that has a place in the order of a pipeline: ``a >> b`` puts `b` after `a`, ``a << b`` before it.

    On either side may stand a list, which stands for all that is in it. The value is what stands on the right, so that
    ``a >> b >> c`` reads as it looks.

    Args:
        id: Its name within its group.
        label: What it stands for, for error messages.
        pipeline: The pipeline that it is in.
        parent: The group that it is in; None for the pipeline itself.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  the name is part of the public contract
        label: str,
        pipeline: PipelineTasks[Any] | None,
        parent: AbstractTaskGroup | None,
    ) -> None:
        self.id = id
        self.label = label
        self.pipeline = pipeline
        self.parent = parent

    @property
    def path(self) -> tuple[AbstractTaskGroup, ...]:
        """The groups that it is in, outermost first; the pipeline is the first of them."""
        return (*self.parent.path, self.parent) if self.parent else ()

    @property
    def full_id(self) -> str:
        """Its name with those of its groups, separated by dots."""
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
        task: What the orchestrator has for it.
        task_type: What it is for; None for what prepares a place to run in, and what cleans it up.
        label: What it stands for, for error messages.
        pipeline: The pipeline that it is in.
        parent: The group that it is in.
    """

    def __init__(
        self,
        task_id: str,
        task: NativeT,
        task_type: TaskType | None,
        *,
        label: str,
        pipeline: PipelineTasks[Any],
        parent: AbstractTaskGroup,
    ) -> None:
        super().__init__(task_id, label, pipeline, parent)
        self.task = task
        self.task_type = task_type

    @property
    def task_id(self) -> str:
        """Its name within its group."""
        return self.id

    @property
    def works(self) -> bool:
        """Whether it does something with data, rather than put others in order or prepare for them."""
        return self.task_type not in (None, TaskType.START, TaskType.EMPTY, TaskType.END)


class AbstractTaskGroup(AbstractDependency):
    """A group of tasks and groups. What is made within its ``with`` statement is in it.

    Args:
        group_id: Its name within the group that it is in.
        label: What it stands for, for error messages.
        pipeline: The pipeline that it is in; None for a pipeline.
        parent: The group that it is in; None for a pipeline.
    """

    def __init__(
        self,
        group_id: str,
        *,
        label: str,
        pipeline: PipelineTasks[Any] | None = None,
        parent: AbstractTaskGroup | None = None,
    ) -> None:
        super().__init__(group_id, label, pipeline, parent)
        self.members: list[AbstractDependency] = []
        self._names = NameRegistry()

    @property
    def group_id(self) -> str:
        """Its name within the group that it is in."""
        return self.id

    def add(self, member: AbstractDependency) -> None:
        """Takes a task or a group.

        Raises:
            NameCollisionError: If something else in the group has its name.
        """
        self._names.claim(member.id, id(member), member.label)
        self.members.append(member)

    def walk(self) -> Iterator[AbstractDependency]:
        """All tasks and groups in it, at any level, each group before what is in it."""
        for member in self.members:
            yield member
            if isinstance(member, AbstractTaskGroup):
                yield from member.walk()

    def __enter__(self) -> AbstractTaskGroup:
        assert self.pipeline is not None  # noqa: S101  the pipeline itself overrides this
        self.pipeline.open_groups.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the group; an exception goes on as it is."""
        assert self.pipeline is not None  # noqa: S101
        self.pipeline.open_groups.pop()


TaskGroupContext = AbstractTaskGroup


def _listed(other: Any) -> list[AbstractDependency]:
    """One dependency, or those of a list."""
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
            pipeline = one.pipeline
            if pipeline is None or pipeline is not other.pipeline:
                raise StarlakeError(
                    f"{one!r} and {other!r} are not tasks or groups of one pipeline",
                    fix="only what is made within one pipeline can be put in order",
                )
            pipeline.order(one, other)
