"""Sensors that stop the compute contexts of killed runs on Polars Cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from dagster import JobDefinition, SensorDefinition

from ai.starlake.common.secrets.secret_references import EnvironmentValue
from ai.starlake.dagster.remote import Janitor
from ai.starlake.job import JobOptions


def sensors_of(
    environments: Sequence[Mapping[str, EnvironmentValue]],
    jobs: Iterable[JobDefinition] | None = None,
    name: str | None = None,
) -> list[SensorDefinition]:
    """Return the sensors that clean up after runs whose commands have these environments.

    They also clean up after successful runs: Polars Cloud may have refused to stop a context.

    Args:
        environments: The environments, secrets as references.
        jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
        name: Prefix of their names.
    """
    from ai.starlake.polars.leftover_contexts import ContextSweeper, accounts_of

    sweeper = partial(ContextSweeper, accounts_of(environments))
    return Janitor(sweeper, "polars_cloud", "on Polars Cloud", also_after_success=True).sensors(jobs, name)


def sensors_of_profiles(
    settings: JobOptions, jobs: Iterable[JobDefinition] | None, name: str | None
) -> list[SensorDefinition]:
    """Return the sensors for the compute profiles of a job; none if no profile has a section `polars`.

    Args:
        settings: The options of the job.
        jobs: The jobs whose runs they clean up after; by default all jobs of the code location.
        name: Prefix of their names.
    """
    profiles = [profile.polars for profile in settings.compute.values() if profile.polars]
    environments = [{**settings.environment, **profile.environment()} for profile in profiles]
    return sensors_of(environments, jobs, name) if environments else []
