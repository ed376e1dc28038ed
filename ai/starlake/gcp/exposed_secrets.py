"""Warn about secrets that a service of Google Cloud shows to others than the command."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

from ai.starlake.common.secrets import EnvironmentValue, SecretReference
from ai.starlake.gcp.client.endpoints import is_insecure
from ai.starlake.gcp.secret_manager import GoogleSecret


class ExposedSecretWarning(UserWarning):
    """Others than the command can read the value of a secret."""


def taken_by_cloud_run(cloud_run: str | None) -> Callable[[SecretReference], bool]:
    """Return a test for references that Cloud Run resolves itself: whole secrets of Secret Manager.

    Args:
        cloud_run: URL of Cloud Run. An emulator knows the secrets of an emulator, Google those of Google.
    """

    def is_taken(reference: SecretReference) -> bool:
        if not isinstance(reference, GoogleSecret) or reference.field is not None:
            return False
        return is_insecure(reference.endpoint) == is_insecure(cloud_run)

    return is_taken


def warn_of_exposed(
    environment: Mapping[str, EnvironmentValue],
    where: str,
    fix: str,
    *,
    passed_on: Callable[[SecretReference], bool] = lambda _: False,
) -> None:
    """Warn once about all secrets in an environment that a service receives as plain values.

    Args:
        environment: The variables of commands.
        where: The readers of the values, and the place.
        fix: The fix.
        passed_on: Returns True for a reference that the service resolves itself.
    """
    exposed = [name for name, value in environment.items() if not isinstance(value, str) and not passed_on(value)]
    if exposed:
        names, verb = ", ".join(sorted(exposed)), "are passed as plain values" if exposed[1:] else "is a plain value"
        message = f"option sl_env_var: {names} {verb}; {where}\nTo fix it: {fix}"
        warnings.warn(message, ExposedSecretWarning, stacklevel=2)
