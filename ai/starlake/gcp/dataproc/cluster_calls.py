"""Calls of Dataproc's cluster controller, one method each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai.starlake.executor.remote.identity import LABEL_RUN
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.console_links import dataproc_link
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster


def cluster_state(cluster: Cluster) -> str:
    """Return the state of a cluster, such as ``RUNNING``."""
    return str(cluster.status.state.name)


class ClusterCalls:
    """The clusters of one project and region.

    Each method raises a `GcpCallError` if Dataproc refuses the call, or does not answer in time.

    Args:
        clients: The clients of Dataproc.
        calls: Makes the calls.
        project: The project.
        region: The region.
    """

    def __init__(self, clients: GcpClients, calls: Calls, project: str, region: str) -> None:
        self.calls = calls
        self.region = region
        self._clients = clients
        self._project = project
        self._place = {"project_id": project, "region": region}

    def hasty(self) -> ClusterCalls:
        """Return calls that give up sooner, for cleaning up."""
        return ClusterCalls(self._clients, self.calls.hasty(), self._project, self.region)

    def link(self, name: str) -> str:
        """Return the URL of the page of a cluster."""
        return dataproc_link("clusters", name, self._project, self.region)

    def get(self, name: str) -> Cluster | None:
        """Return a cluster; None if it does not exist."""
        request = {**self._place, "cluster_name": name}
        try:
            return self.calls.read(self._clients.clusters.get_cluster, request, what=f"look at cluster {name}")
        except NotFoundError:
            return None

    def list(self, selection: str) -> Iterator[Cluster]:
        """Yield the clusters of a filter, such as ``labels.team = sales``."""
        request = {**self._place, "filter": selection}
        return self.calls.listing(self._clients.clusters.list_clusters, request, what="list clusters", items="clusters")

    def create(self, cluster: Cluster, request_id: str) -> str:
        """Request a cluster; a repeated request gets the answer of the first one.

        Returns:
            Name of the operation.
        """
        from google.cloud import dataproc_v1

        request = dataproc_v1.CreateClusterRequest({**self._place, "cluster": cluster, "request_id": request_id})
        what = f"create cluster {cluster.cluster_name}"
        return str(self.calls.repeat(self._clients.clusters.create_cluster, request, what=what).operation.name)

    def delete(self, cluster: Cluster) -> str | None:
        """Request the deletion of exactly this cluster, by its uuid: not of a newer one with the same name.

        Returns:
            The name of the operation; None if the cluster is gone, or is being deleted already.
        """
        if cluster_state(cluster) == "DELETING":
            return None
        name = cluster.cluster_name
        request = {
            **self._place,
            "cluster_name": name,
            "cluster_uuid": cluster.cluster_uuid,
            "request_id": str(uuid.uuid4()),
        }
        try:
            answer = self.calls.repeat(self._clients.clusters.delete_cluster, request, what=f"delete cluster {name}")
        except GcpCallError as error:
            if error.code in ("NOT_FOUND", "FAILED_PRECONDITION") and self._is_going(cluster):
                return None
            raise
        return str(answer.operation.name)

    def outcome(self, operation: str) -> tuple[bool, str | None]:
        """Return whether an operation has ended, and its error."""
        from google.longrunning import operations_pb2

        request = operations_pb2.GetOperationRequest(name=operation)
        answer = self.calls.read(self._clients.operations.get_operation, request, what=f"look at {operation}")
        return answer.done, answer.error.message if answer.HasField("error") else None

    def serves_others(self, cluster: Cluster) -> bool:
        """Return True if jobs of other runs than the one that created the cluster are active on it."""
        name, owner = cluster.cluster_name, cluster.labels.get(LABEL_RUN)
        request = {**self._place, "cluster_name": name, "filter": "status.state = ACTIVE"}
        what = f"list the jobs of cluster {name}"
        jobs = self.calls.listing(self._clients.spark_jobs.list_jobs, request, what=what, items="jobs")
        return any(job.labels.get(LABEL_RUN) != owner for job in jobs)

    def _is_going(self, cluster: Cluster) -> bool:
        now = self.get(cluster.cluster_name)
        return now is None or now.cluster_uuid != cluster.cluster_uuid or cluster_state(now) == "DELETING"
