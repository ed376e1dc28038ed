"""Secrets of Google Secret Manager."""

from __future__ import annotations

from dataclasses import dataclass

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import field_of
from ai.starlake.gcp.client.clients import default_credentials, default_project, secret_manager_client
from ai.starlake.gcp.client.endpoints import is_insecure
from ai.starlake.gcp.client.google_errors import explained

_TIMEOUT = 20.0
"""Seconds that the answer may take, repetitions included."""


@dataclass(frozen=True)
class GoogleSecret:
    """A secret of Google Secret Manager, fetched with the Application Default Credentials.

    Args:
        secret: Its id, or its full name ``projects/p/secrets/s`` or ``projects/p/secrets/s/versions/v``.
        field: The field to take, if the secret is a JSON object.
        project: The project; by default that of the name, the environment or the credentials.
        version: The version, unless the name has one.
        endpoint: The address of the service; one that begins with ``http://`` is called in the clear.
    """

    secret: str
    field: str | None = None
    project: str | None = None
    version: str = "latest"
    endpoint: str | None = None

    def resolve(self) -> str:
        """Fetch the secret.

        Raises:
            StarlakeError: If it cannot be read.
        """
        client = secret_manager_client(self.endpoint)
        name = self.full_name
        with explained(f"read {name}", ("secretmanager.versions.access",), str):
            answer = client.access_secret_version(request={"name": name}, timeout=_TIMEOUT)
        try:
            value = answer.payload.data.decode("utf-8")
        except UnicodeDecodeError:
            raise StarlakeError(f"the secret {name} is not a string", cause="it is not UTF-8") from None
        return field_of(value, self.field, f"the secret {name}")

    @property
    def full_name(self) -> str:
        """The name of the version, with its project.

        Raises:
            StarlakeError: If nothing says which project.
        """
        name = self.secret.strip("/")
        if not name.startswith("projects/"):
            name = f"projects/{self.project or default_project(self._project_of_credentials)}/secrets/{name}"
        return name if "/versions/" in name else f"{name}/versions/{self.version}"

    def _project_of_credentials(self) -> str | None:
        return None if is_insecure(self.endpoint) else default_credentials()[1]
