"""The calls of Dataproc's job controller, one method each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.gcp.client.google_errors import AlreadyExistsError, GcpCallError, NotFoundError
from ai.starlake.gcp.dataproc.dataproc_api import DataprocApi
from ai.starlake.gcp.dataproc.resource_names import request_id

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_CANCEL_TIMEOUT = 15.0
"""Seconds for which a job may be in a state that does not allow its cancellation."""
_FINAL = frozenset({"DONE", "ERROR", "CANCELLED"})
_ENDING = _FINAL | {"CANCEL_PENDING", "CANCEL_STARTED"}
_NOT_CANCELLABLE = _CLUSTER_IS_NOT_READY = frozenset({"NOT_FOUND", "FAILED_PRECONDITION"})


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


class SparkJobApi(DataprocApi):
    """The Spark jobs of one project and region. See `DataprocApi` for the arguments.

    Each method raises a `GcpCallError` when Dataproc refuses, or does not answer for too long.
    """

    def get(self, job_id: str) -> Job:
        """A job."""
        request = {**self._place, "job_id": job_id}
        what = f"look at Spark job {job_id}"
        return self.calls.read(self._clients.spark_jobs.get_job, request, what=what, timeout=self._read)

    def list(self, selection: str) -> Iterator[Job]:
        """The jobs that a filter selects, such as ``status.state = ACTIVE AND labels.team = sales``."""
        request = {**self._place, "filter": selection}
        return self.calls.listing(self._clients.spark_jobs.list_jobs, request, what="list Spark jobs", items="jobs")

    def submit(self, job: Job) -> Job:
        """Submits a job, once: if there is one of its id already, that is the job.

        Raises:
            ClusterNotReadyError: If the cluster does not take jobs; nothing was submitted.
        """
        from google.cloud import dataproc_v1

        job_id, cluster = job.reference.job_id, job.placement.cluster_name
        request = dataproc_v1.SubmitJobRequest({**self._place, "job": job, "request_id": request_id(job_id)})
        what = f"submit Spark job {job_id}"
        try:
            submitted = self.calls.repeat(self._clients.spark_jobs.submit_job, request, what=what, timeout=self._write)
        except AlreadyExistsError:
            self.calls.report.info(f"Spark job {job_id} was submitted before: waiting for its end")
            return self.get(job_id)
        except GcpCallError as error:
            if error.code in _CLUSTER_IS_NOT_READY:
                raise ClusterNotReadyError(f"cluster {cluster} takes no jobs", cause=str(error)) from None
            raise
        self.calls.report.info(f"Spark job {job_id} submitted to cluster {cluster}")
        return submitted

    def cancel(self, job_id: str) -> bool:
        """Asks for the cancellation of a job, until its state allows it.

        Returns:
            Whether the job is being cancelled: False if there is no such job, or it has ended.
        """
        progress = self.calls.progress(f"Spark job {job_id}", timeout=_CANCEL_TIMEOUT)
        while (refusal := self._order_cancellation(job_id)) is not None:
            job = self._get_if_there(job_id)
            if job is None:
                return False
            if is_ending(job):
                return not is_final(job)
            progress.pause(refusal)
        self.calls.report.info(f"Spark job {job_id} is cancelled")
        return True

    def abandon(self, job_id: str, *, answered: bool = True) -> None:
        """Cancels a job that nobody waits for any more: soon, and never with an error.

        Args:
            job_id: The job.
            answered: Whether its submission was answered; otherwise it may be on its way yet.
        """
        api = self.hasty()
        with interrupts_held():
            try:
                if not api.cancel(job_id) and not answered:
                    api.calls.sleep(min(1.0, api.calls.interval))
                    api.cancel(job_id)
            except StarlakeError as error:
                api.calls.report.warning(f"Spark job {job_id} may still be running: {error}")

    def _get_if_there(self, job_id: str) -> Job | None:
        try:
            return self.get(job_id)
        except NotFoundError:
            return None

    def _order_cancellation(self, job_id: str) -> GcpCallError | None:
        """Why a job is not being cancelled: there is none, it has ended, or its state does not allow it right now.

        Dataproc cannot cancel a job in SETUP_DONE (googleapis/google-cloud-java#3754).
        """
        request = {**self._place, "job_id": job_id}
        what = f"cancel Spark job {job_id}"
        try:
            self.calls.repeat(self._clients.spark_jobs.cancel_job, request, what=what, timeout=self._write)
        except GcpCallError as error:
            if error.code in _NOT_CANCELLABLE:
                return error
            raise
        return None
