"""Dataproc's service ``JobController``."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from google.cloud import dataproc_v1 as dataproc
from google.protobuf import empty_pb2

from starlake_gcp_emulator.dataproc.clusters import Clusters
from starlake_gcp_emulator.dataproc.driver import DriverFactory
from starlake_gcp_emulator.dataproc.job_record import FINAL, JobRecord, State, check_job
from starlake_gcp_emulator.errors import Code, RpcError, invalid, not_found, refused
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.filters import terms
from starlake_gcp_emulator.state.messages import copy, plain
from starlake_gcp_emulator.state.pages import page
from starlake_gcp_emulator.state.world import World

_CANCELLABLE = (State.PENDING, State.RUNNING)
"""States that allow a cancellation; users report that the service refuses it in SETUP_DONE
(googleapis/google-cloud-java#3754)."""


class SparkJobs:
    """The jobs of all projects and regions.

    Args:
        world: The shared state.
        clusters: Clusters that run them.
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
            return copy(self._answered[answer].message)
        record = self._new(request)
        if record.key in self._live:
            raise RpcError(Code.ALREADY_EXISTS, f"Already exists: Failed to submit job: Job {'/'.join(record.key)}")
        self._live[record.key] = record
        self.records.append(record)
        if request.request_id:
            self._answered[answer] = record
        record.cluster.jobs[record.key[2]] = lambda: self._lose_cluster(record)
        record.cluster.idle_since = None
        record.enter(State.PENDING, self._world.now())
        self._set_up(record)
        return copy(record.message)

    def get(self, request: dataproc.GetJobRequest) -> dataproc.Job:
        """GetJob, by the id of the job."""
        return copy(self._find(request.project_id, request.region, request.job_id).message)

    def listing(self, request: dataproc.ListJobsRequest) -> dataproc.ListJobsResponse:
        """ListJobs, with the documented filters."""
        terms(request.filter)  # refused also where there is nothing to list
        place = _place(request.project_id, request.region)
        matcher = dataproc.ListJobsRequest.JobStateMatcher(request.job_state_matcher)
        ours = [
            record
            for record in self._live.values()
            if record.key[:2] == place
            and request.cluster_name in ("", record.message.placement.cluster_name)
            and record.matches(matcher.name)
            and record.is_selected(request.filter)
        ]
        shown, token = page(ours, request.page_size, request.page_token, most=1000)
        return dataproc.ListJobsResponse(jobs=[copy(record.message) for record in shown], next_page_token=token)

    def update(self, request: dataproc.UpdateJobRequest) -> dataproc.Job:
        """UpdateJob: labels, as the service can change nothing else."""
        record = self._find(request.project_id, request.region, request.job_id)
        paths = list(plain(request).update_mask.paths)
        if paths != ["labels"]:
            raise invalid(f"Invalid update_mask {paths}: only labels can be updated")
        checks.labels(request.job.labels)
        record.message.labels = dict(request.job.labels)
        return copy(record.message)

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
        record.enter(State.CANCEL_PENDING, self._world.now())
        self._world.after(0, lambda: self._cancel(record, running=running))
        return copy(record.message)

    def delete(self, request: dataproc.DeleteJobRequest) -> empty_pb2.Empty:
        """DeleteJob, of a job that ended."""
        record = self._find(request.project_id, request.region, request.job_id)
        if record.state not in FINAL:
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
        check_job(job, request.project_id)
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
        """Make the step from one state to the next one, which does nothing if the job is elsewhere by then."""

        def step() -> None:
            if record.state == state:
                record.enter(following, self._world.now())
                action()

        return step

    def _run(self, record: JobRecord) -> None:
        record.driver.start(lambda code: self._ended(record, code))

    def _ended(self, record: JobRecord, code: int | None) -> None:
        """Take the end of a job from the thread of its driver."""
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
        elif record.may_restart(self._world.clock.now()):
            record.failures.append(self._world.clock.now())
            record.enter(State.ATTEMPT_FAILURE, self._world.now(), f"The driver exited with code {code}.")
            record.enter(State.PENDING, self._world.now())
            self._set_up(record)
        else:
            where = record.message.driver_output_resource_uri
            self._finish(
                record,
                State.ERROR,
                f"Job failed with message [the driver exited with code {code}]. "
                f"Additional details can be found at:\n{where}.*",
            )

    def _cancel(self, record: JobRecord, *, running: bool) -> None:
        if record.state != State.CANCEL_PENDING:
            return
        if running:
            record.enter(State.CANCEL_STARTED, self._world.now())
            record.driver.end()
        else:
            self._finish(record, State.CANCELLED, "Job was cancelled.")

    def _lose_cluster(self, record: JobRecord) -> None:
        record.driver.end()
        self._finish(record, State.ERROR, f"Cluster '{record.message.placement.cluster_name}' was deleted.")

    def _finish(self, record: JobRecord, state: dataproc.JobStatus.State, details: str = "") -> None:
        record.enter(state, self._world.now(), details)
        record.message.done = True
        record.cluster.jobs.pop(record.key[2], None)
        if not record.cluster.jobs:
            record.cluster.idle_since = self._world.clock.now()


def _place(project: str, region: str) -> tuple[str, str]:
    return checks.require("project_id", project), checks.require("region", region)
