"""Automation conditions of items without a schedule: they are materialized when their dependencies have changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import and_
from typing import Any

from dagster import AssetKey, AutomationCondition


def eager(required: Sequence[AssetKey] | None = None, *, through_views: bool = False) -> AutomationCondition[Any]:
    """Return the condition that materializes an asset when its dependencies have changed.

    Args:
        required: The dependencies that must exist before; all by default.
        through_views: True if it reads views that Dagster does not materialize; their dependencies are used then.
    """
    condition = _eager() if required is None else _eager_requiring(tuple(required))
    return _through_views(condition) if through_views else condition


def _through_views(condition: AutomationCondition[Any]) -> AutomationCondition[Any]:
    """Return a condition that checks the dependencies of views; Dagster has it if it has virtual assets."""
    changed = getattr(condition, "resolve_through_virtual", None)
    return changed() if changed else condition


@lru_cache(maxsize=1)
def _eager() -> AutomationCondition[Any]:
    return AutomationCondition.eager()


@lru_cache(maxsize=4096)
def _eager_requiring(keys: tuple[AssetKey, ...]) -> AutomationCondition[Any]:
    """Return Dagster's `eager` condition, which waits for some of its dependencies to exist instead of for all.

    Not by `ignore` of its condition: Dagster 1.9 then ignores these dependencies in all other conditions.
    """
    absent = AutomationCondition.missing() & ~AutomationCondition.will_be_requested()
    exist: list[AutomationCondition[Any]] = [~AutomationCondition.asset_matches(key, absent) for key in keys]
    idle = ~AutomationCondition.in_progress()  # although it is a part of it
    return _eager().replace(~AutomationCondition.any_deps_missing(), reduce(and_, exist) if exist else idle)
