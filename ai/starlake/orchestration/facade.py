"""The classes that DAG files call: the pipelines of a file, and one pipeline. They delegate to what does the work."""

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
    """The pipelines of a file. When its ``with`` statement has ended well, the orchestrator finds them in the module.

    Args:
        job: Makes what their tasks run.
        caller_globals: The variables of the module; by default of the one that `job` names, or of the caller.
    """

    def __init__(self, job: IStarlakeJob[NativeT], caller_globals: MutableMapping[str, Any] | None = None) -> None:
        self.job = job
        self.caller_globals = globals_of(job.module_name) if caller_globals is None else caller_globals
        self.pipelines: list[AbstractPipeline[NativeT]] = []
        self._names = NameRegistry()
        self._table_names = NameRegistry()

    def sl_create_pipeline(
        self, schedule: StarlakeSchedule | None = None, dependencies: StarlakeDependencies | None = None
    ) -> AbstractPipeline[NativeT]:
        """Make a pipeline: of loads by a schedule, or of transforms by their dependencies.

        Raises:
            StarlakeError: If it is given neither or both, or if it cannot be made.
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
        """Make the pipeline that loads the domains of a schedule; see `arrange_loads`.

        Raises:
            StarlakeError: If it cannot be made.
            NameCollisionError: If two of its tables, or two pipelines, have one name in the orchestrator.
        """
        with self.sl_create_pipeline(schedule=schedule) as pipeline:
            arrange_loads(pipeline.builder)
        return pipeline

    def add_transforms(self, dependencies: StarlakeDependencies) -> AbstractPipeline[NativeT]:
        """Make the pipeline that runs transforms after what they depend on; see `arrange_transforms`.

        Raises:
            StarlakeError: If it cannot be made.
            NameCollisionError: If two of its transforms, or two pipelines, have one name in the orchestrator.
        """
        with self.sl_create_pipeline(dependencies=dependencies) as pipeline:
            arrange_transforms(pipeline.builder)
        return pipeline

    def sl_create_task_group(self, group_id: str, pipeline: AbstractPipeline[NativeT]) -> AbstractTaskGroup:
        """Make a group of tasks, within the group whose ``with`` statement is open."""
        return pipeline.builder.group(group_id)

    @abstractmethod
    def _pipeline(self, spec: PipelineSpec) -> AbstractPipeline[NativeT]:
        """Make a pipeline."""

    @abstractmethod
    def publish(self) -> None:
        """Put what was made where the orchestrator finds it. Called when the ``with`` statement has ended well."""

    def __enter__(self) -> AbstractOrchestration[NativeT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Publish the pipelines; an exception goes on as it is."""
        if error is None:
            self.publish()


