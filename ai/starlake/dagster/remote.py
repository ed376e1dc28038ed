"""Ops and sensors for commands on any service: the infrastructure of a run, and what it left."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterError,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    In,
    JobDefinition,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    RunsFilter,
    RunStatusSensorContext,
    SensorDefinition,
    SkipReason,
    run_failure_sensor,
    run_status_sensor,
)

from ai.starlake.common import StarlakeError, sanitize_id
from ai.starlake.dagster import _compat
from ai.starlake.dagster.job import NodeOptions, StarlakeDagsterJob
from ai.starlake.dagster.ops import Body, Event, outputs, outputs_of
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.dagster.run_command import DagsterCommandRunner, failures
from ai.starlake.dagster.run_info import is_dry_run
from ai.starlake.executor.protocol import Execution
from ai.starlake.job import StarlakePreLoadStrategy
from ai.starlake.job.job_options import OptionsT
from ai.starlake.project.paths import is_address

if TYPE_CHECKING:
    from ai.starlake.executor.remote.remote_executor import RemoteExecutor
    from ai.starlake.project.assets.starlake_project import StarlakeProject

PATIENCE = 10.0
"""Seconds for which a sensor repeats calls: Dagster limits a tick to one minute."""
_INTERVAL = 10
_TRIES = 3600.0
"""Seconds after the end of a run for which a sweep is retried after an outage."""
_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


class StarlakeDagsterRemoteJob(StarlakeDagsterJob[OptionsT]):
    """Base of the job classes whose ops run commands on a service.

    A subclass creates the `RemoteExecutor`; this class provides the sensors, the pool and the ops of the
    infrastructure. See `IStarlakeJob` for the arguments.
    """

    service: ClassVar[str]
    """Name of the service in the names of sensors, such as ``dataproc``."""
    where: ClassVar[str]
    """Place where commands run, for descriptions, such as ``on Google Cloud``."""
    leaves_after_success: ClassVar[bool] = False
    """True if a successful run may leave something, for example if its last op was skipped."""

    @abstractmethod
    def make_executor(self) -> RemoteExecutor:
        """Return the executor. Called once in each process that runs an op or a sensor."""

    def variables_of(self, project: StarlakeProject) -> Mapping[str, str]:
        """Return the variables of a project's commands: a local folder is meaningless where they run.

        Args:
            project: The project.

        Returns:
            The variables of the project, without ``SL_ROOT`` if it is a local folder.
        """
        variables = project.variables
        return variables if is_address(project.root) else {k: v for k, v in variables.items() if k != "SL_ROOT"}

    def pre_load_check(
        self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> OpDefinition:
        """Create the op that decides whether a domain is loaded. See `StarlakeDagsterJob.pre_load_check`.

        Args:
            domain: Name of the domain, or of its folder.
            tables: Tables whose files are considered; all if empty.
            strategy: Strategy other than ``none``.
            **kwargs: Further arguments of `StarlakeDagsterJob.pre_load_check`.

        Returns:
            The op, to be called in a graph or a job.
        """
        pool = {"pool": self.pool} if self.settings.pre_load_check == "command" else {}
        return super().pre_load_check(domain, tables, strategy, **{**pool, **kwargs})

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Return the sensors that end what finished runs have left.

        They run in Dagster's daemon; the end of a run whose process died is only noticed with run monitoring.

        Args:
            jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
            name: Prefix of their names.
        """
        janitor = Janitor(self.make_executor, self.service, self.where, self.leaves_after_success)
        return janitor.sensors(jobs, name or self.filename)

    def infrastructure_op(
        self, default_id: str, noun: str, *, deletes: bool, task_id: str | None = None, **kwargs: Any
    ) -> OpDefinition:
        """Create the op that creates or deletes the infrastructure of the run.

        Args:
            default_id: The name of the op.
            noun: Name of the infrastructure, such as ``cluster``.
            deletes: True to delete it instead of creating it. Then the op has an input ``start`` by default.
            task_id: Another name of the op.
            **kwargs: See `NodeOptions`.

        Returns:
            The op, to be called in a graph or a job.
        """
        name = task_id or default_id
        node = NodeOptions.of(name, with_start(kwargs) if deletes else kwargs)
        outs = outputs_of(node.out, node.outs)
        body = InfrastructureBody(
            self.runner, self._infrastructure_owner, noun, deletes, self._assets(node, None), outs
        )
        return self._op(name, f"the op that {'deletes' if deletes else 'makes'} the {noun}", body, outs, node)

    @cached_property
    def _executor(self) -> RemoteExecutor:
        return self.make_executor()

    def _infrastructure_owner(self) -> RemoteExecutor:
        return self._executor


