"""Runs commands of Starlake as Spark jobs of a Dataproc cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.executor.failures import hint
from ai.starlake.executor.notes import LoadNote, RunsRemotely
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeResult
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.console_links import dataproc_link
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
from ai.starlake.gcp.dataproc.clusters import DataprocClusters
from ai.starlake.gcp.dataproc.driver_output import DriverOutput
from ai.starlake.gcp.dataproc.earlier_jobs import EarlierJobs
from ai.starlake.gcp.dataproc.options_dataproc import DataprocOptions
from ai.starlake.gcp.dataproc.resource_names import RunIdentity, spark_job_id
from ai.starlake.gcp.dataproc.spark_job import arguments_of, spark_job
from ai.starlake.gcp.dataproc.spark_job_api import ClusterNotReadyError, state_of
from ai.starlake.gcp.dataproc.spark_jobs import SparkJobs
from ai.starlake.gcp.remote_call import RemoteCall
from ai.starlake.job import StarlakeCommand

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_SPARK_JOB = "spark_job"
_SUBMISSIONS = 3
"""How often a job is submitted whose cluster goes away in the very moment."""


class SparkJobFailedError(CommandFailedError):
    """The Spark job of a command did not end well.

    Args:
        command: The command, secrets masked.
        job: The job.
        tail: The last lines of its driver, secrets masked.
        log_url: Where its log can be read.
    """

    def __init__(self, command: str, job: Job, tail: list[str], log_url: str) -> None:
        state = state_of(job)
        self.remote_id = job.reference.job_id
        how = "was cancelled by somebody" if state == "CANCELLED" else f"ended in state {state}"
        super().__init__(
            command,
            1,
            tail,
            fix="; ".join(filter(None, [hint(1, tail), f"read the whole log: {log_url}"])),
            log_url=log_url,
            how=f"failed: Spark job {self.remote_id} {how}",
            verdict=job.status.details,
        )


@dataclass(frozen=True)
class DataprocSession:
    """What one step does on Dataproc.

    Args:
        execution: The attempt.
        clusters: The clusters.
        jobs: The Spark jobs.
        calls: Makes the calls.
    """

    execution: Execution
    clusters: DataprocClusters
    jobs: SparkJobs
    calls: Calls

    @property
    def run(self) -> RunIdentity:
        """The run that the step belongs to."""
        return RunIdentity.of(self.execution)


class DataprocExecutor:
    """Runs each command as a Spark job, on the cluster of the run, which is made when it is missing.

    Args:
        settings: The options of the job.
        clients: Google's clients; by default those that the options describe, made when they are first needed.
        cluster_config: What the cluster consists of; by default what the options say.
        facts: How to learn about the project; without it, loads cannot be repeated.
        calls: What makes the calls; see `Calls`.
    """

    def __init__(
        self,
        settings: DataprocOptions,
        clients: GcpClients | None = None,
        cluster_config: StarlakeDataprocClusterConfig | None = None,
        *,
        facts: FactsFactory | None = None,
        calls: Callable[..., Calls] = Calls,
    ) -> None:
        self.settings = settings
        self.cluster_config = cluster_config or StarlakeDataprocClusterConfig(options=_given(settings))
        self._given_clients = clients
        self._facts = facts
        self._calls = calls

    @cached_property
    def clients(self) -> GcpClients:
        """Google's clients."""
        settings = self.settings
        endpoints = GcpEndpoints(
            dataproc=settings.dataproc_endpoint,
            storage=settings.storage_endpoint,
            impersonate=settings.dataproc_impersonate_service_account or None,
        )
        config = self.cluster_config
        return self._given_clients or GcpClients(endpoints, project=config.project_id, region=config.region)

    def session(self, execution: Execution, mask: Callable[[str], str] = str) -> DataprocSession:
        """What one step needs to work with clusters and jobs.

        Args:
            execution: The attempt.
            mask: Masks secrets in what Dataproc says.
        """
        settings, config = self.settings, self.cluster_config
        calls = self._calls(
            execution.report, interval=settings.poll_interval, tolerance=settings.outage_tolerance, mask=mask
        )
        clusters = DataprocClusters(config, self.clients, calls, timeout=settings.dataproc_create_timeout)
        timeout = settings.dataproc_job_wait_timeout
        jobs = SparkJobs(self.clients, calls, config.project_id, config.region, timeout=timeout)
        return DataprocSession(execution, clusters, jobs, calls)

    def create_cluster(self, execution: Execution) -> str:
        """Makes sure that the run has a cluster.

        Returns:
            Its name.

        Raises:
            StarlakeError: See `DataprocClusters.ensure`.
        """
        session = self.session(execution)
        with _discarding(session):
            return str(session.clusters.ensure(session.run).cluster_name)

    def delete_cluster(self, execution: Execution) -> bool:
        """Deletes the cluster of the run; see `DataprocClusters.delete`."""
        session = self.session(execution)
        return session.clusters.delete(session.run)

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Runs a command to its end.

        Raises:
            SparkJobFailedError: If the Spark job does not end well.
            SparkJobTimeoutError: If it takes too long.
            RecoveryError: If it is a load that cannot be repeated safely.
            StarlakeError: If there is no cluster, a secret has no value, or Google Cloud refuses a call.
        """
        started = time.monotonic()
        call = RemoteCall.prepare(command, execution)
        session = self.session(execution, call.redactor.mask)
        output = CommandOutput(call.redactor, execution.report)
        with _discarding(session):
            job = self._run(session, call, output)
        job_id = job.reference.job_id
        return StarlakeResult(
            duration=time.monotonic() - started,
            counts=output.counts(),
            remote_id=job_id,
            log_url=self._log_url(job_id),
        )

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files that loads which are over left, as far as a load would work on them.

        Raises:
            StarlakeError: If that cannot be found out.
        """
        call = RemoteCall.prepare(command, execution)
        session = self.session(execution, call.redactor.mask)
        return call.files(execution, self._facts, self.settings, _runs(session)).left()

    def _run(self, session: DataprocSession, call: RemoteCall, output: CommandOutput) -> Job:
        execution = session.execution
        driver = DriverOutput(self.clients, session.calls, output)
        job = None
        if execution.repeated:
            job = EarlierJobs(session.jobs, execution, arguments_of(call)).settle(driver.advance)
        if job is not None:
            return self._done(job, call, driver, output)
        job_id = spark_job_id(execution.step_key, execution.run_id, execution.attempt, arguments_of(call))
        with call.kept(execution, self._facts, self.settings, _runs(session), {_SPARK_JOB: job_id}):
            return self._done(self._submitted(session, call, driver), call, driver, output)

    def _done(self, job: Job, call: RemoteCall, driver: DriverOutput, output: CommandOutput) -> Job:
        """Take the end of a job."""
        driver.finish()
        if state_of(job) != "DONE":
            raise SparkJobFailedError(str(call), job, output.tail, self._log_url(job.reference.job_id))
        return job

    def _submitted(self, session: DataprocSession, call: RemoteCall, driver: DriverOutput) -> Job:
        for remaining in reversed(range(_SUBMISSIONS)):
            cluster = session.clusters.ensure(session.run)
            job = spark_job(self.settings, call, session.execution, cluster.cluster_name)
            session.execution.report.info(f"log: {self._log_url(job.reference.job_id)}")
            try:
                return session.jobs.run(job, driver.advance)
            except ClusterNotReadyError as error:
                if not remaining:
                    raise
                session.execution.report.warning(str(error))
        raise AssertionError("the last submission returns or raises")

    def _log_url(self, job_id: str) -> str:
        config = self.cluster_config
        return dataproc_link("jobs", job_id, config.project_id, config.region)


def _runs(session: DataprocSession) -> RunsRemotely:
    """Tell of a load whether its Spark job runs."""

    def runs(note: LoadNote, patience: float) -> bool | None:
        job_id = note.remote.get(_SPARK_JOB)
        return None if job_id is None else session.jobs.runs(job_id, patience)

    return runs


def _given(settings: DataprocOptions) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}


@contextmanager
def _discarding(session: DataprocSession) -> Iterator[None]:
    """Deletes the cluster when the whole run is ending; a step that fails leaves it to the others.

    Only what is no `Exception` interrupts a step: SIGINT, SIGTERM, a run that is cancelled.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException:
        _discard_if_ending(session)
        raise


def _discard_if_ending(session: DataprocSession) -> None:
    is_ending = session.execution.run_is_ending
    if is_ending is not None and _answer(is_ending, session):
        with interrupts_held():
            session.clusters.discard(session.run)


def _answer(is_ending: Callable[[], bool], session: DataprocSession) -> bool:
    try:
        return is_ending()
    except Exception as error:  # noqa: BLE001  what interrupted the step matters more than who cannot be asked
        session.execution.report.warning(f"whether the run is ending is not known: {error}")
        return False