class AbstractPipeline(ABC, Generic[NativeT]):
    """One pipeline of a file, which becomes a job of the orchestrator when its ``with`` statement has ended well.

    Args:
        orchestration: What it is part of.
        spec: What it is.
        maker: Makes what those tasks run that the job does not make.
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
        """Make the job of the orchestrator; an exception goes on as it is."""
        if error is None:
            self.assemble()

    @abstractmethod
    def assemble(self) -> None:
        """Make the job of the orchestrator. Called when the ``with`` statement has ended well."""

    @property
    @abstractmethod
    def runs(self) -> RunnablePipeline:
        """Return what runs the pipeline in this process, describes it, and knows its dates."""

    @property
    def job(self) -> IStarlakeJob[NativeT]:
        """Return the job, which makes what its tasks run."""
        return self.builder.job

    @property
    def options(self) -> Mapping[str, Any]:
        """Return the options of the job."""
        return self.job.options

    @property
    def caller_globals(self) -> Mapping[str, Any]:
        """Return the variables of the module that it is made in."""
        return self.orchestration.caller_globals

    @property
    def pipeline_id(self) -> str:
        """Return its name."""
        return self.spec.pipeline_id

    @property
    def schedule(self) -> StarlakeSchedule | None:
        """Return what it loads; None for transforms."""
        return self.spec.schedule

    @property
    def schedule_name(self) -> str | None:
        """Return the name of its schedule; None where there is but one."""
        return self.spec.schedule_name

    @property
    def dependencies(self) -> StarlakeDependencies | None:
        """Return what it transforms; None for loads."""
        return self.spec.dependencies

    @property
    def pre_load_strategy(self) -> StarlakePreLoadStrategy:
        """Return when a domain is loaded."""
        return self.spec.pre_load_strategy

    @property
    def graphs(self) -> list[TreeNodeMixin[StarlakeDependency]]:
        """Return the trees of what is to be run, for transforms; see `StarlakeDependencies.graphs`."""
        return self.spec.graphs

    @property
    def cron(self) -> str | None:
        """Return the cron expression that starts it."""
        return self.spec.cron

    @property
    def catchup(self) -> bool:
        """Return True if missed ticks of the clock are made up for."""
        return self.spec.options.catchup

    @property
    def cron_period_frequency(self) -> str:
        """Return the period in which ticks of cron expressions are counted to compare them."""
        return self.spec.options.cron_period_frequency

    @property
    def run_dependencies_first(self) -> bool:
        """Return True if all that the transforms depend on is run first."""
        return self.spec.options.run_dependencies_first

    @property
    def load_dependencies(self) -> bool:
        """Return `run_dependencies_first`, by the name that the option had before Starlake 1.3."""
        return self.run_dependencies_first

    @property
    def tags(self) -> list[str]:
        """Return the tags of its job."""
        return self.spec.tags

    @property
    def filtered_datasets(self) -> frozenset[str]:
        """Return the tables whose updates start nothing."""
        return self.spec.filtered_datasets

    @property
    def datasets(self) -> list[StarlakeDataset]:
        """Return the tables that it waits for."""
        return [trigger.dataset for trigger in self.spec.triggers]

    @property
    def scheduled_datasets(self) -> Mapping[str, str]:
        """Return the cron expressions of those of these tables that have one, by name."""
        return {trigger.sink: trigger.cron for trigger in self.spec.triggers if trigger.cron}

    @property
    def not_scheduled_datasets(self) -> list[StarlakeDataset]:
        """Return those of these tables that have no cron expression."""
        return [trigger.dataset for trigger in self.spec.triggers if not trigger.cron]

    @property
    def tasks(self) -> list[AbstractTask[NativeT]]:
        """Return its tasks, in the order in which they were made."""
        return self.graph.tasks

    @property
    def tasks_names(self) -> list[str]:
        """Return the names of its tasks, with those of their groups."""
        return [task.full_id for task in self.tasks]

    def get_context_var(self, var_name: str, default_value: Any = None) -> Any:
        """Return the value of an option; see `StarlakeOptions.get_context_var`."""
        return self.job.get_context_var(var_name, default_value, self.options)

    def sl_spark_config(self, spark_config_name: str) -> StarlakeSparkConfig:
        """Return what a Spark job may use; see `IStarlakeJob.get_spark_config`.

        Args:
            spark_config_name: Passed to the hook, unless the option of that name is set.
        """
        return self.builder.spark_config(spark_config_name)

    def start_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Make the task that comes before all others, ``start``."""
        return self.builder.start(task_id, **kwargs)

    def end_task(self, task_id: str | None = None, **kwargs: Any) -> AbstractTask[NativeT]:
        """Make the task that comes after all others, ``end``. It runs, too, when loads were skipped.

        When anything was loaded or transformed, it records that the pipeline has run: as the asset of its name.
        """
        return self.builder.end(task_id, **kwargs)

    def dummy_task(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Make a task that does nothing but order others."""
        return self.builder.ordering(task_id, **kwargs)

    def sl_dummy_op(self, task_id: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Make a task that does nothing but order others: `dummy_task` by the name that generated files use."""
        return self.builder.ordering(task_id, **kwargs)

    def pre_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Make the task that prepares the place where commands run; None where nothing has to be prepared."""
        return self.builder.before_all(**kwargs)

    def post_tasks(self, **kwargs: Any) -> AbstractTask[NativeT] | None:
        """Make the task that cleans up what `pre_tasks` has prepared; None where there is nothing to clean up.

        It runs, too, when loads were skipped.
        """
        return self.builder.after_all(**kwargs)

    def sl_pre_load(
        self, domain: str, tables: Iterable[str] = (), task_id: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Make the task that decides whether a domain is loaded; None for the strategy ``none``.

        What comes after it in the outermost group that it is in is skipped when there is nothing to load. What comes
        after that group is not.
        """
        return self.builder.pre_load(domain, tables, task_id, **kwargs)

    def skip_or_start(
        self, task_id: str, upstream_task: AbstractDependency | None, **kwargs: Any
    ) -> AbstractTask[NativeT] | None:
        """Make the task that skips what comes after it when the task of `sl_pre_load` has found nothing.

        Returns:
            None where the task of `sl_pre_load` itself skips what comes after it, as on Dagster.
        """
        return self.builder.skip_or_start(task_id, upstream_task, **kwargs)

    def sl_import(
        self, task_id: str | None, domain: str, tables: Iterable[str] = (), **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Make the task that moves the files of a domain from the landing area to the stage area."""
        return self.builder.import_files(task_id, domain, tables, **kwargs)

    def sl_load(self, task_id: str | None, domain: str, table: str, **kwargs: Any) -> AbstractTask[NativeT]:
        """Make the task that loads a table.

        Args:
            task_id: Its name, ``load_{domain}_{table}`` by default.
            domain: The domain of the table.
            table: The table.
            **kwargs: What `IStarlakeJob.sl_load` takes. Its options are by default those that the variable ``jobs`` of
                the module, or the job's options, have under the name of the table.
        """
        return self.builder.load(task_id, domain, table, **kwargs)

    def sl_transform(
        self, task_id: str | None, transform_name: str, sink: str | None = None, **kwargs: Any
    ) -> AbstractTask[NativeT]:
        """Make the task that runs a transform.

        Args:
            task_id: Its name, `transform_name` by default.
            transform_name: The transform, ``domain.task``.
            sink: The table that it makes, where that has another name.
            **kwargs: What `IStarlakeJob.sl_transform` takes. Its options are by default those that the variable
                ``jobs`` of the module, or the job's options, have under its name.
        """
        return self.builder.transform(task_id, transform_name, sink, **kwargs)

    def dependency_to_task(self, dependency: Any) -> AbstractTask[NativeT]:
        """Return the task that runs a transform or loads a table; made when it is asked for the first time.

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
            logical_date: The day or timestamp that the run is for; by default the newest partition that is over, or
                now.
            **options: Further ``--options`` of all commands.

        Raises:
            StarlakeError: If there is no such run.
        """
        return self.runs.execute(self._date_of(logical_date), RunOptions(substitutions=options))

    def dry_run(self, logical_date: date | None = None, **options: Any) -> RunReport:
        """Return the commands that `run` would run; they are not run, and nothing is changed."""
        return self.runs.execute(self._date_of(logical_date), RunOptions(dry=True, substitutions=options))

    def backfill(self, start_date: date, end_date: date, **options: Any) -> list[RunReport]:
        """Run the pipeline for each interval that begins from one day or timestamp to another, both included.

        It ends at the first run that fails.

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
    """Make the orchestration for a job. Only the module of that one is imported."""

    @classmethod
    def create_orchestration(cls, job: IStarlakeJob[Any], **kwargs: Any) -> AbstractOrchestration[Any]:
        """Make an orchestration, to be used in a ``with`` statement.

        Args:
            job: Makes what the tasks of its pipelines run.
            **kwargs: What the class of the orchestration takes.

        Raises:
            StarlakeError: If no installed package has an orchestration for the job.
        """
        orchestrator = str(job.sl_orchestrator())
        orchestrators = plug_ins(ORCHESTRATORS)
        if orchestrator not in orchestrators:
            raise StarlakeError(
                f"{type(job).__name__} is for {orchestrator}, which runs no pipelines here",
                cause=f"installed orchestrators: {', '.join(orchestrators) or 'none'}",
                fix=f"use a job for {' or '.join(orchestrators)}" if orchestrators else "install starlake-jobs again",
            )
        chosen = load(orchestrators[orchestrator], f"running pipelines with {orchestrator}")
        made: AbstractOrchestration[Any] = chosen(job, **kwargs)
        return made


def globals_of(module_name: str | None) -> MutableMapping[str, Any]:
    """Return the variables of a module that is being executed, else of the first caller outside of this package.

    The frames tell better than `sys.modules`, where a module that is loaded from a file need not be.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the stack is the only place that tells
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
