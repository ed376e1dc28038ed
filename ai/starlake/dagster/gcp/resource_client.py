"""A client with the methods of `dagster_gcp.DataprocClient`, on google-cloud-dataproc."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from dagster_gcp.dataproc.resources import DataprocClient  # noqa: TID253  this module is imported lazily

from ai.starlake.common import StarlakeError
from ai.starlake.executor.process.interrupts import cleaning_up
from ai.starlake.executor.remote.remote_backend import Handle
from ai.starlake.executor.remote.remote_executor import abandon
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import GcpClients
from ai.starlake.gcp.client.messages import dataproc_message
from ai.starlake.gcp.dataproc.backend import SparkJobs
from ai.starlake.gcp.dataproc.cluster_calls import ClusterCalls, cluster_state
from ai.starlake.gcp.dataproc.clusters import ON_THE_WAY, USABLE, ClusterCreation

_FAILED = frozenset({"ERROR", "CANCELLED"})
_TWENTY_MINUTES = 20 * 60


class StarlakeDataprocClient(DataprocClient):
    """Creates, watches and deletes one cluster, and runs jobs on it.

    Clusters and jobs are returned as by `dagster_gcp`: as mappings, with the field names of Google's REST interface.

    Args:
        config: The project, region, name, configuration and labels of the cluster, with the names of `dagster_gcp`.
        clients: Google's clients.
        calls: Makes the calls.
        create_timeout: Timeout in seconds of the creation of the cluster.
        job_labels: Labels that assign jobs to the run, so that they end with it.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        clients: GcpClients,
        calls: Calls,
        *,
        create_timeout: float,
        job_labels: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.project_id: str = config["projectId"]
        self.region: str = config["region"]
        self.cluster_name: str = config["clusterName"]
        self.cluster_config: Mapping[str, Any] = config["cluster_config"] or {}
        self.labels: Mapping[str, str] = config["labels"]
        self._clusters = ClusterCalls(clients, calls, self.project_id, self.region)
        self._clients = clients
        self._calls = calls
        self._job_labels = dict(job_labels or {})
        self._creation = ClusterCreation(self._clusters, timeout=create_timeout)

    def create_cluster(self) -> None:
        """Create the cluster and wait for it; an existing one that accepts jobs is used.

        Raises:
            StarlakeError: If it cannot be created; what is left of it is being deleted.
        """
        progress = self._creation.progress(self.cluster_name)
        while True:
            known = self._clusters.get(self.cluster_name) or self._creation.make(self._wanted())
            state = cluster_state(known) if known is not None else "CREATING"
            if state in USABLE:
                return
            if state not in ON_THE_WAY:
                raise StarlakeError(f"cluster {self.cluster_name} is in state {state}", fix="delete it first")
            progress.see(state)
            progress.pause(self._creation.late(self.cluster_name))

    def get_cluster(self) -> dict[str, Any]:
        """Return the cluster.

        Raises:
            StarlakeError: If it does not exist.
        """
        cluster = self._clusters.get(self.cluster_name)
        if cluster is None:
            raise StarlakeError(f"there is no cluster {self.cluster_name}", fix="create it first")
        return _as_mapping(cluster)

    def delete_cluster(self) -> dict[str, Any]:
        """Request the deletion of the cluster; a cluster that is gone already is a success.

        Returns:
            Name of the operation, if there is one.
        """
        cluster = self._clusters.get(self.cluster_name)
        operation = self._clusters.delete(cluster) if cluster is not None else None
        return {"name": operation} if operation else {}

    def submit_job(self, job_details: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a job.

        Args:
            job_details: The request: ``job``, with field names as in REST or in Python.
        """
        from google.cloud import dataproc_v1
        from google.protobuf.json_format import ParseDict

        request = dataproc_v1.SubmitJobRequest(
            project_id=self.project_id, region=self.region, request_id=str(uuid.uuid4())
        )
        ParseDict(dict(job_details), type(request).pb(request))
        request.job.labels = {**self._job_labels, **request.job.labels}
        what = f"submit a job to cluster {self.cluster_name}"
        return _as_mapping(self._calls.repeat(self._clients.spark_jobs.submit_job, request, what=what))

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        what = f"look at job {job_id}"
        return _as_mapping(self._calls.read(self._clients.spark_jobs.get_job, self._job(job_id), what=what))

    def wait_for_job(self, job_id: str, wait_timeout: float = _TWENTY_MINUTES) -> None:
        """Wait for the end of a job. An interruption of the step cancels the job.

        Raises:
            StarlakeError: If it fails, or does not end in time.
        """
        jobs = SparkJobs(self._calls.hasty(), self._clients, self.project_id, self.region)
        with cleaning_up(partial(abandon, jobs, Handle(job_id, job_id)), unless=Exception):
            self._watch(job_id, wait_timeout)

    def _watch(self, job_id: str, timeout: float) -> None:
        late = StarlakeError(f"job {job_id} took longer than {timeout:g} s", fix="raise wait_timeout")
        progress = self._calls.progress(f"job {job_id}", timeout=timeout)
        while (state := (job := self.get_job(job_id))["status"]["state"]) != "DONE":
            if state in _FAILED:
                raise StarlakeError(f"job {job_id} ended in state {state}", cause=job["status"].get("details"))
            progress.see(state)
            progress.pause(late)

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Request the cancellation of a job."""
        what = f"cancel job {job_id}"
        return _as_mapping(self._calls.repeat(self._clients.spark_jobs.cancel_job, self._job(job_id), what=what))

    def _wanted(self) -> Any:
        fields = {
            "project_id": self.project_id,
            "cluster_name": self.cluster_name,
            "config": self.cluster_config,
            "labels": dict(self.labels),
        }
        return dataproc_message("Cluster", fields, f"cluster {self.cluster_name}")

    def _job(self, job_id: str) -> dict[str, str]:
        return {"project_id": self.project_id, "region": self.region, "job_id": job_id}


def _as_mapping(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    found: dict[str, Any] = MessageToDict(type(message).pb(message))
    return found
