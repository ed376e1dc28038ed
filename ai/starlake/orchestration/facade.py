"""Classes that DAG files call: the pipelines of a file, and one pipeline. They delegate the work."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

from ai.starlake.common import NameRegistry, StarlakeError
from ai.starlake.common.plug_ins import ORCHESTRATORS, load, plug_ins
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.job import IStarlakeJob, StarlakePreLoadStrategy, StarlakeSparkConfig
from ai.starlake.orchestration.dependencies import StarlakeDependencies, StarlakeDependency, TreeNodeMixin
from ai.starlake.orchestration.load_schedules import StarlakeSchedule
from ai.starlake.orchestration.pipeline_builder import PipelineBuilder, TaskMaker
from ai.starlake.orchestration.pipeline_runs import RunDate, RunnablePipeline, RunOptions, RunReport
from ai.starlake.orchestration.pipeline_spec import PipelineSpec
from ai.starlake.orchestration.standard_pipelines import arrange_loads, arrange_transforms
from ai.starlake.orchestration.task_graph import AbstractDependency, AbstractTask, AbstractTaskGroup

NativeT = TypeVar("NativeT")


class AbstractOrchestration(ABC, Generic[NativeT]):
    """The pipelines of a file. After a successful ``with`` statement, the orchestrator finds them in the module.

    Args:
        job: Creates the ops or operators of their tasks.
        caller_globals: The variables of the module; by default those of the job's module, or of the caller.
    """

    def __init__(self, job: IStarlakeJob[NativeT], caller_globals: MutableMapping[str, Any] | None = None) -> None:
        self.job = job
        self.caller_globals = globals_of(job.module_name) if caller_globals is None else caller_globals
        self.pipelines: list[AbstractPipeline[NativeT]] = []
        """Pipelines created so far, in their order."""
        self._names = NameRegistry()
        self._table_names = NameRegistry()

    def sl_create_pipeline(
        self, schedule: StarlakeSchedule | None = None, dependencies: StarlakeDependencies | None = None
    ) -> AbstractPipeline[NativeT]:
        """Create a pipeline: of loads by a schedule, or of transforms by their dependencies.

        Args:
            schedule: Domains and tables to load, with their cron expression.
            dependencies: Transforms to run.

        Returns:
            The pipeline, for use in a ``with`` statement.

        Raises:
            StarlakeError: If neither or both are given, or if the pipeline is invalid.
            NameCollisionError: If another pipeline has its name.
        """
        taken = {pipeline.pipeline_id for pipeline in self.pipelines}
        spec = PipelineSpec.of(self.job, self.caller_globals, schedule, dependencies, taken)
        for uri, table in spec.tables():
            self._table_names.claim(uri, table, f"table {table}")
        pipeline = self._pipeline(spec)
        label = f"schedule {schedule.name}" if schedule and schedule.name else f"pipeline {len(self.pipelines) + 1}"
        self._names.claim(pipeline.pipeline_id, len(self.pipelines), label)
        self.pipelines.append(pipeline)
        return pipeline

    def add_loads(self, schedule: StarlakeSchedule) -> AbstractPipeline[NativeT]:
        """Create the pipeline that loads the domains of a schedule; see `arrange_loads`.

        Args:
            schedule: Domains and tables to load, with their cron expression.

        Returns:
            The complete pipeline.

        Raises:
            StarlakeError: If the pipeline is invalid.
            NameCollisionError: If two of its tables, or two pipelines, have the same name in the orchestrator.
        """
        with self.sl_create_pipeline(schedule=schedule) as pipeline:
            arrange_loads(pipeline.builder)
        return pipeline

    def add_transforms(self, dependencies: StarlakeDependencies) -> AbstractPipeline[NativeT]:
        """Create the pipeline that runs transforms after their dependencies; see `arrange_transforms`.

        Args:
            dependencies: Transforms to run.

        Returns:
            The complete pipeline.

        Raises:
            StarlakeError: If the pipeline is invalid.
            NameCollisionError: If two of its transforms, or two pipelines, have the same name in the orchestrator.
        """
        with self.sl_create_pipeline(dependencies=dependencies) as pipeline:
            arrange_transforms(pipeline.builder)
        return pipeline

    def sl_create_task_group(self, group_id: str, pipeline: AbstractPipeline[NativeT]) -> AbstractTaskGroup:
        """Create a group of tasks, within the innermost open ``with`` statement of a group.

        Args:
            group_id: Name of the group.
            pipeline: Pipeline of the group.

        Returns:
            The group, for use in a ``with`` statement: tasks made within it belong to it.

        Raises:
            NameCollisionError: If another member of the surrounding group has its name.
        """
        return pipeline.builder.group(group_id)

    @abstractmethod
    def _pipeline(self, spec: PipelineSpec) -> AbstractPipeline[NativeT]:
        """Create a pipeline."""

    @abstractmethod
    def publish(self) -> None:
        """Publish the pipelines to the orchestrator. Called at the end of a successful ``with`` statement."""

    def __enter__(self) -> AbstractOrchestration[NativeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Publish the pipelines; an exception propagates."""
        if error is None:
            self.publish()


