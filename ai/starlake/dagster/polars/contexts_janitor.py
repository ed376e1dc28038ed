"""Sensors that stop the compute contexts which killed runs left on Polars Cloud."""

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
    """Return the sensors that look after runs whose commands have these environments.

    They look after runs that succeeded, too: Polars Cloud may have refused to stop a context.

    Args:
        environments: The environments, secrets as references.
        jobs: The jobs whose runs they look after; by default all jobs of the code location.
        name: What their names begin with.
    """
    from ai.starlake.polars.leftover_contexts import ContextSweeper, accounts_of

    sweeper = partial(ContextSweeper, accounts_of(environments))
    return Janitor(sweeper, "polars_cloud", "on Polars Cloud", also_after_success=True).sensors(jobs, name)


def sensors_of_profiles(
    settings: JobOptions, jobs: Iterable[JobDefinition] | None, name: str | None
) -> list[SensorDefinition]:
    """Return the sensors that the compute profiles of a job need; none where none has a section `polars`.

    Args:
        settings: The options of the job.
        jobs: The jobs whose runs they look after; by default all jobs of the code location.
        name: What their names begin with.
    """
    profiles = [profile.polars for profile in settings.compute.values() if profile.polars]
    environments = [{**settings.environment, **profile.environment()} for profile in profiles]
    return sensors_of(environments, jobs, name) if environments else []
