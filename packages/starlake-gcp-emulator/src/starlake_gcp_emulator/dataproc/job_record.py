"""The emulator's record of a Spark job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from google.cloud import dataproc_v1 as dataproc

from starlake_gcp_emulator.dataproc.cluster_record import ClusterRecord
from starlake_gcp_emulator.dataproc.driver import Driver
from starlake_gcp_emulator.errors import Code, RpcError, invalid
from starlake_gcp_emulator.state import checks
from starlake_gcp_emulator.state.filters import selected
from starlake_gcp_emulator.state.messages import copy, plain
from starlake_gcp_emulator.views import SparkJobView

State = dataproc.JobStatus.State
FINAL = {State.DONE, State.ERROR, State.CANCELLED}
MOST_FAILURES_PER_HOUR, MOST_FAILURES = 10, 240
_HOUR = 3600.0


@dataclass
class JobRecord:
    """A job, and what its resource does not tell.

    Args:
        message: The resource.
        region: Its region.
        cluster: Cluster that runs it.
        created: Time of its submission, by the clock.
        driver: Driver that runs it.
        failures: Times of failed attempts, by the clock.
        cancelled: Number of cancellations that had an effect.
        deleted: True if its resource was deleted.
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
        """Current state."""
        return State(self.message.status.state)

    @property
    def key(self) -> tuple[str, str, str]:
        """Unique key of a job."""
        return self.message.reference.project_id, self.region, self.message.reference.job_id

    def view(self) -> SparkJobView:
        """Return the job for tests."""
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

    def enter(self, state: dataproc.JobStatus.State, now: datetime, details: str = "") -> None:
        """Comes to a state."""
        if self.message.status.state:
            self.message.status_history.append(copy(self.message.status))
        self.message.status = dataproc.JobStatus(state=state, details=details, state_start_time=now)

    def may_restart(self, now: float) -> bool:
        """Return True if the job wants its driver to be begun again after it failed."""
        limits = self.message.scheduling
        recent = [moment for moment in self.failures if moment > now - _HOUR]
        in_all = limits.max_failures_total or MOST_FAILURES
        return len(recent) < limits.max_failures_per_hour and len(self.failures) < in_all

    def matches(self, matcher: str) -> bool:
        """Return True if it is ACTIVE or NON_ACTIVE; all are ALL."""
        return matcher == "ALL" or (self.state in FINAL) == (matcher != "ACTIVE")

    def is_selected(self, text: str) -> bool:
        """Return True if a filter of ListJobs asks for it."""
        return selected(text, self.message.labels, {"status.state": self._is_in})

    def _is_in(self, state: str) -> bool:
        if state in {"ACTIVE", "NON_ACTIVE"}:
            return self.matches(state)
        if state not in State.__members__:
            raise invalid(f"Invalid filter: unknown state {state!r}")
        return bool(self.state.name == state)


def check_job(job: dataproc.Job, project: str) -> None:
    """Check a submitted job.

    Raises:
        RpcError: If the service refuses it, or the emulator does not run its kind.
    """
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
    if not 0 <= job.scheduling.max_failures_per_hour <= MOST_FAILURES_PER_HOUR:
        raise invalid(f"scheduling.max_failures_per_hour is not between 0 and {MOST_FAILURES_PER_HOUR}")
    if not 0 <= job.scheduling.max_failures_total <= MOST_FAILURES:
        raise invalid(f"scheduling.max_failures_total is not between 0 and {MOST_FAILURES}")
    checks.labels(job.labels)
