"""Ends what a run that is over has left behind. Every order names what it ends: giving it twice does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.executor.protocol import Execution
from ai.starlake.gcp.calls import Calls
from ai.starlake.gcp.clients import GcpClients
from ai.starlake.gcp.cloud_run import CloudRunJob
from ai.starlake.gcp.execution_state import is_over, short

if TYPE_CHECKING:
    from ai.starlake.gcp.dataproc_executor import DataprocExecutor
    from ai.starlake.gcp.options_cloud_run import CloudRunOptions


def sweep_dataproc(executor: DataprocExecutor, execution: Execution) -> list[str]:
    """Cancels the Spark jobs of a run, and deletes the clusters that it made.

    A cluster that runs share stays as long as other runs have jobs on it.

    Args:
        executor: Knows the project, the region, and whether runs share a cluster.
        execution: The run.

    Returns:
        What was ended, in words.

    Raises:
        GcpCallError: If Dataproc refuses a call.
    """
    session = executor.session(execution)
    clusters, shared = session.clusters, executor.cluster_config.cluster_name
    jobs = [job.reference.job_id for job in session.jobs.of_run(execution.root)]
    ended = [f"Spark job {job_id}" for job_id in jobs if session.jobs.cancel(job_id)]
    for cluster in list(clusters.of_run(execution.root)):
        if cluster.cluster_name != shared:
            clusters.remove(cluster, wait=False)
        elif not clusters.delete(session.run, wait=False):
            continue
        ended.append(f"cluster {cluster.cluster_name}")
    return ended


def sweep_cloud_run(settings: CloudRunOptions, execution: Execution) -> list[str]:
    """Cancels the executions of a run that are not over.

    Args:
        settings: The options.
        execution: The run.

    Returns:
        What was cancelled, in words.

    Raises:
        GcpCallError: If Cloud Run refuses to list the executions.
    """
    clients = GcpClients(settings.endpoints, project=settings.cloud_run_project_id, region=settings.region)
    calls = Calls(execution.report, tolerance=settings.outage_tolerance)
    job = CloudRunJob(clients, calls, settings.cloud_run_job_name)
    left = [one for one in job.find(lambda marker: marker.root_run_id == execution.root) if not is_over(one)]
    for one in left:
        job.cancel(one.name)
    return [f"Cloud Run execution {short(one.name)}" for one in left]
