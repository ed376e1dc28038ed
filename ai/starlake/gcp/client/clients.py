"""Google's clients, created in the process that calls, on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import MissingExtraError
from ai.starlake.gcp.client.endpoints import GcpEndpoints, host_of, is_insecure
from ai.starlake.gcp.client.google_errors import explained

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import ClusterControllerClient, JobControllerClient
    from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
    from google.cloud.run_v2 import ExecutionsClient, JobsClient
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.storage import Client as StorageClient

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT", "GCLOUD_PROJECT")
_PLAIN = [("grpc.enable_http_proxy", 0)]
"""An emulator is not behind a proxy, whatever http_proxy is."""


_made_clients: list[Any] = []
"""All clients of this process, so that none is garbage-collected: gRPC would close its channel in the thread of the
collector, which was observed to hang."""


class GcpClients:
    """The clients of one project and region.

    Creating one opens no connection and reads no credentials; the first call does.

    Args:
        endpoints: The URLs of the services.
        project: The project; by default that of the environment, or of the credentials.
        region: The region, such as ``europe-west1``.
    """

    def __init__(self, endpoints: GcpEndpoints, *, project: str | None, region: str) -> None:
        self.endpoints = endpoints
        self.region = region
        self._project = project

    @cached_property
    def project(self) -> str:
        """The id of the project.

        Raises:
            StarlakeError: If it is not configured.
        """
        addresses = (self.endpoints.dataproc, self.endpoints.cloud_run)
        emulated = any(map(is_insecure, addresses))
        return self._project or default_project(lambda: None if emulated else self._default_credentials[1])

    @cached_property
    def clusters(self) -> ClusterControllerClient:
        """Client for Dataproc clusters."""
        try:
            from google.cloud import dataproc_v1
        except ImportError as error:
            raise MissingExtraError("google-cloud-dataproc", "gcp", str(error)) from None
        return self._made(dataproc_v1.ClusterControllerClient, self._dataproc)

    @cached_property
    def spark_jobs(self) -> JobControllerClient:
        """Client for Dataproc jobs."""
        try:
            from google.cloud import dataproc_v1
        except ImportError as error:
            raise MissingExtraError("google-cloud-dataproc", "gcp", str(error)) from None
        return self._made(dataproc_v1.JobControllerClient, self._dataproc)

    @property
    def operations(self) -> ClusterControllerClient:
        """Client for Dataproc's long-running operations, by its method `get_operation`."""
        return self.clusters

    @cached_property
    def run_jobs(self) -> JobsClient:
        """Client for Cloud Run jobs."""
        try:
            from google.cloud import run_v2
        except ImportError as error:
            raise MissingExtraError("google-cloud-run", "gcp", str(error)) from None
        return self._made(run_v2.JobsClient, self.endpoints.cloud_run)

    @cached_property
    def executions(self) -> ExecutionsClient:
        """Client for executions of Cloud Run jobs."""
        try:
            from google.cloud import run_v2
        except ImportError as error:
            raise MissingExtraError("google-cloud-run", "gcp", str(error)) from None
        return self._made(run_v2.ExecutionsClient, self.endpoints.cloud_run)

    @cached_property
    def logging(self) -> LoggingServiceV2Client:
        """Client for Cloud Logging."""
        try:
            from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
        except ImportError as error:
            raise MissingExtraError("google-cloud-logging", "gcp", str(error)) from None
        return self._made(LoggingServiceV2Client, self.endpoints.logging)

    @cached_property
    def storage(self) -> StorageClient:
        """Client for Cloud Storage."""
        return storage_client(self.endpoints, self._project)

    @property
    def _dataproc(self) -> str:
        return self.endpoints.dataproc or f"{self.region}-dataproc.googleapis.com:443"

    @cached_property
    def _default_credentials(self) -> tuple[Any, str | None]:
        return default_credentials(self.endpoints.impersonate)

    def _made(self, client: Any, endpoint: str | None) -> Any:
        return _grpc_client(client, endpoint, lambda: self._default_credentials[0])


