"""What earlier attempts at a step left behind: taken over where it does the same work, ended where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai.starlake.executor.protocol import Execution
from ai.starlake.gcp.dataproc.resource_names import LABEL_ATTEMPT_RUN, label_value, spark_job_id
from ai.starlake.gcp.dataproc.spark_job_api import is_ending, is_final, state_of
from ai.starlake.gcp.dataproc.spark_jobs import SparkJobs

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job


class EarlierJobs:
    """The Spark jobs of the earlier attempts at a step.

    Args:
        jobs: The Spark jobs.
        execution: This attempt.
        arguments: The arguments of its job.
    """

    def __init__(self, jobs: SparkJobs, execution: Execution, arguments: list[str]) -> None:
        self._jobs = jobs
        self._execution = execution
        self._arguments = arguments
        self._own = spark_job_id(execution.step_key, execution.run_id, execution.attempt, arguments)

    def settle(self, on_look: Callable[[Job], None]) -> Job | None:
        """Makes sure that no earlier job is running when this returns.

        A job with the arguments of this attempt that is still running is waited for: the process that did so before
        was killed. One of this run that has succeeded, although nobody could see that, is the result; its command
        must not run twice. The job of this very attempt, whose process was started again, is the result in any case.
        A job with other arguments is cancelled.

        Args:
            on_look: Called with the job after each look at it.

        Returns:
            The job whose result is that of this attempt; None if it has to submit its own.

        Raises:
            StarlakeError: If a job that was cancelled does not end.
            GcpCallError: If Dataproc refuses a call.
        """
        execution = self._execution
        found = list(self._jobs.of_step(execution.root, execution.step_key))
        settled = [job if is_final(job) or self._goes_on(job) else self._ended(job) for job in found]
        result = next((job for job in settled if self._is_own(job)), None) or next(filter(self._counts, settled), None)
        if result is None:
            return None
        execution.report.info(
            f"Spark job {result.reference.job_id} of an earlier attempt is {state_of(result)}: its result counts"
        )
        return self._jobs.attach(result, on_look)

    def _ended(self, job: Job) -> Job:
        self._execution.report.warning(f"Spark job {job.reference.job_id} of an earlier attempt has to end first")
        return self._jobs.end(job)

    def _is_own(self, job: Job) -> bool:
        return bool(job.reference.job_id == self._own)

    def _goes_on(self, job: Job) -> bool:
        return self._is_own(job) or (self._is_same(job) and not is_ending(job))

    def _is_same(self, job: Job) -> bool:
        return list(job.spark_job.args) == self._arguments

    def _counts(self, job: Job) -> bool:
        in_this_run = job.labels.get(LABEL_ATTEMPT_RUN) == label_value(self._execution.run_id)
        return self._is_same(job) and ((in_this_run and state_of(job) == "DONE") or not is_ending(job))
