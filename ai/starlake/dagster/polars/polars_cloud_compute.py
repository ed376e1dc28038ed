"""A resource for user ops and assets that run queries on Polars Cloud."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dagster import ConfigurableResource, EnvVar, JobDefinition, SensorDefinition
from pydantic import Field, field_validator

from ai.starlake.common.secrets import EnvironmentReference, reference_of
from ai.starlake.dagster import _compat
from ai.starlake.dagster.polars.contexts_janitor import sensors_of
from ai.starlake.polars.named_contexts import NamedContexts

_BY_HAND = "outside of a run"


class PolarsCloudCompute(ConfigurableResource[Any]):
    """Compute contexts of Polars Cloud, by name; each is started for a block of code and stopped at its end.

    Nothing is started, and no login happens, before a block is entered. The service account logs in once per process,
    and a context is stopped at the end of its block: after success, failure and cancellation. `sensors` stop what the
    process of a killed run left; `idle_timeout_mins` is the last resort.
    """

    profiles: dict[str, dict[str, Any]] = Field(
        description="sizes by name: fields of the section `polars` of a compute profile, such as cpus and memory"
    )
    client_id: dict[str, Any] = Field(
        default={}, description="a reference to the service account; by default the variable POLARS_CLOUD_CLIENT_ID"
    )
    client_secret: dict[str, Any] = Field(
        default={}, description="a reference to its secret; by default the variable POLARS_CLOUD_CLIENT_SECRET"
    )

    @field_validator("client_id", "client_secret", mode="before")
    @classmethod
    def _reference(cls, value: Any) -> Any:
        read = reference_of("PolarsCloudCompute", value) if isinstance(value, EnvVar) else value
        return {"env": read.name} if isinstance(read, EnvironmentReference) else read

    @contextmanager
    def context(self, profile: str) -> Iterator[Any]:
        """Start a context for a block, and always stop it at the end of the block.

        Each block has a context of its own: concurrent blocks do not wait for each other, and none stops the context of
        another.

        Args:
            profile: Its name in `profiles`.

        Yields:
            The `polars_cloud.ComputeContext`, for `LazyFrame.remote`.

        Raises:
            StarlakeError: If there is no such profile, if the service account is refused, or if the machines do not
                start.
        """
        step = _compat.current_context()
        log: Any = step.log if step else logging.getLogger(__name__)
        run_id = (_compat.root_run_of(step.run) or step.run.run_id) if step else _BY_HAND
        with self._contexts.context(profile, run_id, log.info) as started:
            yield started

    def sensors(
        self, jobs: Iterable[JobDefinition] | None = None, *, name: str | None = None
    ) -> list[SensorDefinition]:
        """Return the sensors that stop the contexts of killed runs.

        Args:
            jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
            name: Prefix of their names.

        Raises:
            StarlakeError: If a profile is invalid.
        """
        return sensors_of([each.environment() for each in self._contexts.all_profiles()], jobs, name)

    @property
    def _contexts(self) -> NamedContexts:
        return NamedContexts("PolarsCloudCompute", self.profiles, self.client_id, self.client_secret)