def with_start(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an op, with an input ``start`` if they have no inputs."""
    return {**kwargs, "ins": {"start": In(Nothing)} if kwargs.get("ins") is None else kwargs["ins"]}


@dataclass(frozen=True)
class InfrastructureBody(Body):
    """Creates or deletes the infrastructure of a run, such as a cluster.

    Its name depends on the run alone, and is computed when the op runs: every step of the run, and of the runs that
    re-execute it, computes the same one.

    Args:
        runner: The runner of the step.
        owner: Returns the executor that creates and deletes it, in the process that runs the op.
        noun: Name of the infrastructure.
        deletes: True to delete it instead of creating it.
        assets: The assets to record as materialized.
        outs: The outputs of the op.
    """

    runner: DagsterCommandRunner
    owner: Callable[[], RemoteExecutor]
    noun: str
    deletes: bool
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Run within an op."""
        if is_dry_run(context):
            context.log.info(f"dry run: no {self.noun} is {'deleted' if self.deletes else 'created'}")
            yield from outputs(self.outs, context.op_def.name)
            return
        with failures():
            value = self._act(self.runner.execution(context))
        yield from (AssetMaterialization(asset) for asset in self.assets)
        yield from outputs(self.outs, value)

    def _act(self, execution: Execution) -> str:
        owner = self.owner()
        if not self.deletes:
            return owner.ensure(execution)
        return "deleted" if owner.delete(execution) else "nothing to delete"


class SweepPreventedError(DagsterError):
    """The service does not answer: the sensor handles the same run again at its next tick.

    Any other error would end the clean-up: Dagster records it, and continues with the next run. This one ends the tick
    instead, and leaves the cursor of the sensor unchanged.

    Args:
        run_id: The run to clean up after.
        error: Error of the service.
    """

    def __init__(self, run_id: str, error: StarlakeError) -> None:
        super().__init__(f"what run {run_id} left is searched for again at the next tick: {error}")


class Sweeper(Protocol):
    """Ends what a run left, for example a `RemoteExecutor`."""

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:
        """End what a finished run left; return a description.

        Args:
            execution: The run.
            tolerance: Seconds for which calls are repeated after transient errors.

        Raises:
            StarlakeError: If the service refuses a call; all others have been made by then.
        """
        ...


@dataclass(frozen=True)
class Janitor:
    """Creates the sensors of a job: the only layer of clean-up that works if the process of a run is dead.

    Args:
        executor: Creates the sweeper, such as the executor.
        service: Name of the service in the names of sensors.
        where: Place where commands run, for descriptions.
        also_after_success: True if a successful run may leave something, for example if its last op was skipped.
    """

    executor: Callable[[], Sweeper]
    service: str
    where: str
    also_after_success: bool = False

    def sensors(self, jobs: Iterable[JobDefinition] | None, name: str | None) -> list[SensorDefinition]:
        """Return the sensors, which run by default.

        Args:
            jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
            name: Prefix of their names: a name, or the path of a DAG file.
        """
        monitored = None if jobs is None else list(jobs)
        first = monitored[0].name if monitored else "starlake"
        prefix = sanitize_id(f"{PurePath(name).stem if name else first}_{self.service}_janitor")
        shared: dict[str, Any] = {
            "monitored_jobs": monitored,
            "default_status": DefaultSensorStatus.RUNNING,
            "minimum_interval_seconds": _INTERVAL,
        }
        text = f"Deletes and cancels what runs have left {self.where}, after those that"
        after_failure = run_failure_sensor(f"{prefix}_after_failure", description=f"{text} failed.", **shared)
        made: list[SensorDefinition] = [after_failure(self.look_after)]
        statuses = {DagsterRunStatus.CANCELED: "were cancelled", DagsterRunStatus.SUCCESS: "succeeded"}
        for status, words in statuses.items():
            if status is DagsterRunStatus.SUCCESS and not self.also_after_success:
                continue
            after = run_status_sensor(
                run_status=status,
                name=f"{prefix}_after_{'success' if status is DagsterRunStatus.SUCCESS else 'cancellation'}",
                description=f"{text} {words}.",
                **shared,
            )
            made.append(after(self.look_after))
        return made

    def look_after(self, context: RunStatusSensorContext) -> SkipReason:
        """Clean up after one run, unless another one continues it: that one needs the resources, and ends later.

        Raises:
            SweepPreventedError: If the service does not answer.
            StarlakeError: If it refuses, or has not answered for an hour.
        """
        from ai.starlake.executor.remote.remote_errors import RemoteCallError

        run = context.dagster_run
        root = _compat.root_run_of(run) or run.run_id
        if _compat.will_be_retried(run):
            return SkipReason(f"run {run.run_id} is about to be retried, which cleans up the rest")
        other = _active_run(context.instance, root, run.run_id)
        if other is not None:
            return SkipReason(f"run {run.run_id} is continued by run {other}, which cleans up the rest")
        execution = Execution(
            run_id=run.run_id,
            step_key="",
            report=DagsterReporter(context.log),
            root_run_id=root,
            job_name=run.job_name,
            code_location=_compat.code_location_of(run),
        )
        try:
            ended = self.executor().sweep(execution, tolerance=PATIENCE)
        except RemoteCallError as error:
            if error.passes and _seconds_since_the_end(context.instance, run.run_id) < _TRIES:
                raise SweepPreventedError(run.run_id, error) from None
            raise
        return SkipReason(f"run {run.run_id} left {', '.join(ended) or 'nothing'}")


def _seconds_since_the_end(instance: DagsterInstance, run_id: str) -> float:
    record = instance.get_run_record_by_id(run_id)
    return time.time() - record.end_time if record and record.end_time else 0.0


def chain_is_over(instance: DagsterInstance, root: str) -> bool | None:
    """Return True if a run and all its re-executions have ended; None if the instance does not know it."""
    run = instance.get_run_by_id(root)
    if run is None:
        return None
    return run.is_finished and _active_run(instance, root, root) is None


def _active_run(instance: DagsterInstance, root: str, run_id: str) -> str | None:
    """Return another active run of the same chain of re-executions.

    All active runs are searched, not only those with the tag of the root: `execute_job` sets no such tag.
    """
    active = [record.dagster_run for record in instance.get_run_records(RunsFilter(statuses=_ACTIVE))]
    return next((run.run_id for run in active if run.run_id != run_id and _is_of(run, root)), None)


def _is_of(run: DagsterRun, root: str) -> bool:
    return run.run_id == root or _compat.root_run_of(run) == root
