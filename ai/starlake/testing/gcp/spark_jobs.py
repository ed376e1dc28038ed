"""Dataproc's service ``JobController``."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from google.cloud import dataproc_v1 as dataproc
from google.protobuf import empty_pb2

from ai.starlake.testing.gcp import checks
from ai.starlake.testing.gcp.clusters import ClusterRecord, Clusters
from ai.starlake.testing.gcp.driver import Driver, DriverFactory
from ai.starlake.testing.gcp.errors import Code, RpcError, invalid, not_found, refused
from ai.starlake.testing.gcp.filters import selected
from ai.starlake.testing.gcp.messages import copy, plain
from ai.starlake.testing.gcp.pages import page
from ai.starlake.testing.gcp.views import SparkJobView
from ai.starlake.testing.gcp.world import World

State = dataproc.JobStatus.State
_FINAL = {State.DONE, State.ERROR, State.CANCELLED}
_CANCELLABLE = (State.PENDING, State.RUNNING)
"""What users report of the service: it refuses to cancel in SETUP_DONE (googleapis/google-cloud-java#3754)."""
_MOST_PER_HOUR, _MOST_IN_ALL = 10, 240
_HOUR = 3600.0


@dataclass
class JobRecord:
    """A job, and what its resource does not tell.

    Args:
        message: The resource.
        region: Its region.
        cluster: Where it runs.
        created: When it was submitted, by the clock.
        driver: What runs it.
        failures: When attempts failed, by the clock.
        cancelled: How often it was cancelled with effect.
        deleted: Whether its resource was deleted.
    """

    message: dataproc.Job
    region: str
    cluster: ClusterRecord
    created: float
    driver: Driver
    failures: list[float] = field(default_factory=list)
    cancelled: int = 0
    deleted: bool = False

    @property
    def state(self) -> dataproc.JobStatus.State:
        """Where it is in its life."""
        return State(self.message.status.state)

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two jobs share."""
        return self.message.reference.project_id, self.region, self.message.reference.job_id

    def view(self) -> SparkJobView:
        """As tests see it."""
        return SparkJobView(
            name=self.message.reference.job_id,
            cluster=self.message.placement.cluster_name,
            cluster_uuid=self.message.placement.cluster_uuid,
            state=self.state.name,
            exit_code=self.driver.exit_code,
            argv=self.driver.argv,
            env=dict(self.driver.added),
            attempt=len(self.failures),
            cancelled=self.cancelled,
            labels=dict(self.message.labels),
            properties=dict(self.message.spark_job.properties),
            output=tuple(self.driver.lines),
            created=self.created,
            detail=self.message.status.details,
        )


class SparkJobs:
    """The jobs of all projects and regions.

    Args:
        world: The shared state.
        clusters: Where they run.
        drivers: Makes what runs them.
    """

    def __init__(self, world: World, clusters: Clusters, drivers: DriverFactory) -> None:
        self.records: list[JobRecord] = []
        self._world = world
        self._clusters = clusters
        self._drivers = drivers
        self._live: dict[tuple[str, str, str], JobRecord] = {}
        self._answered: dict[tuple[str, str, str], JobRecord] = {}

    def submit(self, request: dataproc.SubmitJobRequest) -> dataproc.Job:
        """SubmitJob."""
        place = _place(request.project_id, request.region)
        checks.request_id(request.request_id)
        answer = (*place, request.request_id)
        if request.request_id and answer in self._answered:
            return self._shown(self._answered[answer])
        record = self._new(request)
        if record.key in self._live:
            raise RpcError(Code.ALREADY_EXISTS, f"Already exists: Failed to submit job: Job {'/'.join(record.key)}")
        self._live[record.key] = record
        self.records.append(record)
        if request.request_id:
            self._answered[answer] = record
        record.cluster.jobs[record.key[2]] = lambda: self._lose_cluster(record)
        record.cluster.idle_since = None
        self._enter(record, State.PENDING)
        self._set_up(record)
        return self._shown(record)

    def get(self, request: dataproc.GetJobRequest) -> dataproc.Job:
        """GetJob, by the id of the job."""
        return self._shown(self._find(request.project_id, request.region, request.job_id))

    def listing(self, request: dataproc.ListJobsRequest) -> dataproc.ListJobsResponse:
        """ListJobs, with the documented filters."""
        place = _place(request.project_id, request.region)
        matcher = dataproc.ListJobsRequest.JobStateMatcher(request.job_state_matcher)
        ours = [
            record
            for record in self._live.values()
            if record.key[:2] == place
            and request.cluster_name in ("", record.message.placement.cluster_name)
            and _matches(record, matcher.name)
            and _selected(record, request.filter)
        ]
        shown, token = page(ours, request.page_size, request.page_token, most=1000)
        return dataproc.ListJobsResponse(jobs=[self._shown(record) for record in shown], next_page_token=token)

    def update(self, request: dataproc.UpdateJobRequest) -> dataproc.Job:
        """UpdateJob: labels, as the service can change nothing else."""
        record = self._find(request.project_id, request.region, request.job_id)
        paths = list(plain(request).update_mask.paths)
        if paths != ["labels"]:
            raise invalid(f"Invalid update_mask {paths}: only labels can be updated")
        checks.labels(request.job.labels)
        record.message.labels = dict(request.job.labels)
        return self._shown(record)

    def cancel(self, request: dataproc.CancelJobRequest) -> dataproc.Job:
        """CancelJob; answers before the job ended."""
        record = self._find(request.project_id, request.region, request.job_id)
        if record.state not in _CANCELLABLE:
            states = ", ".join(state.name for state in _CANCELLABLE)
            raise refused(
                f"Cannot cancel jobId '{request.job_id}' in projectId '{request.project_id}' in state: "
                f"'{record.state.name}'; cancellable states: '[{states}]'"
            )
        record.cancelled += 1
        running = record.state == State.RUNNING
        self._enter(record, State.CANCEL_PENDING)
        self._world.after(0, lambda: self._cancel(record, running=running))
        return self._shown(record)

    def delete(self, request: dataproc.DeleteJobRequest) -> empty_pb2.Empty:
        """DeleteJob, of a job that ended."""
        record = self._find(request.project_id, request.region, request.job_id)
        if record.state not in _FINAL:
            raise refused(f"Cannot delete active job '{request.job_id}' in state {record.state.name}")
        record.deleted = True
        del self._live[record.key]
        return empty_pb2.Empty()

    def _find(self, project: str, region: str, job_id: str) -> JobRecord:
        record = self._live.get((*_place(project, region), job_id))
        if record is None:
            raise not_found(f"Not found: Job projects/{project}/regions/{region}/jobs/{job_id}")
        return record

    def _new(self, request: dataproc.SubmitJobRequest) -> JobRecord:
        job = copy(request.job)
        cluster_name = checks.require("job.placement.cluster_name", job.placement.cluster_name)
        _check_job(job, request.project_id)
        cluster = self._clusters.find(request.project_id, request.region, cluster_name)
        if not cluster.takes_jobs:
            raise refused(
                f"Unable to submit job, cluster '{cluster_name}' is in state {cluster.state.name} "
                "and cannot accept jobs."
            )
        job.reference.project_id = request.project_id
        job.reference.job_id = job.reference.job_id or str(uuid.uuid4())
        job.job_uuid = str(uuid.uuid4())
        job.placement.cluster_uuid = cluster.message.cluster_uuid
        folder = f"google-cloud-dataproc-metainfo/{cluster.message.cluster_uuid}/jobs/{job.reference.job_id}"
        job.driver_control_files_uri = f"gs://{cluster.message.config.config_bucket}/{folder}/"
        job.driver_output_resource_uri = f"gs://{cluster.message.config.config_bucket}/{folder}/driveroutput"
        driver = self._drivers(job, cluster.message.config)
        return JobRecord(job, request.region, cluster, self._world.clock.now(), driver)

    def _set_up(self, record: JobRecord) -> None:
        timing = self._world.timing
        begin = self._then(record, State.SETUP_DONE, State.RUNNING, lambda: self._run(record))
        prepare = self._then(
            record, State.PENDING, State.SETUP_DONE, lambda: self._world.after(timing.start_job, begin)
        )
        self._world.after(timing.setup_job, prepare)

    def _then(
        self,
        record: JobRecord,
        state: dataproc.JobStatus.State,
        following: dataproc.JobStatus.State,
        action: Callable[[], None],
    ) -> Callable[[], None]:
        """Makes the step from one state to the next one, which does nothing if the job is elsewhere by then."""

        def step() -> None:
            if record.state == state:
                self._enter(record, following)
                action()

        return step

    def _run(self, record: JobRecord) -> None:
        record.driver.start(lambda code: self._ended(record, code))

    def _ended(self, record: JobRecord, code: int | None) -> None:
        """Called by the thread of the driver."""
        record.driver.flush()
        with self._world.changed:
            if record.state in {State.CANCEL_PENDING, State.CANCEL_STARTED}:
                self._finish(record, State.CANCELLED, "Job was cancelled.")
            elif record.state == State.RUNNING:
                self._judge(record, code)
            self._world.touch()

    def _judge(self, record: JobRecord, code: int | None) -> None:
        if code == 0:
            self._finish(record, State.DONE)
        elif self._may_restart(record):
            record.failures.append(self._world.clock.now())
            self._enter(record, State.ATTEMPT_FAILURE, f"The driver exited with code {code}.")
            self._enter(record, State.PENDING)
            self._set_up(record)
        else:
            where = record.message.driver_output_resource_uri
            self._finish(
                record,
                State.ERROR,
                f"Job failed with message [the driver exited with code {code}]. "
                f"Additional details can be found at:\n{where}.*",
            )

    def _may_restart(self, record: JobRecord) -> bool:
        limits = record.message.scheduling
        recent = [moment for moment in record.failures if moment > self._world.clock.now() - _HOUR]
        in_all = limits.max_failures_total or _MOST_IN_ALL
        return len(recent) < limits.max_failures_per_hour and len(record.failures) < in_all

    def _cancel(self, record: JobRecord, *, running: bool) -> None:
        if record.state != State.CANCEL_PENDING:
            return
        if running:
            self._enter(record, State.CANCEL_STARTED)
            record.driver.end()
        else:
            self._finish(record, State.CANCELLED, "Job was cancelled.")

    def _lose_cluster(self, record: JobRecord) -> None:
        record.driver.end()
        self._finish(record, State.ERROR, f"Cluster '{record.message.placement.cluster_name}' was deleted.")

    def _finish(self, record: JobRecord, state: dataproc.JobStatus.State, details: str = "") -> None:
        self._enter(record, state, details)
        record.message.done = True
        record.cluster.jobs.pop(record.key[2], None)
        if not record.cluster.jobs:
            record.cluster.idle_since = self._world.clock.now()

    def _enter(self, record: JobRecord, state: dataproc.JobStatus.State, details: str = "") -> None:
        if record.message.status.state:
            record.message.status_history.append(copy(record.message.status))
        record.message.status = dataproc.JobStatus(state=state, details=details, state_start_time=self._world.now())

    def _shown(self, record: JobRecord) -> dataproc.Job:
        return copy(record.message)


def _place(project: str, region: str) -> tuple[str, str]:
    return checks.require("project_id", project), checks.require("region", region)


def _check_job(job: dataproc.Job, project: str) -> None:
    if job.reference.project_id not in ("", project):
        raise invalid(f"project_id {job.reference.project_id!r} of the job is not {project!r}")
    if job.reference.job_id:
        checks.job_id(job.reference.job_id)
    kind = plain(job).WhichOneof("type_job")
    if kind is None:
        raise invalid("A job type must be set")
    if kind != "spark_job":
        raise RpcError(Code.UNIMPLEMENTED, f"the emulator runs spark_job only, not {kind}")
    if not (job.spark_job.main_class or job.spark_job.main_jar_file_uri):
        raise invalid("spark_job.main_class or spark_job.main_jar_file_uri must be set")
    if not 0 <= job.scheduling.max_failures_per_hour <= _MOST_PER_HOUR:
        raise invalid(f"scheduling.max_failures_per_hour is not between 0 and {_MOST_PER_HOUR}")
    if not 0 <= job.scheduling.max_failures_total <= _MOST_IN_ALL:
        raise invalid(f"scheduling.max_failures_total is not between 0 and {_MOST_IN_ALL}")
    checks.labels(job.labels)


def _matches(record: JobRecord, matcher: str) -> bool:
    return matcher == "ALL" or (record.state in _FINAL) == (matcher != "ACTIVE")


def _selected(record: JobRecord, text: str) -> bool:
    def in_state(value: str) -> bool:
        if value in {"ACTIVE", "NON_ACTIVE"}:
            return _matches(record, value)
        if value not in State.__members__:
            raise invalid(f"Invalid filter: unknown state {value!r}")
        return bool(record.state.name == value)

    return selected(text, record.message.labels, {"status.state": in_state})
