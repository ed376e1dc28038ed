"""Calls of the service, which the real package implements in Rust."""

import os
import uuid
from datetime import datetime, timezone
from enum import Enum
from types import SimpleNamespace

from polars_cloud.service import Service


class AuthLoadError(Exception):
    pass


class NotFoundError(Exception):
    pass


class ComputeClusterMisspecified(Exception):  # noqa: N818  as in the real package
    pass


class ComputeStatusModel(Enum):
    Starting = 0
    Idle = 1
    Running = 2
    Stopping = 3
    Stopped = 4
    Failed = 5


class ApiClient:
    def __init__(self):
        self._account = None

    @property
    def service(self):
        return Service.of_environment()

    def authenticate(self, client_id=None, client_secret=None, interactive=True):
        client_id = client_id or os.environ.get("POLARS_CLOUD_CLIENT_ID")
        client_secret = client_secret or os.environ.get("POLARS_CLOUD_CLIENT_SECRET")
        self.service.count("authenticate")
        self.service.fault("authenticate", AuthLoadError)
        if not client_id or not client_secret:
            assert not interactive, "a person would be asked to log in"
            raise AuthLoadError("Authentication token was not found.")
        if self.service.accounts.get(client_id) != client_secret:
            raise AuthLoadError(f"Error getting access token: unauthorized_client {client_id} {client_secret}")
        self._account = client_id

    def require_login(self):
        if self._account is None:
            raise AuthLoadError("Authentication token was not found.")

    def get_compute_clusters(self, workspace_id, *, status=None):
        self.require_login()
        self.service.fault("list")
        wanted = [each.name for each in status or ComputeStatusModel]
        clusters = self.service.state()["clusters"].values()
        return [
            _model(each) for each in clusters if each["status"] in wanted and each["workspace_id"] == str(workspace_id)
        ]

    def get_compute_cluster(self, workspace_id, compute_id):
        self.require_login()
        return _model(self.service.state()["clusters"][str(compute_id)])

    def register_compute_cluster_manifest(self, workspace_id, name, **specs):
        self.service.fault("register")
        with self.service.change() as state:
            state["manifests"][name] = specs

    def unregister_compute_cluster_manifest(self, workspace_id, name):
        self.require_login()
        self.service.fault("unregister")
        with self.service.change() as state:
            if state["manifests"].pop(name, None) is None:
                raise NotFoundError(f"no manifest {name}")

    def start_compute_cluster_manifest(self, workspace_id, name):
        return self.start_compute(workspace_id, name=name, **self.service.state()["manifests"][name])

    def start_compute(self, workspace_id, *, name=None, **specs):
        self.require_login()
        self.service.fault("start")
        cluster = {
            "id": str(uuid.uuid4()),
            "workspace_id": str(workspace_id),
            "name": name,
            "status": "Starting",
            "requested": datetime.now(timezone.utc).isoformat(),
            "pid": os.getpid(),
            "specs": specs,
        }
        with self.service.change() as state:
            state["clusters"][cluster["id"]] = cluster
        self.service.fault("answer to start")
        return _model(cluster)

    def stop_compute_cluster(self, workspace_id, compute_id):
        self.require_login()
        self.service.fault("stop")
        with self.service.change() as state:
            state["clusters"][str(compute_id)]["status"] = "Stopped"


def _model(cluster):
    return SimpleNamespace(
        id=uuid.UUID(cluster["id"]),
        workspace_id=uuid.UUID(cluster["workspace_id"]),
        name=cluster["name"],
        status=ComputeStatusModel[cluster["status"]],
        request_time=datetime.fromisoformat(cluster["requested"]),
    )
