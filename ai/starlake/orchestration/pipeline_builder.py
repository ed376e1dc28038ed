"""Fill the graph of a pipeline: create its tasks by a job, in the terms of an orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy, StarlakeSparkConfig, TaskType
from ai.starlake.orchestration.dependencies import StarlakeDependency, StarlakeDependencyType
from ai.starlake.orchestration.pipeline_spec import PipelineSpec
from ai.starlake.orchestration.task_graph import AbstractDependency, AbstractTask, AbstractTaskGroup, TaskGraph

NativeT = TypeVar("NativeT")


class TaskMaker(Protocol[NativeT]):
    """Creates the ops or operators that the job does not create."""

    def arguments(self, path: Sequence[str], task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the job's method that creates a task's op or operator; ``task_id`` is one of them.

        Args:
            path: The names of the groups of the task, the pipeline first.
            task_id: The name of the task in its group; empty if it is not known yet.
            given: Arguments of the caller, which take precedence.
        """

    def ordering(self, task_type: TaskType, arguments: Mapping[str, Any]) -> NativeT:
        """Create the op or operator of the first task, the last one, or one that only orders others."""

    def check_id(self, domain: str, schedule: str | None) -> str:
        """Return the name of a pre-load check: its domain, and its schedule if there are several."""

    def pre_load_check(
        self, domain: str, tables: Iterable[str], strategy: StarlakePreLoadStrategy, arguments: Mapping[str, Any]
    ) -> NativeT:
        """Create the op or operator that decides whether a domain is loaded."""

    def skipping(self, upstream: NativeT, arguments: Mapping[str, Any]) -> NativeT | None:
        """Create the op or operator that skips downstream tasks if a pre-load check has found nothing.

        Args:
            upstream: The check.
            arguments: The arguments of the task; see `arguments`.

        Returns:
            None if the check itself skips downstream tasks.
        """

    def named_by_the_job(
        self, make: Callable[..., NativeT | None], path: Sequence[str], given: Mapping[str, Any]
    ) -> tuple[str, NativeT] | None:
        """Create an op or operator that the job names, and return that name too; None if it creates none.

        Args:
            make: The method of the job.
            path: The names of the groups of the task, the pipeline first.
            given: Arguments of the caller, which take precedence.
        """


