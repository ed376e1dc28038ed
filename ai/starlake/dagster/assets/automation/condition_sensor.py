"""The sensor of automation conditions, for sensors that run by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dagster import (
    AssetsDefinition,
    AssetSelection,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
    SensorDefinition,
)

from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild


def condition_sensor(build: AssetBuild, assets: Iterable[AssetsDefinition]) -> list[SensorDefinition]:
    """Return a sensor for the conditions of assets if the option `default_status` is ``running``; else None.

    Without it, Dagster creates one for all assets of the code location, ``default_automation_condition_sensor``, which
    is off until a user starts it.

    Args:
        build: The name, and the options.
        assets: The assets.
    """
    if build.pipelines.default_status != "running":
        return []
    keys = [spec.key for each in assets for spec in each.specs if spec.automation_condition is not None]
    if not keys:
        return []
    with quiet():
        sensor = AutomationConditionSensorDefinition(
            name=f"{build.name}_automation",
            target=AssetSelection.assets(*keys),
            default_status=DefaultSensorStatus.RUNNING,
            description="Makes tables and tasks without a schedule when what they read has changed.",
        )
    return [sensor]
