"""Calls of the package polars_cloud. Nothing is imported, and no login happens, before the first call."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ai.starlake.common.extras import require_package
from ai.starlake.common.redaction import Redactor
from ai.starlake.common.secrets.resolution import resolve_environment
from ai.starlake.common.secrets.secret_references import EnvironmentValue
from ai.starlake.executor.remote.remote_errors import RemoteCallError
from ai.starlake.job.polars_profile import CLIENT_ID, CLIENT_SECRET, PolarsProfile

OnSecrets = Callable[[Collection[str]], None]

_guard = threading.Lock()
_account: list[str] = []
"""Digest of the service account of this process's login; the package keeps one login per process."""


class PolarsCloudCallError(RemoteCallError):
    """A call to Polars Cloud failed."""


class PolarsCloudClient:
    """Starts, lists and stops compute contexts.

    Args:
        profile: The machines.
        client_id: The service account; None for the login of the process.
        client_secret: Its secret.
    """

    def __init__(self, profile: PolarsProfile, client_id: str | None, client_secret: str | None) -> None:
        require_package("polars_cloud", "engine: polars-cloud", "polars-cloud")
        self.profile = profile
        self._account = (client_id or None, client_secret or None)
        texts = (value for value in profile.env_vars.values() if isinstance(value, str))
        self.redactor = Redactor([client_secret or "", *texts])

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> PolarsCloudClient:
        """Return the calls with the profile and the service account of an environment.

        Args:
            environment: The environment of a command, secrets included.

        Raises:
            StarlakeError: If its profile is invalid.
        """
        profile = PolarsProfile.of_environment(environment)
        return cls(profile, environment.get(CLIENT_ID), environment.get(CLIENT_SECRET))

    @classmethod
    def logged_in(
        cls, environment: Mapping[str, EnvironmentValue], on_secrets: OnSecrets | None = None
    ) -> PolarsCloudClient:
        """Return the calls of a logged-in account; a refused secret is fetched once more.

        Args:
            environment: The environment of a command, secrets as references.
            on_secrets: Called with the secrets before they are used, for orchestrators that mask their own logs.

        Raises:
            StarlakeError: If a reference cannot be resolved, or if the service account is refused.
        """
        values = _resolved(environment, on_secrets)
        client = cls.of(values)
        try:
            client.authenticate()
        except PolarsCloudCallError:
            latest = _resolved(environment, on_secrets, renew=True)
            if latest == values:
                raise
            client = cls.of(latest)
            client.authenticate()
        return client

    def authenticate(self) -> None:
        """Log in without user interaction, once per process and service account.

        Raises:
            PolarsCloudCallError: If the service account is refused, or if the service does not answer.
        """
        import polars_cloud

        digest = hashlib.sha256(repr(self._account).encode()).hexdigest()
        client_id, client_secret = self._account
        with _guard:
            if _account == [digest]:
                return
            with self.explained(
                "Polars Cloud does not accept the service account",
                fix="set client_id and client_secret in the section polars of the compute profile, or the variables "
                "POLARS_CLOUD_CLIENT_ID and POLARS_CLOUD_CLIENT_SECRET",
            ):
                polars_cloud.authenticate(client_id=client_id, client_secret=client_secret, interactive=False)
            _account[:] = [digest]

    def context(self, labels: Sequence[str]) -> Any:
        """Return a new compute context, which is not started.

        Args:
            labels: Its labels, in addition to those of the profile.

        Raises:
            PolarsCloudCallError: If Polars Cloud has no such machines.
        """
        import polars_cloud

        given = self.profile.sizes
        arguments = {name: given[name] for name in _ARGUMENTS if name in given}
        arguments["labels"] = [*labels, *self.profile.labels]
        if self.profile.cpu_architectures:
            arguments["cpu_architectures"] = list(self.profile.cpu_architectures)
        if self.profile.env_vars:
            arguments["env_vars"] = dict(self.profile.env_vars)
        with self.explained("Polars Cloud has no compute context of this profile", fix=f"it is {self.profile}"):
            return polars_cloud.ComputeContext(**arguments)

    def running(self) -> list[ContextOnRecord]:
        """Return the compute contexts of the workspace that are starting or running.

        Raises:
            PolarsCloudCallError: If they cannot be listed.
        """
        import polars_cloud
        from polars_cloud.constants import API_CLIENT
        from polars_cloud.polars_cloud import ComputeStatusModel

        alive = [ComputeStatusModel.Starting, ComputeStatusModel.Idle, ComputeStatusModel.Running]
        with self.explained("the compute contexts of Polars Cloud cannot be listed", transient=True):
            workspace = polars_cloud.Workspace(self.profile.workspace)
            return [ContextOnRecord(self, each) for each in API_CLIENT.get_compute_clusters(workspace.id, status=alive)]

    @contextmanager
    def explained(self, culprit: str, *, fix: str | None = None, transient: bool = False) -> Iterator[None]:
        """Convert the errors of a call to ours, secrets masked.

        Args:
            culprit: The problem if the call fails.
            fix: Advice for the user.
            transient: True if the same call may succeed later.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001  the package raises many kinds, and its messages may contain secrets
            cause = self.redactor.mask(f"{type(error).__name__}: {error}")
            raise PolarsCloudCallError(culprit, cause=cause, fix=fix, transient=transient) from None


class ContextOnRecord:
    """A compute context that Polars Cloud knows, whoever created it.

    Args:
        client: The calls.
        model: The context as Polars Cloud describes it.
    """

    def __init__(self, client: PolarsCloudClient, model: Any) -> None:
        self._client = client
        self._model = model

    @property
    def name(self) -> str | None:
        """Name of the context; None if it has none."""
        return None if self._model.name is None else str(self._model.name)

    @property
    def state(self) -> str:
        """State of the context, such as ``Running``."""
        return str(self._model.status).rpartition(".")[2]

    @property
    def created(self) -> datetime:
        """Time of the request for the context."""
        created: datetime = self._model.request_time
        return created

    def stop(self) -> bool:
        """Stop the context, and delete its name. May be called twice.

        Returns:
            True.

        Raises:
            PolarsCloudCallError: If it cannot be stopped.
        """
        from polars_cloud.constants import API_CLIENT

        with self._client.explained(f"the compute context {self.name} cannot be stopped", transient=True):
            API_CLIENT.stop_compute_cluster(self._model.workspace_id, self._model.id)
            API_CLIENT.unregister_compute_cluster_manifest(self._model.workspace_id, self.name)
        return True


def _resolved(
    environment: Mapping[str, EnvironmentValue], on_secrets: OnSecrets | None, *, renew: bool = False
) -> dict[str, str]:
    values, secrets = resolve_environment(environment, renew=renew)
    if secrets and on_secrets is not None:
        on_secrets(secrets)
    return values


_ARGUMENTS = (
    "workspace",
    "cpus",
    "memory",
    "instance_type",
    "storage",
    "cluster_size",
    "requirements",
    "connection_mode",
    "log_level",
    "idle_timeout_mins",
    "insecure",
)
"""Fields of the profile that are passed unchanged to `polars_cloud.ComputeContext`."""