class PipelineBuilder(Generic[NativeT]):
    """Creates the tasks and groups of a pipeline.

    Args:
        spec: The specification of the pipeline.
        job: Creates the ops or operators of most tasks.
        maker: Creates those of the others.
        variables: The variables of the DAG file: ``jobs`` has the options of single tables and transforms,
            ``spark_properties`` those of all Spark jobs.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        job: IStarlakeJob[NativeT],
        maker: TaskMaker[NativeT],
        variables: Mapping[str, Any],
    ) -> None:
        self.spec = spec
        self.job = job
        self.graph: TaskGraph[NativeT] = TaskGraph(spec.pipeline_id)
        self._maker = maker
        self._variables = variables
        self.preparation: AbstractTask[NativeT] | None = None
        """The task that prepares the infrastructure of commands."""
        self.clean_up: AbstractTask[NativeT] | None = None
        """The task that cleans it up."""
        self._of_dependencies: dict[str, AbstractTask[NativeT]] = {}

    def group(self, group_id: str) -> AbstractTaskGroup:
        """Create a group within the innermost open ``with`` statement of a group."""
        name = sanitize_id(group_id)
        # a domain may be named start: the names of the first and the last task are reserved for these
        reserved = {self._suffixed("start"), self._suffixed("end"), "all_done"}
        outermost = self.graph.open_group is self.graph.root
        return self.graph.add_group(
            f"{name}_group" if outermost and name in reserved else name, f"the group {group_id}"
        )

    def start(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the first task, ``start``."""
        return self._ordering(task_id or self._suffixed("start"), TaskType.START, kwargs)

    def end(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the last task, ``end``; see `AbstractPipeline.end_task`."""
        return self._ordering(task_id or self._suffixed("end"), TaskType.END, kwargs)

    def ordering(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create a task that runs no command and only orders others."""
        return self._ordering(task_id, TaskType.EMPTY, kwargs)

    def before_all(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Create the task that makes what commands run on; None if the job needs no such task."""
        self.preparation = self._named_by_the_job(self.job.pre_tasks, "the tasks before all others", kwargs)
        return self.preparation

    def after_all(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Create the task that removes what `before_all` made; None if the job needs no such task."""
        self.clean_up = self._named_by_the_job(self.job.post_tasks, "the tasks after all others", kwargs)
        return self.clean_up

    def pre_load(
        self, domain: str, tables: Iterable[str] = (), task_id: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Create the task that decides whether a domain is loaded; see `AbstractPipeline.sl_pre_load`."""
        strategy = self.spec.pre_load_strategy
        if strategy is StarlakePreLoadStrategy.NONE:
            return None
        name = task_id or f"check_{self._maker.check_id(domain, self.spec.schedule_name)}_{strategy.awaited}"
        native = self._maker.pre_load_check(domain, tables, strategy, self._arguments(name, kwargs))
        return self.graph.add_task(name, native, TaskType.PRELOAD, f"the pre-load check of {domain}")

    def skip_or_start(
        self, task_id: str, upstream_task: AbstractDependency | None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Create the task that skips tasks after a pre-load check; see `AbstractPipeline.skip_or_start`."""
        if not isinstance(upstream_task, AbstractTask):
            return None
        native = self._maker.skipping(upstream_task.task, self._arguments(task_id, kwargs))
        if native is None:
            return None
        return self.graph.add_task(task_id, native, TaskType.EMPTY, f"the task {task_id}")

    def import_files(
        self, task_id: str | None, domain: str, tables: Iterable[str] = (), **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Create the task that moves the files of a domain from the landing area to the stage area."""
        name = task_id or f"import_{self._suffixed(domain)}"
        arguments = self._arguments(name, kwargs)
        native = self.job.sl_import(arguments.pop("task_id"), domain, tables, **arguments)
        return self.graph.add_task(name, native, TaskType.IMPORT, f"the import of {domain}")

    def load(self, task_id: str | None, domain: str, table: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the task that loads a table; see `AbstractPipeline.sl_load`."""
        source = f"{domain}.{table}"
        name = task_id or f"load_{domain}_{table}"
        given = {
            "load_options": self._options_of(source),
            "spark_config": self.spark_config(source.lower()),
            **kwargs,
        }
        arguments = self._arguments(name, given)
        native = self.job.sl_load(arguments.pop("task_id"), domain, table, **arguments)
        return self.graph.add_task(name, native, TaskType.LOAD, f"the load of {source}")

    def transform(
        self, task_id: str | None, transform_name: str, sink: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Create the task that runs a transform; see `AbstractPipeline.sl_transform`."""
        given = {
            "transform_options": self._options_of(transform_name),
            "spark_config": self.spark_config(transform_name.lower()),
            "dataset": StarlakeDataset(sink or transform_name),
            **kwargs,
        }
        name = task_id or transform_name
        arguments = self._arguments(name, given)
        native = self.job.sl_transform(arguments.pop("task_id"), transform_name, **arguments)
        return self.graph.add_task(name, native, TaskType.TRANSFORM, f"the transform {transform_name}")

    def task_of(self, dependency: StarlakeDependency) -> AbstractTask[NativeT]:
        """Return the task that runs a transform or loads a table; created on first use.

        Raises:
            StarlakeError: If it is the name of a table without its domain.
        """
        if dependency.name not in self._of_dependencies:
            self._of_dependencies[dependency.name] = self._new_task_of(dependency)
        return self._of_dependencies[dependency.name]

    def spark_config(self, spark_config_name: str) -> StarlakeSparkConfig:
        """Return the resources of a Spark job; see `IStarlakeJob.get_spark_config`.

        Args:
            spark_config_name: Passed to the hook, unless the option of that name is set.
        """
        return self.job.get_spark_config(
            self.spec.options.spark_config_name or spark_config_name,
            **(self._variables.get("spark_properties") or {}),
        )

    def _new_task_of(self, dependency: StarlakeDependency) -> AbstractTask[NativeT]:
        name = f"{sanitize_id(dependency.name)}_{dependency.dependency_type}"
        if dependency.dependency_type is StarlakeDependencyType.TASK:
            return self.transform(name, dependency.name, dependency.sink)
        domain, _, table = dependency.name.partition(".")
        if not table:
            raise StarlakeError(
                f"the dependency {dependency.name!r} cannot be loaded", fix="write it with its domain: domain.table"
            )
        return self.load(name, domain, table)

    def _suffixed(self, name: str) -> str:
        return f"{name}_{self.spec.schedule_name}" if self.spec.schedule_name else name

    @property
    def _path(self) -> list[str]:
        group = self.graph.open_group
        return [*(outer.id for outer in group.path), group.id]

    def _arguments(self, task_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return self._maker.arguments(self._path, task_id, given)

    def _ordering(self, task_id: str, task_type: TaskType, kwargs: Mapping[str, Any]) -> AbstractTask[NativeT]:
        native = self._maker.ordering(task_type, self._arguments(task_id, kwargs))
        return self.graph.add_task(task_id, native, task_type, f"the task {task_id}")

    def _named_by_the_job(
        self, make: Callable[..., NativeT | None], label: str, kwargs: Mapping[str, Any]
    ) -> AbstractTask[NativeT] | None:
        made = self._maker.named_by_the_job(make, self._path, kwargs)
        return self.graph.add_task(*made, None, label) if made else None

    def _options_of(self, name: str) -> str | Mapping[str, Any] | None:
        """Return the options of one table or transform: the value under its name, or under ``options`` there."""
        own = (self._variables.get("jobs") or {}).get(name) or self.job.options.get(name)
        if isinstance(own, Mapping) and "options" in own:
            own = own["options"]
        return own if isinstance(own, (str, Mapping)) else None
