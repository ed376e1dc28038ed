"""Ops and sensors for commands that run on a service, whichever: what a run made for itself, and what it left."""

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
"""Seconds for which a sensor repeats calls: Dagster gives a tick of a sensor one minute."""
_INTERVAL = 10
_TRIES = 3600.0
"""Seconds after the end of a run for which a sweep that an outage prevented is tried again."""
_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


class StarlakeDagsterRemoteJob(StarlakeDagsterJob[OptionsT]):
    """Base of the factories whose ops run commands on a service.

    A subclass makes the `RemoteExecutor`; that the sensors, the pool and the ops of the infrastructure work with it is
    the business of this class. See `IStarlakeJob` for the arguments.
    """

    service: ClassVar[str]
    """The name of the service in those of the sensors, such as ``dataproc``."""
    where: ClassVar[str]
    """Where commands run, for descriptions, such as ``on Google Cloud``."""
    leaves_after_success: ClassVar[bool] = False
    """True if a run that succeeded may leave something, as one whose last op was skipped does."""

    @abstractmethod
    def make_executor(self) -> RemoteExecutor:
        """Make the executor. Called in the process that runs an op or a sensor, once for each."""

    def variables_of(self, project: StarlakeProject) -> Mapping[str, str]:
        """Return the variables of a project's commands: a folder of this machine means nothing where they run."""
        variables = project.variables
        return variables if is_address(project.root) else {k: v for k, v in variables.items() if k != "SL_ROOT"}

    def pre_load_check(
        self, domain: str, tables: tuple[str, ...], strategy: StarlakePreLoadStrategy, **kwargs: Any
    ) -> OpDefinition:
        """Generate the op that decides whether a domain is loaded. See `StarlakeDagsterJob.pre_load_check`."""
        pool = {"pool": self.pool} if self.settings.pre_load_check == "command" else {}
        return super().pre_load_check(domain, tables, strategy, **{**pool, **kwargs})

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Generate the sensors that end what runs that are over have left.

        They run in Dagster's daemon; a run whose process died is only noticed with run monitoring.

        Args:
            jobs: The jobs whose runs they look after; by default all jobs of the code location.
            name: What their names begin with.
        """
        janitor = Janitor(self.make_executor, self.service, self.where, self.leaves_after_success)
        return janitor.sensors(jobs, name or self.filename)

    def infrastructure_op(
        self, default_id: str, noun: str, *, deletes: bool, task_id: str | None = None, **kwargs: Any
    ) -> OpDefinition:
        """Generate the op that makes or deletes the infrastructure of the run.

        Args:
            default_id: The name of the op.
            noun: What the infrastructure is called, such as ``cluster``.
            deletes: Whether it is deleted rather than made. Then the op has an input ``start``, unless `ins` says
                otherwise.
            task_id: Another name of the op.
            **kwargs: See `NodeOptions`.
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
    """Return the arguments of an op, with an input ``start`` if they name none."""
    return {**kwargs, "ins": {"start": In(Nothing)} if kwargs.get("ins") is None else kwargs["ins"]}


@dataclass(frozen=True)
class InfrastructureBody(Body):
    """Makes or deletes what the commands of a run run on, such as a cluster.

    Its name depends on the run alone, and is found when the op runs: every step of the run, and of the runs that
    re-execute it, comes to the same one.

    Args:
        runner: Knows the step.
        owner: Returns what makes and deletes it, in the process that runs the op.
        noun: What it is called.
        deletes: Whether it is deleted rather than made.
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
    """The service does not answer: the sensor looks after the same run again at its next tick.

    Any other error would be the end of it: Dagster notes it, and goes on to the next run. One of its own kind ends the
    tick instead, and leaves the cursor of the sensor where it is.

    Args:
        run_id: The run that is to be looked after.
        error: What the service said.
    """

    def __init__(self, run_id: str, error: StarlakeError) -> None:
        super().__init__(f"what run {run_id} left is looked for again at the next tick: {error}")


class Sweeper(Protocol):
    """Ends what a run left, such as a `RemoteExecutor`."""

    def sweep(self, execution: Execution, *, tolerance: float | None = None) -> list[str]:
        """End what a run that is over left, and return it in words.

        Args:
            execution: The run.
            tolerance: Seconds for which calls are repeated.

        Raises:
            StarlakeError: If the service refuses a call; all others have been made then.
        """
        ...


@dataclass(frozen=True)
class Janitor:
    """Makes the sensors of a job: the only layer of clean-up that works when the process of a run is dead.

    Args:
        executor: Makes what ends what a run left, such as the executor.
        service: The name of the service in those of the sensors.
        where: Where commands run, for descriptions.
        also_after_success: Whether a run that succeeded may leave something, as one whose last op was skipped does.
    """

    executor: Callable[[], Sweeper]
    service: str
    where: str
    also_after_success: bool = False

    def sensors(self, jobs: Iterable[JobDefinition] | None, name: str | None) -> list[SensorDefinition]:
        """Return the sensors, which run unless somebody stops them.

        Args:
            jobs: The jobs whose runs they look after; by default all jobs of the code location.
            name: What their names begin with: a name, or the path of a DAG file.
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
        """Look after one run, unless another one continues it: that one needs what is there, and ends later.

        Raises:
            SweepPreventedError: If the service does not answer right now.
            StarlakeError: If it refuses, or has not answered for an hour.
        """
        from ai.starlake.executor.remote.remote_errors import RemoteCallError

        run = context.dagster_run
        root = _compat.root_run_of(run) or run.run_id
        if _compat.will_be_retried(run):
            return SkipReason(f"run {run.run_id} is about to be retried, and leaves the rest to that run")
        other = _active_run(context.instance, root, run.run_id)
        if other is not None:
            return SkipReason(f"run {run.run_id} is continued by run {other}, which looks after the rest")
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
    """Return whether a run, and all that re-execute it, are over; None when the instance does not know it."""
    run = instance.get_run_by_id(root)
    if run is None:
        return None
    return run.is_finished and _active_run(instance, root, root) is None


def _active_run(instance: DagsterInstance, root: str, run_id: str) -> str | None:
    """Return another run of the same chain of re-executions that is under way.

    All active runs are searched, not those with the tag of the root alone: `execute_job` sets no such tag.
    """
    active = [record.dagster_run for record in instance.get_run_records(RunsFilter(statuses=_ACTIVE))]
    return next((run.run_id for run in active if run.run_id != run_id and _is_of(run, root)), None)


def _is_of(run: DagsterRun, root: str) -> bool:
    return run.run_id == root or _compat.root_run_of(run) == root
