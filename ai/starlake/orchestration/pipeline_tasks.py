"""The tasks and groups of a pipeline: how they are made, and the order that they are put in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import StarlakePreLoadStrategy, TaskType
from ai.starlake.orchestration.dependencies import StarlakeDependencies, StarlakeDependency, StarlakeDependencyType
from ai.starlake.orchestration.facts import PipelineFacts
from ai.starlake.orchestration.load_schedules import StarlakeSchedule
from ai.starlake.orchestration.tasks import AbstractDependency, AbstractTask, AbstractTaskGroup

if TYPE_CHECKING:
    from ai.starlake.orchestration.orchestration import AbstractOrchestration

NativeT = TypeVar("NativeT")

_CHECKS = {"imported": "incoming_files", "pending": "pending_files", "ack": "ack_file"}


class PipelineTasks(PipelineFacts[NativeT]):
    """The tasks and groups of a pipeline. See `AbstractPipeline` for the arguments."""

    def __init__(
        self,
        orchestration: AbstractOrchestration[NativeT],
        schedule: StarlakeSchedule | None = None,
        dependencies: StarlakeDependencies | None = None,
    ) -> None:
        super().__init__(orchestration, schedule, dependencies)
        self.pipeline = self
        self.open_groups: list[AbstractTaskGroup] = []
        self.edges: dict[tuple[AbstractDependency, AbstractDependency], None] = {}
        self._tasks: dict[str, AbstractTask[NativeT]] = {}
        self._of_dependencies: dict[str, AbstractTask[NativeT]] = {}

    @property
    def tasks(self) -> list[AbstractTask[NativeT]]:
        """Its tasks, in the order in which they were made."""
        return list(self._tasks.values())

    @property
    def tasks_names(self) -> list[str]:
        """The names of its tasks, with those of their groups."""
        return [task.full_id for task in self.tasks]

    def start_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """The task that comes before all others, ``start``."""
        return self._dummy(task_id or self._suffixed("start"), TaskType.START, **kwargs)

    def end_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """The task that comes after all others, ``end``. It runs, too, when loads were skipped.

        When anything was loaded or transformed, it records that the pipeline has run: as the asset of its name.
        """
        return self._dummy(task_id or self._suffixed("end"), TaskType.END, **kwargs)

    def dummy_task(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """A task that does nothing but order others."""
        return self._dummy(task_id, TaskType.EMPTY, **kwargs)

    def sl_dummy_op(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """The same, under the name that generated files have for it."""
        return self.dummy_task(task_id, **kwargs)

    def pre_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """The task that prepares the place where commands run; None where nothing has to be prepared."""
        return self._own_task(self.job.pre_tasks, "the tasks before all others", kwargs)

    def post_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """The task that cleans up what `pre_tasks` has prepared; None where there is nothing to clean up.

        It runs, too, when loads were skipped.
        """
        return self._own_task(self.job.post_tasks, "the tasks after all others", kwargs)

    def sl_pre_load(
        self, domain: str, tables: Iterable[str] = (), task_id: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """The task that decides whether a domain is loaded; None for the strategy ``none``.

        What comes after it in the outermost group that it is in is skipped when there is nothing to load. What comes
        after that group is not.
        """
        strategy = self.pre_load_strategy
        if strategy is StarlakePreLoadStrategy.NONE:
            return None
        name = task_id or f"check_{self._suffixed(domain)}_{_CHECKS[strategy.value]}"
        label = f"the pre-load check of {domain}"
        node = self._pre_load_check(domain, tables, strategy, **self._arguments(name, kwargs))
        return self._add(name, node, TaskType.PRELOAD, label)

    def skip_or_start(
        self,
        task_id: str,  # noqa: ARG002
        upstream_task: AbstractDependency | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AbstractTask[NativeT] | None:
        """Nothing: the task of `sl_pre_load` itself skips what comes after it."""
        return None

    def sl_import(
        self, task_id: str | None, domain: str, tables: Iterable[str] = (), **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """The task that moves the files of a domain from the landing area to the pending area."""
        name = task_id or f"import_{self._suffixed(domain)}"
        arguments = self._arguments(name, kwargs)
        node = self.job.sl_import(arguments.pop("task_id"), domain, tables, **arguments)
        return self._add(name, node, TaskType.IMPORT, f"the import of {domain}")

    def sl_load(self, task_id: str | None, domain: str, table: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """The task that loads a table.

        Args:
            task_id: Its name, ``load_{domain}_{table}`` by default.
            domain: The domain of the table.
            table: The table.
            **kwargs: What `IStarlakeJob.sl_load` takes. Its options are by default those that the variable ``jobs`` of
                the module, or the job's options, have under the name of the table.
        """
        source = f"{domain}.{table}"
        name = task_id or f"load_{domain}_{table}"
        given = {
            "load_options": self._options_of(source),
            "spark_config": self.sl_spark_config(source.lower()),
            **kwargs,
        }
        arguments = self._arguments(name, given)
        node = self.job.sl_load(arguments.pop("task_id"), domain, table, **arguments)
        return self._add(name, node, TaskType.LOAD, f"the load of {source}")

    def sl_transform(
        self, task_id: str | None, transform_name: str, sink: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """The task that runs a transform.

        Args:
            task_id: Its name, `transform_name` by default.
            transform_name: The transform, ``domain.task``.
            sink: The table that it makes, where that has another name.
            **kwargs: What `IStarlakeJob.sl_transform` takes. Its options are by default those that the variable
                ``jobs`` of the module, or the job's options, have under its name.
        """
        given = {
            "transform_options": self._options_of(transform_name),
            "spark_config": self.sl_spark_config(transform_name.lower()),
            "dataset": StarlakeDataset(sink or transform_name),
            **kwargs,
        }
        name = task_id or transform_name
        arguments = self._arguments(name, given)
        node = self.job.sl_transform(arguments.pop("task_id"), transform_name, **arguments)
        return self._add(name, node, TaskType.TRANSFORM, f"the transform {transform_name}")

    def dependency_to_task(self, dependency: Any) -> AbstractTask[NativeT]:
        """The task that runs a transform or loads a table; made when it is asked for the first time.

        Raises:
            StarlakeError: If it is neither.
        """
        if isinstance(dependency, AbstractTask):
            return dependency
        if not isinstance(dependency, StarlakeDependency):
            raise StarlakeError(f"{dependency!r} is neither a transform nor a table", fix="pass the node of a graph")
        if dependency.name not in self._of_dependencies:
            self._of_dependencies[dependency.name] = self._task_of(dependency)
        return self._of_dependencies[dependency.name]

    def _task_of(self, dependency: StarlakeDependency) -> AbstractTask[NativeT]:
        name = f"{sanitize_id(dependency.name)}_{dependency.dependency_type}"
        if dependency.dependency_type is StarlakeDependencyType.TASK:
            return self.sl_transform(name, dependency.name, dependency.sink)
        domain, _, table = dependency.name.partition(".")
        if not table:
            raise StarlakeError(
                f"the dependency {dependency.name!r} cannot be loaded", fix="write it with its domain: domain.table"
            )
        return self.sl_load(name, domain, table)

    def order(self, before: AbstractDependency, after: AbstractDependency) -> None:
        """Puts a task or group before another one; saying it again changes nothing."""
        self.edges[before, after] = None

    def new_group(self, group_id: str) -> AbstractTaskGroup:
        """Makes a group within the one whose ``with`` statement is open."""
        parent = self._open_group
        group = AbstractTaskGroup(
            self._free_id(sanitize_id(group_id), parent),
            label=f"the group {group_id}",
            pipeline=self,
            parent=parent,
        )
        parent.add(group)
        return group

    @abstractmethod
    def _pre_load_check(
        self, domain: str, tables: Iterable[str], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> NativeT:
        """Makes what decides whether a domain is loaded."""

    @abstractmethod
    def _dummy_node(self, task_type: TaskType, arguments: dict[str, Any]) -> NativeT:
        """Makes what the first task, the last one, or one that only orders others runs."""

    @abstractmethod
    def _arguments(self, task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for the job's method that makes what a task runs; `task_id` is one of them."""

    @abstractmethod
    def _native_id(self, node: NativeT) -> str:
        """The name that the orchestrator has for what a task runs."""

    @property
    def _open_group(self) -> AbstractTaskGroup:
        return self.open_groups[-1] if self.open_groups else self

    def _free_id(self, group_id: str, parent: AbstractTaskGroup) -> str:
        """Leaves the names of the first and the last task to them: a domain may be called ``start``."""
        reserved = {self._suffixed("start"), self._suffixed("end"), "all_done"}
        return f"{group_id}_group" if parent is self and group_id in reserved else group_id

    def _suffixed(self, name: str) -> str:
        return f"{name}_{self.schedule_name}" if self.schedule_name else name

    def _dummy(self, task_id: str, task_type: TaskType, **kwargs: Any) -> AbstractTask[NativeT]:
        node = self._dummy_node(task_type, self._arguments(task_id, kwargs))
        return self._add(task_id, node, task_type, f"the task {task_id}")

    def _own_task(
        self, make: Callable[..., NativeT | None], label: str, kwargs: Mapping[str, Any]
    ) -> AbstractTask[NativeT] | None:
        """A task that the job has a name of its own for; asked for once without a name, and then with it."""
        unnamed = make(**{**self._arguments("", kwargs), "task_id": None})
        if unnamed is None:
            return None
        name = kwargs.get("task_id") or self._native_id(unnamed)
        node = make(**self._arguments(name, kwargs))
        assert node is not None  # noqa: S101  as before
        return self._add(name, node, None, label)

    def _add(
        self,
        task_id: str,
        node: NativeT,
        task_type: TaskType | None,
        label: str,
        group: AbstractTaskGroup | None = None,
    ) -> AbstractTask[NativeT]:
        parent = group or self._open_group
        task = AbstractTask(sanitize_id(task_id), node, task_type, label=label, pipeline=self, parent=parent)
        parent.add(task)
        self._tasks[task.full_id] = task
        return task

    def _options_of(self, name: str) -> str | Mapping[str, Any] | None:
        """The options of one table or transform: what stands under its name, or under ``options`` there."""
        own = (self.caller_globals.get("jobs") or {}).get(name) or self.options.get(name)
        if isinstance(own, Mapping) and "options" in own:
            own = own["options"]
        return own if isinstance(own, (str, Mapping)) else None
