"""Sensors that stop the compute contexts which killed runs left on Polars Cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dagster import JobDefinition, SensorDefinition

from ai.starlake.common.secrets.secret_references import EnvironmentValue
from ai.starlake.dagster.remote import Janitor
from ai.starlake.job import JobOptions
from ai.starlake.job.polars_profile import CLIENT_ID, CLIENT_SECRET, PROFILE, PolarsProfile

if TYPE_CHECKING:
    from ai.starlake.polars.leftover_contexts import ContextSweeper


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
    accounts: list[Mapping[str, EnvironmentValue]] = []
    for environment in environments:
        account = _account(environment)
        if account not in accounts:
            accounts.append(account)

    def sweeper() -> ContextSweeper:
        from ai.starlake.polars.leftover_contexts import ContextSweeper

        return ContextSweeper(accounts)

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


def _account(environment: Mapping[str, EnvironmentValue]) -> dict[str, EnvironmentValue]:
    """Return what of an environment says where contexts are, and who may stop them."""
    given = environment.get(PROFILE)
    workspace = PolarsProfile.of_environment({PROFILE: given}).workspace if isinstance(given, str) else None
    named = PolarsProfile(workspace=workspace).environment()
    return {**named, **{name: environment[name] for name in (CLIENT_ID, CLIENT_SECRET) if name in environment}}
