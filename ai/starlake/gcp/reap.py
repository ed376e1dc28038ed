"""Finds what runs left behind on Google Cloud, and removes it: for those who have no Dagster daemon, or distrust it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.progress import duration
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.dataproc.cluster_api import ClusterApi
from ai.starlake.gcp.dataproc.cluster_api import state_of as cluster_state
from ai.starlake.gcp.dataproc.resource_names import LABEL_JOB, LABEL_RUN
from ai.starlake.gcp.dataproc.spark_job_api import state_of as job_state
from ai.starlake.gcp.dataproc.spark_jobs import SparkJobs

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster, Job

Action = Literal["removed", "would be removed", "kept", "not removed"]


@dataclass(frozen=True)
class Leftover:
    """Something that a run made and that is still there.

    Args:
        kind: ``cluster``, ``Spark job`` or ``execution``.
        name: Its name.
        region: Where it is.
        run_id: The first of the chain of re-executions that it was made for.
        job_name: The Dagster job, as its label says.
        state: Such as ``RUNNING``.
        created: When it was made.
        remove: Removes it.
        is_needed: Whether others work on it.
    """

    kind: str
    name: str
    region: str
    run_id: str
    job_name: str
    state: str
    created: datetime
    remove: Callable[[], object] = field(repr=False, compare=False)
    is_needed: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)


@dataclass(frozen=True)
class Reaped:
    """What became of something that was left behind.

    Args:
        leftover: What it is.
        age: How old it is, in seconds.
        action: What was done.
        reason: Why.
    """

    leftover: Leftover
    age: float
    action: Action
    reason: str


def leftover_clusters(clients: GcpClients, calls: Calls) -> Iterator[Leftover]:
    """The clusters of a project and region that runs made.

    Raises:
        GcpCallError: If Dataproc does not say.
    """
    api = ClusterApi(clients, calls, clients.project, clients.region)
    for cluster in api.list(f"labels.{LABEL_RUN} = *"):
        if cluster_state(cluster) != "DELETING":
            state, name = cluster_state(cluster), cluster.cluster_name
            found = _leftover("cluster", name, clients.region, cluster, state, api.delete)
            yield replace(found, is_needed=partial(api.serves_others, cluster))


def leftover_spark_jobs(clients: GcpClients, calls: Calls) -> Iterator[Leftover]:
    """The Spark jobs of runs that have not ended; those on clusters that other runs share matter most.

    Raises:
        GcpCallError: If Dataproc does not say.
    """
    jobs = SparkJobs(clients, calls, clients.project, clients.region)
    for job in jobs.active():
        job_id = str(job.reference.job_id)
        yield _leftover("Spark job", job_id, clients.region, job, job_state(job), lambda job: jobs.cancel(_id(job)))


def reap(
    leftovers: Iterable[Leftover],
    *,
    older_than: float,
    is_over: Callable[[str], bool | None],
    unknown_too: bool = False,
    dry_run: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> list[Reaped]:
    """Removes what is old enough and belongs to a run that is over.

    Args:
        leftovers: What there is.
        older_than: Seconds of age below which nothing is touched.
        is_over: Whether a run, and all that re-execute it, is over; None when nobody knows the run.
        unknown_too: Whether to remove what belongs to runs that nobody knows.
        dry_run: Whether to say only what would be done.
        now: Tells the time.

    Returns:
        One row for each of the leftovers. What could not be removed is a row, too, and no error.
    """
    rows = []
    for leftover in leftovers:
        age = max(0.0, (now() - leftover.created).total_seconds())  # clocks differ
        if age < older_than:
            rows.append(Reaped(leftover, age, "kept", f"it is younger than {duration(older_than)}"))
            continue
        due, reason = _is_due(is_over(leftover.run_id), unknown_too=unknown_too)
        if not due:
            rows.append(Reaped(leftover, age, "kept", reason))
        else:
            rows.append(_removed(leftover, age, reason, dry_run=dry_run))
    return rows


def _is_due(over: bool | None, *, unknown_too: bool) -> tuple[bool, str]:  # noqa: FBT001  an answer
    if over is None:
        return unknown_too, "its run is not known here"
    return over, "its run is over" if over else "its run is going on"


def _removed(leftover: Leftover, age: float, reason: str, *, dry_run: bool) -> Reaped:
    try:
        if leftover.is_needed():
            return Reaped(leftover, age, "kept", "others work on it")
        if dry_run:
            return Reaped(leftover, age, "would be removed", reason)
        leftover.remove()
    except StarlakeError as error:
        return Reaped(leftover, age, "not removed", str(error))
    return Reaped(leftover, age, "removed", reason)


def _leftover(
    kind: str, name: str, region: str, resource: Cluster | Job, state: str, remove: Callable[[Any], object]
) -> Leftover:
    history = [*resource.status_history, resource.status]
    return Leftover(
        kind=kind,
        name=name,
        region=region,
        run_id=resource.labels.get(LABEL_RUN, ""),
        job_name=resource.labels.get(LABEL_JOB, ""),
        state=state,
        created=min(status.state_start_time for status in history),
        remove=lambda: remove(resource),
    )


def _id(job: Job) -> str:
    return str(job.reference.job_id)
