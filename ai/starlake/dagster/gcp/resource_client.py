"""A client with the methods of `dagster_gcp.DataprocClient`, on google-cloud-dataproc."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from dagster_gcp.dataproc.resources import DataprocClient  # noqa: TID253  this module is imported lazily

from ai.starlake.common import StarlakeError
from ai.starlake.gcp.calls import Calls
from ai.starlake.gcp.clients import GcpClients
from ai.starlake.gcp.cluster_api import ClusterApi, state_of
from ai.starlake.gcp.messages import dataproc_message
from ai.starlake.gcp.progress import Progress

_READY = frozenset({"RUNNING", "UPDATING", "ERROR_DUE_TO_UPDATE"})
_FAILED = frozenset({"ERROR", "CANCELLED"})
_TWENTY_MINUTES = 20 * 60


class StarlakeDataprocClient(DataprocClient):
    """Makes, watches and deletes one cluster, and runs jobs on it.

    Clusters and jobs are returned as `dagster_gcp` has them: as mappings, in the spelling of Google's REST interface.

    Args:
        config: The project, region, name, configuration and labels of the cluster, as `dagster_gcp` names them.
        clients: Google's clients.
        calls: Makes the calls.
        poll_interval: Seconds between two looks.
        create_timeout: Seconds that the creation of the cluster may take.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        clients: GcpClients,
        calls: Calls,
        *,
        poll_interval: float,
        create_timeout: float,
    ) -> None:
        self.config = config
        self.project_id: str = config["projectId"]
        self.region: str = config["region"]
        self.cluster_name: str = config["clusterName"]
        self.cluster_config: Mapping[str, Any] = config["cluster_config"] or {}
        self.labels: Mapping[str, str] = config["labels"]
        self._api = ClusterApi(clients, calls, self.project_id, self.region)
        self._clients = clients
        self._calls = calls
        self._poll_interval = poll_interval
        self._create_timeout = create_timeout

    def create_cluster(self) -> None:
        """Makes the cluster and waits for it; one that is there already and takes jobs will do.

        Raises:
            StarlakeError: If it cannot be made; what is left of it is being deleted then.
        """
        known = self._api.get(self.cluster_name)
        if known is not None and state_of(known) in _READY:
            return
        try:
            self._create()
        except BaseException:
            made = self._api.get(self.cluster_name)
            if made is not None and (known is None or made.cluster_uuid != known.cluster_uuid):
                self._api.delete(made)
            raise

    def get_cluster(self) -> dict[str, Any]:
        """The cluster.

        Raises:
            StarlakeError: If there is none.
        """
        cluster = self._api.get(self.cluster_name)
        if cluster is None:
            raise StarlakeError(f"there is no cluster {self.cluster_name}", fix="create it first")
        return _as_mapping(cluster)

    def delete_cluster(self) -> dict[str, Any]:
        """Asks for the deletion of the cluster; that it is gone already is success.

        Returns:
            The name of the operation, when there is one.
        """
        cluster = self._api.get(self.cluster_name)
        operation = self._api.delete(cluster) if cluster is not None else None
        return {"name": operation} if operation else {}

    def submit_job(self, job_details: Mapping[str, Any]) -> dict[str, Any]:
        """Submits a job.

        Args:
            job_details: The request: ``job``, whose fields may be spelled as in REST or in Python.
        """
        from google.cloud import dataproc_v1
        from google.protobuf.json_format import ParseDict

        request = dataproc_v1.SubmitJobRequest(
            project_id=self.project_id, region=self.region, request_id=str(uuid.uuid4())
        )
        ParseDict(dict(job_details), type(request).pb(request))
        what = f"submit a job to cluster {self.cluster_name}"
        return _as_mapping(self._calls.repeat(self._clients.spark_jobs.submit_job, request, what=what))

    def get_job(self, job_id: str) -> dict[str, Any]:
        """A job."""
        what = f"look at job {job_id}"
        return _as_mapping(self._calls.read(self._clients.spark_jobs.get_job, self._job(job_id), what=what))

    def wait_for_job(self, job_id: str, wait_timeout: float = _TWENTY_MINUTES) -> None:
        """Waits for the end of a job.

        Raises:
            StarlakeError: If it does not end well, or not in time.
        """
        late = StarlakeError(f"job {job_id} took longer than {wait_timeout:g} s", fix="raise wait_timeout")
        progress = self._progress(f"job {job_id}", wait_timeout)
        while (state := (job := self.get_job(job_id))["status"]["state"]) != "DONE":
            if state in _FAILED:
                raise StarlakeError(f"job {job_id} ended in state {state}", cause=job["status"].get("details"))
            progress.see(state)
            progress.pause(late)

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Asks for the cancellation of a job."""
        what = f"cancel job {job_id}"
        return _as_mapping(self._calls.repeat(self._clients.spark_jobs.cancel_job, self._job(job_id), what=what))

    def _create(self) -> None:
        fields = {
            "project_id": self.project_id,
            "cluster_name": self.cluster_name,
            "config": self.cluster_config,
            "labels": dict(self.labels),
        }
        cluster = dataproc_message("Cluster", fields, f"cluster {self.cluster_name}")
        operation = self._api.create(cluster, str(uuid.uuid4()))
        late = StarlakeError(f"cluster {self.cluster_name} took longer than {self._create_timeout:g} s")
        progress = self._progress(f"cluster {self.cluster_name}", self._create_timeout)
        while not (outcome := self._api.outcome(operation))[0]:
            progress.see("CREATING")
            progress.pause(late)
        made = self._api.get(self.cluster_name)
        if outcome[1] or made is None or state_of(made) not in _READY:
            raise StarlakeError(f"cluster {self.cluster_name} could not be created", cause=outcome[1])

    def _progress(self, what: str, timeout: float) -> Progress:
        return Progress(self._calls.report, what, interval=self._poll_interval, timeout=timeout)

    def _job(self, job_id: str) -> dict[str, str]:
        return {"project_id": self.project_id, "region": self.region, "job_id": job_id}


def _as_mapping(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    found: dict[str, Any] = MessageToDict(type(message).pb(message))
    return found
