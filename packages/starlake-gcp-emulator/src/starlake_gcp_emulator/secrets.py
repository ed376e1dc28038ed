"""Google Secret Manager: the access to versions of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.cloud.secretmanager_v1.types import AccessSecretVersionRequest, AccessSecretVersionResponse

from starlake_gcp_emulator.methods import Method, Route
from starlake_gcp_emulator.state.secret_versions import Secrets

_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


def methods_of_secrets(secrets: Secrets) -> Mapping[str, Method]:
    """Return the method, by its full name."""

    def answer(request: Any) -> Any:
        name, data = secrets.read(request.name)
        return AccessSecretVersionResponse(name=name, payload={"data": data})

    routes = (Route("GET", "/v1/{name=projects/*/secrets/*/versions/*}:access"),)
    method = Method(
        _SERVICE, "AccessSecretVersion", AccessSecretVersionRequest, AccessSecretVersionResponse, answer, routes
    )
    return {method.full_name: method}
