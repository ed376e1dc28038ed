"""Freshness checks, for versions of Dagster whose assets have no freshness policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from dagster import (
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    DefaultSensorStatus,
    SensorDefinition,
    build_last_update_freshness_checks,
    build_sensor_for_freshness_checks,
)

from ai.starlake.dagster.assets.dagster_features import has_freshness_policies, quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild


def freshness_checks(build: AssetBuild) -> Sequence[AssetChecksDefinition]:
    """Return a freshness check for each item with a freshness limit; none if Dagster has freshness policies.

    An asset has one such check: an error if the item has a limit for errors, else a warning.

    Args:
        build: The items, and whether there are checks.
    """
    if has_freshness_policies() or not build.checks:
        return []
    limits: dict[tuple[float, AssetCheckSeverity], list[AssetKey]] = {}
    for item in build.items:
        if item.fail_after is not None:
            limits.setdefault((item.fail_after, AssetCheckSeverity.ERROR), []).append(build.key(item))
        elif item.warn_after is not None:
            limits.setdefault((item.warn_after, AssetCheckSeverity.WARN), []).append(build.key(item))
    with quiet():
        return [
            check
            for (seconds, severity), keys in limits.items()
            for check in build_last_update_freshness_checks(
                assets=keys, lower_bound_delta=timedelta(seconds=seconds), severity=severity
            )
        ]


def freshness_sensor(build: AssetBuild, checks: Sequence[AssetChecksDefinition]) -> list[SensorDefinition]:
    """Return the sensor that runs freshness checks when their assets may be too old; None without checks.

    Args:
        build: Its name and its status.
        checks: The checks.
    """
    if not checks:
        return []
    with quiet():
        sensor = build_sensor_for_freshness_checks(
            freshness_checks=list(checks),
            name=f"{build.name}_freshness",
            default_status=DefaultSensorStatus[build.pipelines.default_status.upper()],
        )
    return [sensor]