def default_credentials(impersonate: str | None = None) -> tuple[Any, str | None]:
    """Return the Application Default Credentials and their project.

    Args:
        impersonate: E-mail address of a service account to impersonate.

    Raises:
        MissingExtraError: If google-auth is not installed.
        GcpCallError: If there are no credentials.
    """
    try:
        import google.auth
    except ImportError as error:
        raise MissingExtraError("google-auth", "gcp", str(error)) from None
    with explained("find credentials"):
        credentials, project = google.auth.default(scopes=[_SCOPE])
    if impersonate:
        from google.auth import impersonated_credentials

        credentials = impersonated_credentials.Credentials(
            source_credentials=credentials, target_principal=impersonate, target_scopes=[_SCOPE]
        )
    return credentials, project


def default_project(of_credentials: Callable[[], str | None]) -> str:
    """Return the project of the environment, or of the credentials.

    Args:
        of_credentials: Returns the project of the credentials, if they have one.

    Raises:
        StarlakeError: If it is not configured.
    """
    named = next((os.environ[name] for name in _PROJECT_VARIABLES if os.environ.get(name)), None) or of_credentials()
    if not named:
        raise StarlakeError(
            "the project of Google Cloud is not known",
            cause="neither the options, the environment nor the credentials name one",
            fix="set option dataproc_project_id or cloud_run_project_id, or the variable GOOGLE_CLOUD_PROJECT",
        )
    return named


def secret_manager_client(endpoint: str | None = None) -> SecretManagerServiceClient:
    """Return a client of Secret Manager.

    Args:
        endpoint: Its URL; by default that of Google.

    Raises:
        MissingExtraError: If google-cloud-secret-manager is not installed.
        GcpCallError: If there are no credentials.
    """
    try:
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    except ImportError as error:
        raise MissingExtraError("google-cloud-secret-manager", "secrets-gcp", str(error)) from None
    return _grpc_client(SecretManagerServiceClient, endpoint, lambda: default_credentials()[0])


def _grpc_client(client: Any, endpoint: str | None, credentials: Callable[[], Any]) -> Any:
    """Return a client with the right URL and credentials; by gRPC, the transport that all of these services support."""
    if endpoint and is_insecure(endpoint):
        import grpc

        transport = client.get_transport_class("grpc")
        made = client(transport=transport(channel=grpc.insecure_channel(host_of(endpoint), options=_PLAIN)))
    else:
        options = {"api_endpoint": host_of(endpoint)} if endpoint else None
        made = client(credentials=credentials(), client_options=options)
    _made_clients.append(made)
    return made


def storage_client(endpoints: GcpEndpoints, project: str | None = None) -> StorageClient:
    """Return a client of Cloud Storage.

    Raises:
        MissingExtraError: If google-cloud-storage is not installed.
        GcpCallError: If there are no credentials.
    """
    try:
        from google.cloud import storage
    except ImportError as error:
        raise MissingExtraError("google-cloud-storage", "gcp", str(error)) from None
    address = endpoint_of_storage(endpoints.storage)
    if address and is_insecure(address):
        from google.auth.credentials import AnonymousCredentials

        options = {"api_endpoint": address.rstrip("/")}
        return storage.Client(project=project or "none", credentials=AnonymousCredentials(), client_options=options)
    credentials, found = default_credentials(endpoints.impersonate)
    return storage.Client(
        project=project or found, credentials=credentials, client_options={"api_endpoint": address} if address else None
    )


def endpoint_of_storage(given: str | None) -> str | None:
    """Return the URL of Cloud Storage; None for that of Google.

    Args:
        given: The value of the option; it takes precedence over the variable STORAGE_EMULATOR_HOST.
    """
    address = given or os.environ.get("STORAGE_EMULATOR_HOST")
    if not address or "://" in address:
        return address or None
    return f"https://{address}" if given else f"http://{address}"
