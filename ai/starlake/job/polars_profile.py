"""The section of a compute profile for Polars Cloud, and its form in the environment of a command.

The section is part of the environment of the command: the fields as JSON in `PROFILE`, and possible secrets as
variables of their own: the service account, and the variables of the machines. References are resolved where the
command runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from ai.starlake.common.errors import StarlakeError
from ai.starlake.common.secrets.secret_references import EnvironmentValue, SecretReference
from ai.starlake.common.secrets.secret_stores import reference_of
from ai.starlake.job.compute_sections import ComputeSection, Count, Name

PROFILE = "SL_POLARS"
"""Variable with the fields of the profile as JSON."""
CLIENT_ID = "POLARS_CLOUD_CLIENT_ID"
CLIENT_SECRET = "POLARS_CLOUD_CLIENT_SECRET"  # noqa: S105  a variable of Polars
_MACHINE_VARIABLE = "SL_POLARS_ENV_"
"""Prefix of the variables that are passed on to the machines."""
_SHORTEST_TIMEOUT = 10
"""Minutes; the minimum that Polars Cloud accepts."""


def _reference(value: Any) -> Any:
    return _checked("a secret of the section polars", value)


def _secret(value: Any) -> Any:
    found = _reference(value)
    if not isinstance(found, SecretReference):
        raise ValueError('it is written down here; name where it is, such as {"env": "POLARS_CLOUD_CLIENT_SECRET"}')  # noqa: TRY004  pydantic
    return found


def _variables(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        str(name): _checked(f"env_vars of the section polars: the value of {name}", each)
        for name, each in value.items()
    }


def _checked(label: str, value: Any) -> EnvironmentValue:
    try:
        return reference_of(label, value)
    except StarlakeError as error:
        raise ValueError(str(error)) from None


class PolarsProfile(ComputeSection):
    """Machines of Polars Cloud for the lazy frame of a task, and the service account that starts them.

    All fields except the last three are arguments of `polars_cloud.ComputeContext`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)

    title = "Polars Cloud: Python tasks with `engine: polars-cloud`"

    workspace: Name | None = Field(default=None, description="the workspace; the default one of the service account")
    cpus: Count | None = Field(default=None, description="the least CPUs of each machine")
    memory: Count | None = Field(default=None, description="the least memory of each machine, in GB")
    instance_type: Name | None = Field(default=None, description="the type of the machines, instead of their sizes")
    cpu_architectures: tuple[Literal["x86_64", "arm64"], ...] | None = Field(
        default=None, description="the architectures to choose from"
    )
    storage: Count | None = Field(default=None, description="the disk of each machine, in GB")
    cluster_size: Count | None = Field(default=None, description="the number of machines; by default 1")
    requirements: Name | None = Field(
        default=None, description="the path of a `requirements.txt` to install on the machines"
    )
    connection_mode: Literal["direct", "proxy"] | None = Field(
        default=None, description="way that queries take: directly to the machines, or through Polars' servers"
    )
    labels: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = Field(
        default=(), description="labels of the machines, besides `starlake` and the id of the run"
    )
    log_level: Literal["info", "debug", "trace"] | None = Field(
        default=None, description="the log level of the machines"
    )
    idle_timeout_mins: Annotated[int, Field(ge=_SHORTEST_TIMEOUT)] = Field(
        default=_SHORTEST_TIMEOUT, description="idle minutes after which Polars Cloud stops the machines"
    )
    insecure: bool | None = Field(default=None, description="send queries without TLS")
    env_vars: Annotated[dict[str, EnvironmentValue], BeforeValidator(_variables)] = Field(
        default={}, description="variables of the machines: strings, or references to secrets", repr=False
    )
    results: Name | None = Field(
        default=None,
        description="location for results on their way back, such as `s3://bucket/folder`; by default the "
        "temporary storage of the workspace",
    )
    client_id: Annotated[EnvironmentValue, BeforeValidator(_reference)] | None = Field(
        default=None, description="the service account; by default the variable POLARS_CLOUD_CLIENT_ID", repr=False
    )
    client_secret: Annotated[SecretReference, BeforeValidator(_secret)] | None = Field(
        default=None,
        description="a reference to its secret; by default the variable POLARS_CLOUD_CLIENT_SECRET",
        repr=False,
    )

    @property
    def sizes(self) -> dict[str, Any]:
        """The fields that are set and contain no secrets."""
        return {name: value for name, value in super().sizes.items() if name not in _SECRET and value not in ((), {})}

    def environment(self) -> dict[str, EnvironmentValue]:
        """Return the variables that pass the profile to the process of a command; secrets as references."""
        machines = {f"{_MACHINE_VARIABLE}{name}": value for name, value in self.env_vars.items()}
        account = {CLIENT_ID: self.client_id, CLIENT_SECRET: self.client_secret}
        return {
            PROFILE: json.dumps(self.sizes, sort_keys=True),
            **machines,
            **{name: value for name, value in account.items() if value is not None},
        }

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> PolarsProfile:
        """Return the profile of a command; one with defaults if it has none.

        Args:
            environment: The environment of the command, with resolved references.

        Raises:
            StarlakeError: If `PROFILE` is not a profile.
        """
        machines = {
            name.removeprefix(_MACHINE_VARIABLE): value
            for name, value in environment.items()
            if name.startswith(_MACHINE_VARIABLE)
        }
        try:
            given = json.loads(environment.get(PROFILE) or "{}")
            return cls.model_validate({**given, "env_vars": machines})
        except (ValueError, TypeError) as error:
            raise StarlakeError(
                f"{PROFILE} is not a profile of Polars Cloud",
                cause=str(error),
                fix='write a JSON object with fields of the section polars, such as {"cpus": 4, "memory": 16}',
            ) from None


_SECRET = frozenset({"env_vars", "client_id", "client_secret"})
