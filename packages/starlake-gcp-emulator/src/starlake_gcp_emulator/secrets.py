"""Google Secret Manager: the access to versions of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlake_gcp_emulator.errors import Code, RpcError, not_found
from starlake_gcp_emulator.methods import Method, Route

_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


class Secrets:
    """The secrets, each with its versions in order."""

    def __init__(self) -> None:
        self._versions: dict[str, list[bytes]] = {}

    def add(self, name: str, value: str) -> None:
        """Add a version to a secret.

        Args:
            name: ``projects/P/secrets/S``.
            value: The value of the version.
        """
        self._versions.setdefault(name, []).append(value.encode())

    def access(self, request: Any) -> tuple[str, bytes]:
        """Return the full name and the content of a version."""
        secret, _, version = request.name.partition("/versions/")
        versions = self._versions.get(secret)
        if not versions:
            raise not_found(f"Secret [{secret}] not found or has no versions.")
        if version != "latest" and not version.isdigit():
            raise RpcError(Code.INVALID_ARGUMENT, f"Invalid resource field value in the request: {request.name}")
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            raise not_found(f"Secret Version [{request.name}] not found.")
        return f"{secret}/versions/{number}", versions[number - 1]


def methods_of_secrets(secrets: Secrets) -> Mapping[str, Method]:
    """Return the method, by its full name; none if Google's library for Secret Manager is not installed."""
    try:
        from google.cloud.secretmanager_v1.types import AccessSecretVersionRequest, AccessSecretVersionResponse
    except ImportError:
        return {}

    def answer(request: Any) -> Any:
        name, data = secrets.access(request)
        return AccessSecretVersionResponse(name=name, payload={"data": data})

    routes = (Route("GET", "/v1/{name=projects/*/secrets/*/versions/*}:access"),)
    method = Method(
        _SERVICE, "AccessSecretVersion", AccessSecretVersionRequest, AccessSecretVersionResponse, answer, routes
    )
    return {method.full_name: method}