class AbstractPipeline(ABC, Generic[NativeT]):
    """One pipeline of a file, which becomes a job of the orchestrator after a successful ``with`` statement.

    Args:
        orchestration: Its orchestration.
        spec: Its specification.
        maker: Creates the ops or operators that the job does not create.
    """

    def __init__(
        self, orchestration: AbstractOrchestration[NativeT], spec: PipelineSpec, maker: TaskMaker[NativeT]
    ) -> None:
        self.orchestration = orchestration
        self.spec = spec
        self.builder = PipelineBuilder(spec, orchestration.job, maker, orchestration.caller_globals)
        self.graph = self.builder.graph

    def __enter__(self) -> AbstractPipeline[NativeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Create the job of the orchestrator; an exception propagates."""
        if error is None:
            self.assemble()

    @abstractmethod
    def assemble(self) -> None:
        """Create the job of the orchestrator. Called at the end of a successful ``with`` statement."""

    @property
    @abstractmethod
    def runs(self) -> RunnablePipeline:
        """The runner of the pipeline in this process, with its description and its dates."""

    @property
    def job(self) -> IStarlakeJob[NativeT]:
        """The job, which creates the ops or operators of its tasks."""
        return self.builder.job

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the job."""
        return self.job.options

    @property
    def caller_globals(self) -> Mapping[str, Any]:
        """Variables of the module that creates it."""
        return self.orchestration.caller_globals

    @property
    def pipeline_id(self) -> str:
        """Name of the pipeline."""
        return self.spec.pipeline_id

    @property
    def schedule(self) -> StarlakeSchedule | None:
        """The schedule of its loads; None for transforms."""
        return self.spec.schedule

    @property
    def schedule_name(self) -> str | None:
        """Name of its schedule; None if there is only one."""
        return self.spec.schedule_name

    @property
    def dependencies(self) -> StarlakeDependencies | None:
        """Dependencies of its transforms; None for loads."""
        return self.spec.dependencies

    @property
    def pre_load_strategy(self) -> StarlakePreLoadStrategy:
        """The pre-load strategy."""
        return self.spec.pre_load_strategy

    @property
    def graphs(self) -> list[TreeNodeMixin[StarlakeDependency]]:
        """Trees of what is run, for transforms; see `StarlakeDependencies.graphs`."""
        return self.spec.graphs

    @property
    def cron(self) -> str | None:
        """Cron expression that starts it."""
        return self.spec.cron

    @property
    def catchup(self) -> bool:
        """True if missed ticks are caught up."""
        return self.spec.options.catchup

    @property
    def cron_period_frequency(self) -> str:
        """Period in which ticks of cron expressions are counted to compare them."""
        return self.spec.options.cron_period_frequency

    @property
    def run_dependencies_first(self) -> bool:
        """True if all dependencies of the transforms are run first."""
        return self.spec.options.run_dependencies_first

    @property
    def load_dependencies(self) -> bool:
        """The option `run_dependencies_first`, under its name before Starlake 1.3."""
        return self.run_dependencies_first

    @property
    def tags(self) -> list[str]:
        """Tags of its job."""
        return self.spec.tags

    @property
    def filtered_datasets(self) -> frozenset[str]:
        """Tables whose updates start nothing."""
        return self.spec.filtered_datasets

    @property
    def datasets(self) -> list[StarlakeDataset]:
        """Tables that it waits for."""
        return [trigger.dataset for trigger in self.spec.triggers]

    @property
    def scheduled_datasets(self) -> Mapping[str, str]:
        """Cron expressions of those of these tables that have one, by name."""
        return {trigger.sink: trigger.cron for trigger in self.spec.triggers if trigger.cron}

    @property
    def not_scheduled_datasets(self) -> list[StarlakeDataset]:
        """Tables among these without a cron expression."""
        return [trigger.dataset for trigger in self.spec.triggers if not trigger.cron]

    @property
    def tasks(self) -> list[AbstractTask[NativeT]]:
        """Tasks of the pipeline, in creation order."""
        return self.graph.tasks

    @property
    def tasks_names(self) -> list[str]:
        """Names of its tasks, with those of their groups."""
        return [task.full_id for task in self.tasks]

    def get_context_var(self, var_name: str, default_value: Any = None) -> Any:
        """Return the value of an option; see `StarlakeOptions.get_context_var`.

        Args:
            var_name: Name of the option.
            default_value: Value if nothing defines the option.

        Raises:
            MissingEnvironmentVariable: If nothing defines it, and there is no default.
        """
        return self.job.get_context_var(var_name, default_value, self.options)

    def sl_spark_config(self, spark_config_name: str) -> StarlakeSparkConfig:
        """Return the resources of a Spark job; see `IStarlakeJob.get_spark_config`.

        Args:
            spark_config_name: Passed to the hook, unless the option of that name is set.
        """
        return self.builder.spark_config(spark_config_name)

    def start_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the first task, ``start``.

        Args:
            task_id: Name of the task; ``start`` by default.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.start(task_id, **kwargs)

    def end_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the last task, ``end``. It also runs if loads were skipped.

        If anything was loaded or transformed, it records the run of the pipeline: as the asset with its name.

        Args:
            task_id: Name of the task; ``end`` by default.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.end(task_id, **kwargs)

    def dummy_task(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create a task that runs no command and only orders others.

        Args:
            task_id: Name of the task.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.ordering(task_id, **kwargs)

    def sl_dummy_op(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create a task that only orders others: `dummy_task` under its name in generated files.

        Args:
            task_id: Name of the task.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.ordering(task_id, **kwargs)

    def pre_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Create the task that makes what commands run on, such as a cluster.

        Args:
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task; None if the executor of the job needs no such task.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.before_all(**kwargs)

    def post_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Create the task that removes what the task of `pre_tasks` made.

        It also runs if loads were skipped.

        Args:
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task; None if the executor of the job needs no such task.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.after_all(**kwargs)

    def sl_pre_load(
        self, domain: str, tables: Iterable[str] = (), task_id: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Create the task that decides whether a domain is loaded; None for the strategy ``none``.

        Downstream tasks in its outermost group are skipped if there is nothing to load. Tasks after that group are not.

        Args:
            domain: Name of the domain, or of its folder.
            tables: Tables whose files are considered; all by default.
            task_id: Name of the task; ``check_{domain}_...`` by default.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task; None for the strategy ``none``.

        Raises:
            StarlakeError: If the version of Starlake in use does not support the check.
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.pre_load(domain, tables, task_id, **kwargs)

    def skip_or_start(
        self, task_id: str, upstream_task: AbstractDependency | None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Create the task that skips downstream tasks if the task of `sl_pre_load` has found nothing.

        Args:
            task_id: Name of the task.
            upstream_task: Task of `sl_pre_load`; None without a pre-load check.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            None if the task of `sl_pre_load` itself skips downstream tasks, as on Dagster.

        Raises:
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.skip_or_start(task_id, upstream_task, **kwargs)

    def sl_import(
        self, task_id: str | None, domain: str, tables: Iterable[str] = (), **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Create the task that moves the files of a domain from the landing area to the stage area.

        Args:
            task_id: Name of the task; ``import_{domain}`` by default.
            domain: Name of the domain, or of its folder.
            tables: Tables whose files are moved; all by default.
            **kwargs: Arguments of the orchestrator for the op or operator.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            StarlakeError: If the domain is empty.
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.import_files(task_id, domain, tables, **kwargs)

    def sl_load(self, task_id: str | None, domain: str, table: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Create the task that loads a table.

        Args:
            task_id: Its name, ``load_{domain}_{table}`` by default.
            domain: The domain of the table.
            table: The table.
            **kwargs: Arguments of `IStarlakeJob.sl_load`. Its options are by default those of the table in the variable
                ``jobs`` of the module, or in the job's options.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            StarlakeError: If the domain or the table is empty, or if its options are invalid.
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.load(task_id, domain, table, **kwargs)

    def sl_transform(
        self, task_id: str | None, transform_name: str, sink: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Create the task that runs a transform.

        Args:
            task_id: Its name, `transform_name` by default.
            transform_name: The transform, ``domain.task``.
            sink: The table that it writes, if that has another name.
            **kwargs: Arguments of `IStarlakeJob.sl_transform`. Its options are by default its own in the variable
                ``jobs`` of the module, or in the job's options.

        Returns:
            The task, with its op or operator as attribute `task`.

        Raises:
            StarlakeError: If the name is empty, or if its options are invalid.
            NameCollisionError: If another member of the open group has its name.
        """
        return self.builder.transform(task_id, transform_name, sink, **kwargs)

    def dependency_to_task(self, dependency: Any) -> AbstractTask[NativeT]:
        """Return the task that runs a transform or loads a table; created on first use.

        Args:
            dependency: A transform or a table of the dependencies, or its task.

        Raises:
            StarlakeError: If it is neither.
        """
        if isinstance(dependency, AbstractTask):
            return dependency
        if not isinstance(dependency, StarlakeDependency):
            raise StarlakeError(f"{dependency!r} is neither a transform nor a table", fix="pass the node of a graph")
        return self.builder.task_of(dependency)

    def run(self, logical_date: date | None = None, **options: Any) -> RunReport:
        """Run the pipeline once, to its end, in this process.

        Args:
            logical_date: The day or timestamp that the run is for; by default the last partition that has ended, or
                now.
            **options: Further ``--options`` of all commands.

        Returns:
            Success or failure, and the result of each command.

        Raises:
            StarlakeError: If there is no such partition.
        """
        return self.runs.execute(self._date_of(logical_date), RunOptions(substitutions=options))

    def dry_run(self, logical_date: date | None = None, **options: Any) -> RunReport:
        """Return the commands that `run` would run; they are not run, and nothing is changed.

        Args:
            logical_date: Day or timestamp that the run is for; by default the last partition that has ended, or now.
            **options: Substitutions: the ``--options`` of each command.

        Raises:
            StarlakeError: If there is no such partition.
        """
        return self.runs.execute(self._date_of(logical_date), RunOptions(dry=True, substitutions=options))

    def backfill(self, start_date: date, end_date: date, **options: Any) -> list[RunReport]:
        """Run the pipeline for each interval that begins from one day or timestamp to another, both included.

        It stops at the first failed run.

        Args:
            start_date: First day or timestamp, in the time zone of the pipeline unless it has one.
            end_date: Last day or timestamp, in the time zone of the pipeline unless it has one.
            **options: Substitutions: the ``--options`` of each command.

        Returns:
            A report for each run, in their order.

        Raises:
            StarlakeError: If the pipeline has no partitions for a part of that time.
        """
        reports: list[RunReport] = []
        for run_date in self.runs.dates_between(start_date, end_date):
            reports.append(self.runs.execute(run_date, RunOptions(substitutions=options)))
            if not reports[-1].success:
                break
        return reports

    def _date_of(self, timestamp: date | None) -> RunDate | None:
        return None if timestamp is None else self.runs.date_of(timestamp)


class OrchestrationFactory:
    """Creates the orchestration for a job. Only the module of its class is imported."""

    @classmethod
    def create_orchestration(cls, job: IStarlakeJob[Any], **kwargs: Any) -> AbstractOrchestration[Any]:
        """Create an orchestration, for use in a ``with`` statement.

        Args:
            job: Creates the ops or operators of its pipelines.
            **kwargs: Arguments of the class of the orchestration.

        Returns:
            The orchestration; its class is that of the job's orchestrator.

        Raises:
            StarlakeError: If no installed package has an orchestration for the job.
        """
        orchestrator = str(job.sl_orchestrator())
        orchestrators = plug_ins(ORCHESTRATORS)
        if orchestrator not in orchestrators:
            raise StarlakeError(
                f"{type(job).__name__} is for {orchestrator}, whose pipelines cannot run here",
                cause=f"installed orchestrators: {', '.join(orchestrators) or 'none'}",
                fix=f"use a job for {' or '.join(orchestrators)}" if orchestrators else "install starlake-jobs again",
            )
        chosen = load(orchestrators[orchestrator], f"running pipelines with {orchestrator}")
        made: AbstractOrchestration[Any] = chosen(job, **kwargs)
        return made


def globals_of(module_name: str | None) -> MutableMapping[str, Any]:
    """Return the variables of a module that is being executed, else of the first caller outside of this package.

    The frames are more reliable than `sys.modules`, which need not contain a module that is loaded from a file.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  only the stack contains it
    outside: MutableMapping[str, Any] | None = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == module_name:
            return frame.f_globals
        if outside is None and not name.startswith("ai.starlake."):
            outside = frame.f_globals
        frame = frame.f_back
    known = sys.modules.get(module_name) if module_name else None
    if known is not None:
        return vars(known)
    return {} if outside is None else outside
