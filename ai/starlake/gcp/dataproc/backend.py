"""Run commands as Spark jobs of Dataproc: the specific parts; see `RemoteExecutor` for the common ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.project_facts import FactsFactory
from ai.starlake.executor.remote.identity import (
    LABEL_ATTEMPT_RUN,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_STEP,
    label_value,
)
from ai.starlake.executor.remote.remote_backend import (
    Handle,
    Phase,
    RemoteBackend,
    RemoteRequest,
    RemoteState,
    RemoteWork,
    Search,
)
from ai.starlake.executor.remote.remote_errors import NotReadyError
from ai.starlake.executor.remote.remote_executor import RemoteExecutor
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.console_links import dataproc_link
from ai.starlake.gcp.client.endpoints import GcpEndpoints, gs_uri
from ai.starlake.gcp.client.google_errors import AlreadyExistsError, GcpCallError, NotFoundError
from ai.starlake.gcp.dataproc.cluster_config import StarlakeDataprocClusterConfig
from ai.starlake.gcp.dataproc.clusters import DataprocClusters
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.gcp.dataproc.driver_output import DriverOutput
from ai.starlake.gcp.dataproc.resource_names import request_id
from ai.starlake.gcp.dataproc.spark_job import spark_config, spark_job
from ai.starlake.job.compute_choices import chosen_profile

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_CANCEL_TIMEOUT = 15.0
"""Seconds for which a job may be in a state that does not allow its cancellation."""
_PHASES = {
    "DONE": Phase.SUCCEEDED,
    "ERROR": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
    "CANCEL_PENDING": Phase.ENDING,
    "CANCEL_STARTED": Phase.ENDING,
}
_CLUSTER_IS_NOT_READY = frozenset({"NOT_FOUND", "FAILED_PRECONDITION"})
_IS_NOT_CANCELLABLE = frozenset({"NOT_FOUND", "FAILED_PRECONDITION"})


class SparkJobs(RemoteWork):
    """The Spark jobs of one project and region.

    Args:
        calls: Makes the calls.
        clients: The clients of Dataproc.
        project: The project; by default that of the clients.
        region: The region; by default that of the clients.
        timeout: Timeout in seconds of a job; None without a limit.
    """

    noun = "Spark job"

    def __init__(
        self,
        calls: Calls,
        clients: GcpClients,
        project: str | None = None,
        region: str | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        self.calls: Calls = calls
        self.region = region or clients.region
        self._clients = clients
        self._project = project or clients.project
        self._place = {"project_id": self._project, "region": self.region}
        self._timeout = timeout

    def find(self, search: Search) -> Iterator[Handle]:
        """Yield the matching Spark jobs, newest first."""
        if search.reference is not None:
            with suppress(NotFoundError):
                yield self.handle(self._get(search.reference))
            return
        run = "*" if search.root_run_id is None else label_value(search.root_run_id)
        terms = [f"labels.{LABEL_RUN} = {run}"]
        if search.active:
            terms.insert(0, "status.state = ACTIVE")
        if search.step_key is not None:
            terms.append(f"labels.{LABEL_STEP} = {label_value(search.step_key)}")
        request = {**self._place, "filter": " AND ".join(terms)}
        jobs = self.calls.listing(self._clients.spark_jobs.list_jobs, request, what="list Spark jobs", items="jobs")
        yield from map(self.handle, jobs)

    def look(self, handle: Handle) -> RemoteState:
        """Return the state of a Spark job."""
        return _state(self._get(handle.id))

    def cancel(self, handle: Handle) -> bool:
        """Request the cancellation of a Spark job, until its state allows it."""
        progress = self.calls.progress(f"Spark job {handle.id}", timeout=_CANCEL_TIMEOUT)
        while (refusal := self._order_cancellation(handle.id)) is not None:
            try:
                state = self.look(handle)
            except NotFoundError:
                return False
            if state.phase is not Phase.ACTIVE:
                return not state.is_over
            progress.pause(refusal)
        self.calls.report.info(f"Spark job {handle.id} is cancelled")
        return True

    def handle(self, job: Job) -> Handle:
        """Return the handle of a Spark job."""
        job_id = str(job.reference.job_id)
        return Handle(
            id=job_id,
            name=job_id,
            arguments=tuple(job.spark_job.args),
            run_id=job.labels.get(LABEL_ATTEMPT_RUN, ""),
            root_run_id=job.labels.get(LABEL_RUN, ""),
            state=_state(job),
            created=min(status.state_start_time for status in [*job.status_history, job.status]),
            belongs_to=job.labels.get(LABEL_JOB, ""),
            log_url=self.link(job_id),
            timeout=self._timeout,
        )

    def link(self, job_id: str) -> str:
        """Return the URL of the page of a Spark job and its log."""
        return dataproc_link("jobs", job_id, self._project, self.region)

    def _get(self, job_id: str) -> Job:
        request = {**self._place, "job_id": job_id}
        return self.calls.read(self._clients.spark_jobs.get_job, request, what=f"look at Spark job {job_id}")

    def _order_cancellation(self, job_id: str) -> GcpCallError | None:
        """Return the reason why a job is not being cancelled: it is gone, has ended, or its state does not allow it.

        Dataproc cannot cancel a job in SETUP_DONE (googleapis/google-cloud-java#3754).
        """
        request = {**self._place, "job_id": job_id}
        try:
            self.calls.repeat(self._clients.spark_jobs.cancel_job, request, what=f"cancel Spark job {job_id}")
        except GcpCallError as error:
            if error.code in _IS_NOT_CANCELLABLE:
                return error
            raise
        return None


class DataprocBackend(SparkJobs, RemoteBackend):
    """Runs commands as Spark jobs on the cluster of their run.

    Args:
        calls: Makes the calls.
        clients: The clients of Dataproc.
        settings: The options of the job.
        config: The configuration of the cluster.
    """

    key = "spark_job"
    adopts_other_runs = True
    timeout_fix = "raise option dataproc_job_wait_timeout"

    def __init__(
        self, calls: Calls, clients: GcpClients, settings: DataprocOptions, config: StarlakeDataprocClusterConfig
    ) -> None:
        timeout = settings.dataproc_job_wait_timeout
        super().__init__(calls, clients, config.project_id, config.region, timeout=timeout)
        self._settings = settings
        shapes = any(profile.dataproc.sizes for profile in settings.compute.values())
        self.clusters = DataprocClusters(
            config, clients, calls, timeout=settings.dataproc_create_timeout, shapes=shapes
        )
        self.infrastructure = self.clusters

    def spelled(self, text: str) -> str:
        """Return a string with ``gs://`` for ``gcs://``, which Starlake does not know."""
        return gs_uri(text)

    def submit(self, request: RemoteRequest) -> Handle:
        """Submit a Spark job exactly once: an existing job with its id is that job."""
        from google.cloud import dataproc_v1

        job_id = request.name()
        job = spark_job(self._settings, request, job_id)
        self.calls.report.info(f"log: {self.link(job_id)}")
        order = dataproc_v1.SubmitJobRequest({**self._place, "job": job, "request_id": request_id(job_id)})
        try:
            what = f"submit Spark job {job_id}"
            submitted = self.calls.repeat(self._clients.spark_jobs.submit_job, order, what=what)
        except AlreadyExistsError:
            self.calls.report.info(f"Spark job {job_id} was submitted before: waiting for its end")
            return self.handle(self._get(job_id))
        except GcpCallError as error:
            if error.code in _CLUSTER_IS_NOT_READY:
                raise NotReadyError(f"cluster {request.place} takes no jobs", cause=str(error)) from None
            raise
        self.calls.report.info(f"Spark job {job_id} submitted to cluster {request.place}")
        return self.handle(submitted)

    def sizes(self, request: RemoteRequest) -> Mapping[str, str]:
        """Return the sizes of the Spark job and of the cluster that the profile sets."""
        if request.compute is None:
            return {}
        config = spark_config(self._settings, request).__config__()
        spark = {f"spark.{name}": config[f"spark.{name.replace('_', '.')}"] for name in request.compute.spark.sizes}
        return {**spark, **request.compute.sizes("dataproc")}

    def output(self, handle: Handle, output: CommandOutput) -> DriverOutput:  # noqa: ARG002  the state has its location
        """Return the output of the driver."""
        return DriverOutput(self._clients, self.calls, output)


class DataprocExecutor(RemoteExecutor):
    """Runs each command as a Spark job, on the cluster of the run, which is created if it is missing.

    Args:
        settings: The options of the job.
        clients: Google's clients; by default those of the options, created on first use.
        cluster_config: The configuration of the cluster; by default that of the options.
        facts: Creates the facts about a project; without it, loads cannot be repeated.
        calls: Makes the calls; see `Calls`.
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
        super().__init__(
            lambda made: DataprocBackend(made, self.clients, settings, self.cluster_config),
            calls=calls,
            interval=settings.poll_interval,
            tolerance=settings.outage_tolerance,
            facts=facts,
            project_variables=settings.project_variables,
            compute=chosen_profile(settings.compute, settings.default_compute),
        )

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


def _state(job: Job) -> RemoteState:
    text = str(job.status.state.name)
    verdict = str(job.status.details or "")
    return RemoteState(_PHASES.get(text, Phase.ACTIVE), text, verdict=verdict, native=job)


def _given(settings: DataprocOptions) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}
