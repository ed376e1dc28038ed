"""Secrets of Google Secret Manager."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import field_of
from ai.starlake.gcp.client.calls import Calls
from ai.starlake.gcp.client.clients import default_credentials, default_project, secret_manager_client
from ai.starlake.gcp.client.endpoints import is_insecure

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

_TOLERANCE = 20.0
"""Seconds for which a call without an answer is repeated."""
_TIMEOUT = 10.0
"""Timeout of one call in seconds."""
_INTERVAL = 1.0


@dataclass(frozen=True)
class GoogleSecret:
    """A secret of Google Secret Manager, fetched with the Application Default Credentials.

    Args:
        secret: Id or full name of the secret, ``projects/p/secrets/s`` or ``projects/p/secrets/s/versions/v``.
        field: The field to use if the secret is a JSON object.
        project: The project; by default that of the name, the environment or the credentials.
        version: The version, unless the name has one.
        endpoint: URL of the service; one that begins with ``http://`` is called without TLS.
    """

    secret: str
    field: str | None = None
    project: str | None = None
    version: str = "latest"
    endpoint: str | None = None

    def resolve(self) -> str:
        """Fetch the secret.

        Returns:
            The value, which is never logged.

        Raises:
            StarlakeError: If it cannot be read.
        """
        client, name = _client(self.endpoint), self.full_name
        calls = Calls(_QuietLog(), interval=_INTERVAL, tolerance=_TOLERANCE)
        answer = calls.read(client.access_secret_version, {"name": name}, what=f"read {name}", timeout=_TIMEOUT)
        try:
            value = answer.payload.data.decode("utf-8")
        except UnicodeDecodeError:
            raise StarlakeError(
                f"the secret {name} is not a string",
                cause="it is not UTF-8",
                fix="store it as text, for example in base64",
            ) from None
        return field_of(value, self.field, f"the secret {name}")

    @property
    def full_name(self) -> str:
        """The name of the version, with its project.

        Raises:
            StarlakeError: If the project is not configured.
        """
        name = self.secret.strip("/")
        if not name.startswith("projects/"):
            name = f"projects/{self.project or default_project(self._project_of_credentials)}/secrets/{name}"
        return name if "/versions/" in name else f"{name}/versions/{self.version}"

    @property
    def selector(self) -> dict[str, str]:
        """The secret and its version, as in the definitions of Cloud Run."""
        secret, _, version = self.full_name.partition("/versions/")
        return {"secret": secret, "version": version}

    def _project_of_credentials(self) -> str | None:
        return None if is_insecure(self.endpoint) else default_credentials()[1]


@functools.cache
def _client(endpoint: str | None) -> SecretManagerServiceClient:
    return secret_manager_client(endpoint)


class _QuietLog:
    """Logs repeated calls with Python's logging: there may be no step to report to."""

    def output(self, stream: str, line: str) -> None:
        """Receive a line of output."""

    def info(self, message: str) -> None:
        """Log a progress message."""
        _logger.info(message)

    def warning(self, message: str) -> None:
        """Log a warning."""
        _logger.warning(message)


_logger = logging.getLogger(__name__)
