"""The life of a Spark job: submitted once, followed to its end, and never left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.interrupts import interrupts_held
from ai.starlake.gcp.calls import READ_TIMEOUT, WRITE_TIMEOUT, Calls
from ai.starlake.gcp.clients import GcpClients
from ai.starlake.gcp.cluster_api import HASTY_CALL, hasty
from ai.starlake.gcp.errors import AlreadyExistsError, GcpCallError
from ai.starlake.gcp.names import LABEL_RUN, LABEL_STEP, label_value, request_id
from ai.starlake.gcp.progress import Progress, duration

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_CANCEL_TIMEOUT = 15.0
"""Seconds for which a job may be in a state that does not allow its cancellation."""
_END_TIMEOUT = 300.0
"""Seconds that a job which was cancelled may take to end."""
_ACTIVE = "status.state = ACTIVE"
_FINAL = frozenset({"DONE", "ERROR", "CANCELLED"})
_ENDING = _FINAL | {"CANCEL_PENDING", "CANCEL_STARTED"}
_NOT_CANCELLABLE = _CLUSTER_IS_NOT_READY = frozenset({"NOT_FOUND", "FAILED_PRECONDITION"})


class SparkJobTimeoutError(StarlakeError):
    """A Spark job took longer than it may, and was cancelled."""


class ClusterNotReadyError(StarlakeError):
    """The cluster went away, or stopped taking jobs, between the moment it was ready and the submission."""


def state_of(job: Job) -> str:
    """The state of a job, such as ``RUNNING``."""
    return str(job.status.state.name)


def is_final(job: Job) -> bool:
    """Whether a job has ended, well or not."""
    return state_of(job) in _FINAL


def is_ending(job: Job) -> bool:
    """Whether a job has ended, or is being cancelled."""
    return state_of(job) in _ENDING


class SparkJobs:
    """The Spark jobs of one project and region.

    Args:
        clients: The clients of Dataproc.
        calls: Makes the calls.
        project: The project.
        region: The region.
        timeout: Seconds that a job may take; None for any time.
    """

    def __init__(
        self,
        clients: GcpClients,
        calls: Calls,
        project: str,
        region: str,
        *,
        timeout: float | None = None,
    ) -> None:
        self._clients = clients
        self._calls = calls
        self._place = {"project_id": project, "region": region}
        self._timeout = timeout

    def run(self, job: Job, on_look: Callable[[Job], None] | None = None) -> Job:
        """Submits a job and waits for its end.

        If a job of this id was submitted before, it is waited for instead. Whatever is raised meanwhile, an
        interruption included, cancels the job before it goes on.

        Args:
            job: The job, with an id of its own.
            on_look: Called with the job after each look at it.

        Returns:
            The job as it ended: DONE, ERROR or CANCELLED.

        Raises:
            ClusterNotReadyError: If the cluster does not take jobs; nothing was submitted.
            SparkJobTimeoutError: If the job took too long.
            GcpCallError: If Dataproc refuses a call.
        """
        answered = False
        try:
            submitted = self._submit(job)
            answered = True
            return self._follow(submitted, on_look)
        except ClusterNotReadyError:
            raise
        except BaseException:
            with interrupts_held():
                self._abandon(job.reference.job_id, answered=answered)
            raise

    def of_run(self, root_run_id: str) -> Iterator[Job]:
        """The jobs of a run that have not ended; those of its re-executions among them.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._list(f"{_ACTIVE} AND labels.{LABEL_RUN} = {label_value(root_run_id)}")

    def active(self) -> Iterator[Job]:
        """The jobs of any run that have not ended.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._list(f"{_ACTIVE} AND labels.{LABEL_RUN} = *")

    def cancel(self, job_id: str) -> bool:
        """Asks for the cancellation of a job.

        Returns:
            Whether the job is being cancelled: False if there is no such job, or it has ended.

        Raises:
            GcpCallError: If Dataproc refuses.
        """
        return self._cancel(self._calls, job_id)

    def of_step(self, root_run_id: str, step_key: str) -> Iterator[Job]:
        """The jobs of a step, in a run and in its re-executions, whether they have ended or not.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._list(
            f"labels.{LABEL_RUN} = {label_value(root_run_id)} AND labels.{LABEL_STEP} = {label_value(step_key)}"
        )

    def attach(self, job: Job, on_look: Callable[[Job], None] | None = None) -> Job:
        """Waits for the end of a job that was submitted before; see `run`."""
        try:
            return self._follow(job, on_look)
        except BaseException:
            with interrupts_held():
                self._abandon(job.reference.job_id, answered=True)
            raise

    def end(self, job: Job) -> Job:
        """Cancels a job, and waits for its end.

        Returns:
            The job as it ended.

        Raises:
            StarlakeError: If it does not end in time.
            GcpCallError: If Dataproc refuses a call.
        """
        job_id = job.reference.job_id
        self.cancel(job_id)
        late = StarlakeError(
            f"Spark job {job_id} of an earlier attempt does not end",
            cause=f"it was cancelled {duration(_END_TIMEOUT)} ago",
            fix="end it by hand before this step runs again: both at once would work on the same files",
        )
        return self._watch(self._get(job_id), self._progress(job_id, _END_TIMEOUT), late)

    def _list(self, selection: str) -> Iterator[Job]:
        request = {**self._place, "filter": selection}
        return self._calls.listing(self._clients.spark_jobs.list_jobs, request, what="list Spark jobs", items="jobs")

    def _submit(self, job: Job) -> Job:
        from google.cloud import dataproc_v1

        job_id, cluster = job.reference.job_id, job.placement.cluster_name
        request = dataproc_v1.SubmitJobRequest({**self._place, "job": job, "request_id": request_id(job_id)})
        try:
            submitted = self._calls.repeat(
                self._clients.spark_jobs.submit_job, request, what=f"submit Spark job {job_id}"
            )
        except AlreadyExistsError:
            self._calls.report.info(f"Spark job {job_id} was submitted before: waiting for its end")
            return self._get(job_id)
        except GcpCallError as error:
            if error.code in _CLUSTER_IS_NOT_READY:
                raise ClusterNotReadyError(f"cluster {cluster} takes no jobs", cause=str(error)) from None
            raise
        self._calls.report.info(f"Spark job {job_id} submitted to cluster {cluster}")
        return submitted

    def _follow(self, job: Job, on_look: Callable[[Job], None] | None) -> Job:
        job_id = job.reference.job_id
        timeout = self._timeout
        late = SparkJobTimeoutError(
            f"Spark job {job_id} took longer than {duration(timeout or 0)}, and is cancelled",
            fix="raise option dataproc_job_wait_timeout",
        )
        return self._watch(job, self._progress(job_id, timeout), late, on_look)

    def _watch(
        self, job: Job, progress: Progress, late: StarlakeError, on_look: Callable[[Job], None] | None = None
    ) -> Job:
        while True:
            progress.see(state_of(job))
            if on_look:
                on_look(job)
            if is_final(job):
                return job
            progress.pause(late)
            job = self._get(job.reference.job_id)

    def _get(self, job_id: str, calls: Calls | None = None, longest: float = READ_TIMEOUT) -> Job:
        request = {**self._place, "job_id": job_id}
        what, timeout = f"look at Spark job {job_id}", min(longest, READ_TIMEOUT)
        return (calls or self._calls).read(self._clients.spark_jobs.get_job, request, what=what, timeout=timeout)

    def _abandon(self, job_id: str, *, answered: bool) -> None:
        """Cancels a job when nobody waits for it any more. A submission without an answer may be on its way yet."""
        calls = hasty(self._calls)
        try:
            if not self._cancel(calls, job_id, HASTY_CALL) and not answered:
                calls.sleep(min(1.0, calls.interval))
                self._cancel(calls, job_id, HASTY_CALL)
        except StarlakeError as error:
            calls.report.warning(f"Spark job {job_id} may still be running: {error}")

    def _cancel(self, calls: Calls, job_id: str, longest: float = WRITE_TIMEOUT) -> bool:
        progress = calls.progress(f"Spark job {job_id}", timeout=_CANCEL_TIMEOUT)
        while (refusal := self._order_cancellation(calls, job_id, longest)) is not None:
            if refusal.code == "NOT_FOUND":
                return False
            state = state_of(self._get(job_id, calls, longest))
            if state in _ENDING:
                return state not in _FINAL
            progress.pause(refusal)
        calls.report.info(f"Spark job {job_id} is cancelled")
        return True

    def _order_cancellation(self, calls: Calls, job_id: str, longest: float) -> GcpCallError | None:
        """Why a job is not being cancelled: there is none, it has ended, or its state does not allow it right now.

        Dataproc cannot cancel a job in SETUP_DONE (googleapis/google-cloud-java#3754).
        """
        request = {**self._place, "job_id": job_id}
        try:
            what = f"cancel Spark job {job_id}"
            calls.repeat(self._clients.spark_jobs.cancel_job, request, what=what, timeout=longest)
        except GcpCallError as error:
            if error.code in _NOT_CANCELLABLE:
                return error
            raise
        return None

    def _progress(self, job_id: str, timeout: float | None) -> Progress:
        return self._calls.progress(f"Spark job {job_id}", timeout=timeout)
