"""The calls of Dataproc's cluster controller, one method each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai.starlake.gcp.client.console_links import dataproc_link
from ai.starlake.gcp.client.google_errors import GcpCallError, NotFoundError
from ai.starlake.gcp.dataproc.dataproc_api import DataprocApi
from ai.starlake.gcp.dataproc.resource_names import LABEL_RUN

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster


def state_of(cluster: Cluster) -> str:
    """The state of a cluster, such as ``RUNNING``."""
    return str(cluster.status.state.name)


class ClusterApi(DataprocApi):
    """The clusters of one project and region. See `DataprocApi` for the arguments.

    Each method raises a `GcpCallError` when Dataproc refuses, or does not answer for too long.
    """

    def link(self, name: str) -> str:
        """Where people see a cluster."""
        return dataproc_link("clusters", name, self._place["project_id"], self._place["region"])

    def get(self, name: str) -> Cluster | None:
        """A cluster; None if there is none of that name."""
        request = {**self._place, "cluster_name": name}
        try:
            what = f"look at cluster {name}"
            return self.calls.read(self._clients.clusters.get_cluster, request, what=what, timeout=self._read)
        except NotFoundError:
            return None

    def list(self, selection: str) -> Iterator[Cluster]:
        """The clusters that a filter selects, such as ``labels.team = sales``."""
        request = {**self._place, "filter": selection}
        return self.calls.listing(self._clients.clusters.list_clusters, request, what="list clusters", items="clusters")

    def create(self, cluster: Cluster, request_id: str) -> str:
        """Asks for a cluster; the answer to a repeated request is that to the first one.

        Returns:
            The name of the operation.
        """
        from google.cloud import dataproc_v1

        request = dataproc_v1.CreateClusterRequest({**self._place, "cluster": cluster, "request_id": request_id})
        what = f"create cluster {cluster.cluster_name}"
        answer = self.calls.repeat(self._clients.clusters.create_cluster, request, what=what, timeout=self._write)
        return str(answer.operation.name)

    def delete(self, cluster: Cluster) -> str | None:
        """Asks for the deletion of this very cluster, by its uuid: not of one that has come to have its name.

        Returns:
            The name of the operation; None if the cluster is gone, or somebody else is deleting it.
        """
        if state_of(cluster) == "DELETING":
            return None
        name = cluster.cluster_name
        request = {
            **self._place,
            "cluster_name": name,
            "cluster_uuid": cluster.cluster_uuid,
            "request_id": str(uuid.uuid4()),
        }
        try:
            what = f"delete cluster {name}"
            answer = self.calls.repeat(self._clients.clusters.delete_cluster, request, what=what, timeout=self._write)
        except GcpCallError as error:
            if error.code in ("NOT_FOUND", "FAILED_PRECONDITION") and self._is_going(cluster):
                return None
            raise
        return str(answer.operation.name)

    def outcome(self, operation: str) -> tuple[bool, str | None]:
        """Whether an operation is over, and what went wrong in it."""
        from google.longrunning import operations_pb2

        request = operations_pb2.GetOperationRequest(name=operation)
        answer = self.calls.read(self._clients.operations.get_operation, request, what=f"look at {operation}")
        return answer.done, answer.error.message if answer.HasField("error") else None

    def serves_others(self, cluster: Cluster) -> bool:
        """Whether jobs of others than the run that made a cluster are active on it, as on one that runs share."""
        name, owner = cluster.cluster_name, cluster.labels.get(LABEL_RUN)
        request = {**self._place, "cluster_name": name, "filter": "status.state = ACTIVE"}
        what = f"list the jobs of cluster {name}"
        jobs = self.calls.listing(self._clients.spark_jobs.list_jobs, request, what=what, items="jobs")
        return any(job.labels.get(LABEL_RUN) != owner for job in jobs)

    def _is_going(self, cluster: Cluster) -> bool:
        now = self.get(cluster.cluster_name)
        return now is None or now.cluster_uuid != cluster.cluster_uuid or state_of(now) == "DELETING"
