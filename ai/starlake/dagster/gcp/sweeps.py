"""Ends what a run that is over has left behind. Every order names what it ends: giving it twice does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import Execution
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.cloud_run.cloud_run_job import CloudRunJob
from ai.starlake.gcp.cloud_run.execution_state import is_over, short

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster, Job

    from ai.starlake.gcp.cloud_run.options_cloud_run import CloudRunOptions
    from ai.starlake.gcp.dataproc.dataproc_executor import DataprocExecutor


def sweep_dataproc(executor: DataprocExecutor, execution: Execution) -> list[str]:
    """Cancels the Spark jobs of a run, and deletes the clusters that it made.

    A cluster that runs share stays as long as other runs have jobs on it.

    Args:
        executor: Knows the project and the region.
        execution: The run.

    Returns:
        What was ended, in words.

    Raises:
        GcpCallError: If Dataproc refuses a call; all others have been made then.
    """
    session = executor.session(execution)
    clusters = session.clusters

    def cancelled(job: Job) -> str | None:
        job_id = job.reference.job_id
        return f"Spark job {job_id}" if session.jobs.cancel(job_id) else None

    def deleted(cluster: Cluster) -> str | None:
        return f"cluster {cluster.cluster_name}" if clusters.sweep(cluster) else None

    orders = [partial(cancelled, job) for job in session.jobs.of_run(execution.root)]
    orders += [partial(deleted, cluster) for cluster in clusters.of_run(execution.root)]
    return _given(orders)


def sweep_cloud_run(settings: CloudRunOptions, execution: Execution) -> list[str]:
    """Cancels the executions of a run that are not over.

    Args:
        settings: The options.
        execution: The run.

    Returns:
        What was cancelled, in words.

    Raises:
        GcpCallError: If Cloud Run refuses a call; all others have been made then.
    """
    clients = GcpClients(settings.endpoints, project=settings.cloud_run_project_id, region=settings.region)
    calls = Calls(execution.report, tolerance=settings.outage_tolerance)
    job = CloudRunJob(clients, calls, settings.cloud_run_job_name)
    left = [one for one in job.find(lambda marker: marker.root_run_id == execution.root) if not is_over(one)]

    def cancelled(name: str) -> str:
        job.order_end(name)
        return f"Cloud Run execution {short(name)}"

    return _given([partial(cancelled, one.name) for one in left])


def _given(orders: Iterable[Callable[[], str | None]]) -> list[str]:
    """What came of each order, in words.

    An error is raised when all have been given: a job that cannot be cancelled must not keep its cluster.
    """
    answers = [_answer(order) for order in orders]
    problem = next((answer for answer in answers if isinstance(answer, StarlakeError)), None)
    if problem is not None:
        raise problem
    return [str(answer) for answer in answers if answer is not None]


def _answer(order: Callable[[], str | None]) -> str | StarlakeError | None:
    try:
        return order()
    except StarlakeError as error:
        return error
