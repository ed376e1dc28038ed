"""The definitions of a whole project in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dagster import Definitions

from ai.starlake.dagster.assets.asset_build import AssetBuild, Batched
from ai.starlake.dagster.assets.automation.asset_schedules import schedules as scheduled_jobs
from ai.starlake.dagster.assets.automation.condition_sensor import condition_sensor
from ai.starlake.dagster.assets.automation.freshness_checks import freshness_checks, freshness_sensor
from ai.starlake.dagster.assets.rejects.rejected_assets import rejected_assets
from ai.starlake.dagster.assets.rejects.rejected_keys import loaded_domains
from ai.starlake.dagster.assets.rejects.replay_job import replay_job
from ai.starlake.dagster.assets.sensors.file_sensor import file_sensor
from ai.starlake.dagster.assets.steps.asset_steps import asset_steps
from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix

if TYPE_CHECKING:
    from dagster import AssetChecksDefinition, AssetsDefinition, SensorDefinition

    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.dagster.job import StarlakeDagsterJob
    from ai.starlake.project.assets.item_selection import Words


def build_starlake_definitions(
    project: AnyProject,
    sl_job: StarlakeDagsterJob[Any] | None = None,
    *,
    name: str | None = None,
    translator: DagsterStarlakeTranslator | None = None,
    select: Words | None = None,
    exclude: Words | None = None,
    asset_prefix: Prefix | None = None,
    batched: Batched = False,
    schedules: bool = True,
    sensors: bool = True,
    checks: bool = True,
    rejects: bool = False,
    compute: str | None = None,
) -> Definitions:
    """Return the definitions of a project: assets, checks, jobs, schedules, sensors. Merge them by `Definitions.merge`.

    Args:
        project: The project, or its folder.
        sl_job: The job with the executor and the options; by default the embedded engine, in the process of each step.
        name: Prefix of the names of jobs, schedules and sensors; by default the project's folder.
        translator: Creates the specs of assets and checks.
        select: The tables and tasks to include: ``shop``, ``shop.orders``, ``tag:daily``, ``+kpis.sales``; all by
            default.
        exclude: The tables and tasks to exclude.
        asset_prefix: Prefix of the keys of all assets that the project makes.
        batched: False for a step per table or task, True for a step per domain, ``project`` for one step.
        schedules: True if schedules of the project become jobs and schedules. Partitions exist anyway, unless the
            option `partitions` is ``none``.
        sensors: True to add a sensor that loads files when they arrive, and sensors that clean up after runs on a
            service such as Dataproc.
        checks: True if expectations become checks.
        rejects: True if rejected rows are assets of their own, with a job that replays them.
        compute: The compute profile of all commands, which overrides options and metadata.

    Raises:
        StarlakeError: If a file of the project cannot be used, if two items have one key, or if a selection matches
            nothing.
    """
    return definitions_of(
        AssetBuild.of(
            project,
            sl_job,
            name=name,
            translator=translator,
            select=select,
            exclude=exclude,
            asset_prefix=asset_prefix,
            batched=batched,
            schedules=schedules,
            sensors=sensors,
            checks=checks,
            rejects=rejects,
            compute=compute,
        )
    )


def definitions_of(build: AssetBuild) -> Definitions:
    """Return the definitions of a build.

    Args:
        build: The items, their specs, and the other arguments.
    """
    assets = asset_steps(build)
    rejects = rejected_assets(build) if build.rejects else []
    scheduled = scheduled_jobs(build)
    fresh = freshness_checks(build)
    return Definitions(
        assets=[*assets, *rejects],
        asset_checks=fresh,
        jobs=[*scheduled.jobs, *([replay_job(build)] if build.rejects and loaded_domains(build) else [])],
        schedules=scheduled.schedules,
        sensors=_sensors(build, assets, fresh),
    )


def _sensors(
    build: AssetBuild, assets: Sequence[AssetsDefinition], fresh: Sequence[AssetChecksDefinition]
) -> list[SensorDefinition]:
    """Return the sensors of files, of conditions and of freshness, and those that clean up after runs on a service.

    Empty if sensors are switched off.
    """
    if not build.sensors:
        return []
    files = file_sensor(build, assets)
    return [
        *([files] if files else []),
        *condition_sensor(build, assets),
        *freshness_sensor(build, fresh),
        *build.sl_job.sensors(name=build.name),
    ]
