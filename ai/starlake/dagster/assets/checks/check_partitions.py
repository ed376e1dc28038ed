"""Partitions of checks, if Dagster supports them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import lru_cache

from dagster import AssetCheckSpec, AssetSpec

from ai.starlake.dagster.assets.dagster_features import quiet


def with_partitions(checks: Iterable[AssetCheckSpec], specs: Iterable[AssetSpec]) -> list[AssetCheckSpec]:
    """Return checks with the partitions of their assets, so that each partition has its own result.

    Before Dagster 1.12 checks have no partitions; a result is that of the whole asset.

    Args:
        checks: The checks.
        specs: The assets.
    """
    partitions = {spec.key: spec.partitions_def for spec in specs if spec.partitions_def is not None}
    if not partitions or not _has_partitions():
        return list(checks)
    with quiet():
        return [
            AssetCheckSpec(
                each.name,
                asset=each.asset_key,
                description=each.description,
                additional_deps=each.additional_deps,
                blocking=each.blocking,
                metadata=each.metadata,
                automation_condition=each.automation_condition,
                partitions_def=partitions[each.asset_key],
            )
            if each.asset_key in partitions and each.partitions_def is None
            else each
            for each in checks
        ]


@lru_cache(maxsize=1)
def _has_partitions() -> bool:
    return "partitions_def" in inspect.signature(AssetCheckSpec).parameters
