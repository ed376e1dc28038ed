"""Warn of secrets that a service of Google Cloud shows to others than the command that gets them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

from ai.starlake.common.secrets import EnvironmentValue, SecretReference
from ai.starlake.gcp.client.endpoints import is_insecure
from ai.starlake.gcp.secret_manager import GoogleSecret


class ExposedSecretWarning(UserWarning):
    """The value of a secret can be read by others than the command that needs it."""


def taken_by_cloud_run(cloud_run: str | None) -> Callable[[SecretReference], bool]:
    """Return what tells the references that Cloud Run resolves itself: whole secrets of Secret Manager.

    Args:
        cloud_run: The address of Cloud Run. An emulator knows the secrets of an emulator, Google those of Google.
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
    """Warn, once for all, of the secrets in an environment that a service gets as plain values.

    Args:
        environment: The variables of commands.
        where: Who can read the values, and where.
        fix: What to do about it.
        passed_on: Returns True for a reference that the service resolves itself.
    """
    exposed = [name for name, value in environment.items() if not isinstance(value, str) and not passed_on(value)]
    if exposed:
        names, verb = ", ".join(sorted(exposed)), "are passed as plain values" if exposed[1:] else "is a plain value"
        message = f"option sl_env_var: {names} {verb}; {where}\nTo fix it: {fix}"
        warnings.warn(message, ExposedSecretWarning, stacklevel=2)
