"""The automation conditions of items that have no schedule: they are made when what they read has changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, AutomationCondition

from ai.starlake.dagster.assets.dagster_features import is_virtual

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def automation_of(build: AssetBuild, item: ProjectItem, spec: AssetSpec) -> AutomationCondition[Any] | None:
    """Return when an item is made without anybody asking for it; None where something else says so.

    A condition of the translator is kept, and a schedule is enough.

    Args:
        build: Knows the partitions of all items, and the options.
        item: The item.
        spec: Its spec, as the translator made it.
    """
    if spec.automation_condition is not None:
        return spec.automation_condition
    if item.cron is not None or build.options.automation == "none" or is_virtual(spec):
        return None
    keys = [dep.asset_key for dep in spec.deps]
    required = [key for key in keys if _must_exist(build, item, key)]
    return _eager() if len(required) == len(keys) else _eager_requiring(required)


def _must_exist(build: AssetBuild, item: ProjectItem, key: AssetKey) -> bool:
    """Return True if an item waits until what it reads exists.

    It does not for a table of somebody else, which Dagster may never see made; nor for one with partitions if the item
    has none: all of them, since the start date, would have to exist.
    """
    made = build.item_of_key.get(key)
    if made is None:
        return False
    return build.partitions[made.target] is None or build.partitions[item.target] is not None


@lru_cache(maxsize=1)
def _eager() -> AutomationCondition[Any]:
    return AutomationCondition.eager()


def _eager_requiring(keys: Sequence[AssetKey]) -> AutomationCondition[Any]:
    """Return Dagster's `eager`, which waits for some of its dependencies to exist instead of for all.

    Not by `ignore` of that condition: Dagster 1.9 forgets the ignored dependencies in all conditions then.
    """
    absent = AutomationCondition.missing() & ~AutomationCondition.will_be_requested()
    changed = AutomationCondition.newly_missing() | AutomationCondition.any_deps_updated()
    conditions: list[AutomationCondition[Any]] = [
        AutomationCondition.in_latest_time_window(),
        changed.since_last_handled(),
        *(~AutomationCondition.asset_matches(key, absent) for key in keys),
        ~AutomationCondition.any_deps_in_progress(),
        ~AutomationCondition.in_progress(),
    ]
    return reduce(and_, conditions[1:], conditions[0])
