"""Specs of assets with their automation: partitions, partition mappings, and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dagster import AssetDep, AssetKey, AssetSpec, TimeWindowPartitionMapping, TimeWindowPartitionsDefinition

from ai.starlake.dagster._compat import mapped_dep
from ai.starlake.dagster.assets.automation.item_conditions import eager
from ai.starlake.dagster.assets.dagster_features import is_virtual, quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.automation.asset_partitions import Partitions
    from ai.starlake.project.assets.project_item import ProjectItem, Target


class AutomatedSpecs:
    """Completes the specs of the translator.

    Args:
        specs: The specs of all chosen items.
        partitions: Their partitions.
        automated: True if items without a schedule are materialized when their dependencies have changed.
    """

    def __init__(
        self, specs: Mapping[Target, AssetSpec], partitions: Mapping[Target, Partitions | None], *, automated: bool
    ) -> None:
        self._specs = specs
        self._partitions = partitions
        self._by_key: Mapping[AssetKey, Partitions | None] = {
            spec.key: partitions[target] for target, spec in specs.items()
        }
        self._virtual = {spec.key for spec in specs.values() if is_virtual(spec)}
        self._automated = automated

    def of(self, items: Iterable[ProjectItem]) -> Mapping[Target, AssetSpec]:
        """Return the specs of items. Conditions, mappings and partitions of the translator are kept."""
        with quiet():
            return {item.target: self._of(item) for item in items}

    def _of(self, item: ProjectItem) -> AssetSpec:
        spec, partitions = self._specs[item.target], self._partitions[item.target]
        changes: dict[str, Any] = {}
        if partitions is not None:
            changes["partitions_def"] = partitions
            changes["deps"] = [self._mapped(partitions, dep) for dep in spec.deps]
        if self._automated and item.cron is None and spec.automation_condition is None and not is_virtual(spec):
            through_views = any(dep.asset_key in self._virtual for dep in spec.deps)
            changes["automation_condition"] = eager(self._required(spec, partitions), through_views=through_views)
        return spec.replace_attributes(**changes) if changes else spec

    def _mapped(self, partitions: Partitions, dep: AssetDep) -> AssetDep:
        """Return a dependency with a mapping if both sides have time partitions, but different ones.

        The mapping includes all overlapping intervals, except those before the first and after the last one: an hour of
        today does not wait for the end of the day.
        """
        other = self._by_key.get(dep.asset_key)
        if dep.partition_mapping is not None or other is None or other == partitions:
            return dep
        if not all(isinstance(each, TimeWindowPartitionsDefinition) for each in (partitions, other)):
            return dep
        return mapped_dep(dep, TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True))

    def _required(self, spec: AssetSpec, partitions: Partitions | None) -> list[AssetKey] | None:
        """Return the dependencies that must exist before an item is materialized automatically; None for all.

        Tables of others, whose materializations Dagster may never see, are not included; nor, for an item without
        partitions, are dependencies with partitions: all of them, since the start date, would have to exist.
        """
        keys = [dep.asset_key for dep in spec.deps if dep.asset_key not in self._virtual]
        required = [
            key for key in keys if key in self._by_key and (self._by_key[key] is None or partitions is not None)
        ]
        return None if len(required) == len(keys) else required
