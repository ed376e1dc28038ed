"""Copies of specs with another key or mapping; all other fields are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetCheckKey

if TYPE_CHECKING:
    from dagster import AssetCheckSpec, AssetDep, AssetKey, PartitionMapping


def moved_check(spec: AssetCheckSpec, key: AssetKey) -> AssetCheckSpec:
    """Return the spec of a check with the key of another asset."""
    return spec.replace_key(AssetCheckKey(key, spec.name))


def moved_dep(dep: AssetDep, key: AssetKey) -> AssetDep:
    """Return a dependency on another asset."""
    return dep._replace(asset_key=key)


def mapped_dep(dep: AssetDep, mapping: PartitionMapping) -> AssetDep:
    """Return a dependency with another mapping of partitions."""
    return dep._replace(partition_mapping=mapping)
