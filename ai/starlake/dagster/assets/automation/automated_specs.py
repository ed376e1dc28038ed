"""The specs of assets with what says when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetDep,
    AssetSpec,
    PartitionsDefinition,
    TimeWindowPartitionMapping,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.dagster._compat import mapped_dep
from ai.starlake.dagster.assets.automation.item_conditions import automation_of
from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def automated_spec(build: AssetBuild, item: ProjectItem, spec: AssetSpec) -> AssetSpec:
    """Return the spec of an item with its partitions, mappings from those of what it reads, and when it is made.

    Args:
        build: Knows the partitions of all items, and the options.
        item: The item.
        spec: Its spec, as the translator made it.
    """
    changes = {**_partitioned(build, item, spec), **_automated(build, item, spec)}
    if not changes:
        return spec
    with quiet():
        return spec.replace_attributes(**changes)


def _partitioned(build: AssetBuild, item: ProjectItem, spec: AssetSpec) -> Mapping[str, Any]:
    partitions = build.partitions[item.target]
    if partitions is None:
        return {}
    return {"partitions_def": partitions, "deps": [_mapped(build, partitions, dep) for dep in spec.deps]}


def _automated(build: AssetBuild, item: ProjectItem, spec: AssetSpec) -> Mapping[str, Any]:
    condition = automation_of(build, item, spec)
    return {} if condition is spec.automation_condition else {"automation_condition": condition}


def _mapped(build: AssetBuild, partitions: PartitionsDefinition[str], dep: AssetDep) -> AssetDep:
    """Return a dependency with a mapping where both sides have partitions of time, but different ones.

    Such a mapping asks for all intervals that overlap. It does not ask for those before the first one or after the last
    one: an hour of today does not wait for the end of the day.
    """
    made = build.item_of_key.get(dep.asset_key)
    other = None if made is None else build.partitions[made.target]
    different = other is not None and other != partitions
    of_time = isinstance(partitions, TimeWindowPartitionsDefinition) and isinstance(
        other, TimeWindowPartitionsDefinition
    )
    if dep.partition_mapping is not None or not (different and of_time):
        return dep
    return mapped_dep(dep, TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True))
