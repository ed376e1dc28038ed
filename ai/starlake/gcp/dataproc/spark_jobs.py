"""The life of a Spark job: submitted once, followed to its end, and never left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.progress import Progress, duration
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.google_errors import NotFoundError
from ai.starlake.gcp.dataproc.resource_names import LABEL_RUN, LABEL_STEP, label_value
from ai.starlake.gcp.dataproc.spark_job_api import ClusterNotReadyError, SparkJobApi, is_final, state_of

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job

_END_TIMEOUT = 300.0
"""Seconds that a job which was cancelled may take to end."""
_ACTIVE = "status.state = ACTIVE"


class SparkJobTimeoutError(StarlakeError):
    """A Spark job took longer than it may, and was cancelled."""


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
        self, clients: GcpClients, calls: Calls, project: str, region: str, *, timeout: float | None = None
    ) -> None:
        self._api = SparkJobApi(clients, calls, project, region)
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
        submitted = None
        try:
            submitted = self._api.submit(job)
            return self._follow(submitted, on_look)
        except ClusterNotReadyError:
            raise
        except BaseException:
            self._api.abandon(job.reference.job_id, answered=submitted is not None)
            raise

    def attach(self, job: Job, on_look: Callable[[Job], None] | None = None) -> Job:
        """Waits for the end of a job that was submitted before; see `run`."""
        try:
            return self._follow(job, on_look)
        except BaseException:
            self._api.abandon(job.reference.job_id)
            raise

    def cancel(self, job_id: str) -> bool:
        """Asks for the cancellation of a job.

        Returns:
            Whether the job is being cancelled: False if there is no such job, or it has ended.

        Raises:
            GcpCallError: If Dataproc refuses.
        """
        return self._api.cancel(job_id)

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
        return self._watch(self._api.get(job_id), self._progress(job_id, _END_TIMEOUT), late)

    def runs(self, job_id: str, patience: float = 0) -> bool:
        """Return whether a job runs.

        Args:
            job_id: The job.
            patience: Seconds that it may take to end.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        api = self._api.hasty()
        deadline = api.calls.clock() + patience
        try:
            while not is_final(api.get(job_id)):
                if api.calls.clock() >= deadline:
                    return True
                api.calls.sleep(min(1.0, api.calls.interval))
        except NotFoundError:
            pass
        return False

    def of_run(self, root_run_id: str) -> Iterator[Job]:
        """The jobs of a run that have not ended; those of its re-executions among them.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._api.list(f"{_ACTIVE} AND labels.{LABEL_RUN} = {label_value(root_run_id)}")

    def of_step(self, root_run_id: str, step_key: str) -> Iterator[Job]:
        """The jobs of a step, in a run and in its re-executions, whether they have ended or not.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        of_run, of_step = label_value(root_run_id), label_value(step_key)
        return self._api.list(f"labels.{LABEL_RUN} = {of_run} AND labels.{LABEL_STEP} = {of_step}")

    def active(self) -> Iterator[Job]:
        """The jobs of any run that have not ended.

        Raises:
            GcpCallError: If Dataproc does not say.
        """
        return self._api.list(f"{_ACTIVE} AND labels.{LABEL_RUN} = *")

    def _follow(self, job: Job, on_look: Callable[[Job], None] | None) -> Job:
        job_id = job.reference.job_id
        late = SparkJobTimeoutError(
            f"Spark job {job_id} took longer than {duration(self._timeout or 0)}, and is cancelled",
            fix="raise option dataproc_job_wait_timeout",
        )
        return self._watch(job, self._progress(job_id, self._timeout), late, on_look)

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
            job = self._api.get(job.reference.job_id)

    def _progress(self, job_id: str, timeout: float | None) -> Progress:
        return self._api.calls.progress(f"Spark job {job_id}", timeout=timeout)
