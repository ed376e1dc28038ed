"""The automation conditions of items that have no schedule: they are made when what they read has changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import and_
from typing import Any

from dagster import AssetKey, AutomationCondition


def eager(required: Sequence[AssetKey] | None = None, *, through_views: bool = False) -> AutomationCondition[Any]:
    """Return the condition by which an asset is made when what it reads has changed.

    Args:
        required: Which of its dependencies must exist before; all by default.
        through_views: Whether it reads views that Dagster does not materialize: what these read counts then.
    """
    condition = _eager() if required is None else _eager_requiring(tuple(required))
    return _through_views(condition) if through_views else condition


def _through_views(condition: AutomationCondition[Any]) -> AutomationCondition[Any]:
    """Return a condition that looks at what views read; Dagster has it where it has views of that kind."""
    changed = getattr(condition, "resolve_through_virtual", None)
    return changed() if changed else condition


@lru_cache(maxsize=1)
def _eager() -> AutomationCondition[Any]:
    return AutomationCondition.eager()


@lru_cache(maxsize=4096)
def _eager_requiring(keys: tuple[AssetKey, ...]) -> AutomationCondition[Any]:
    """Return Dagster's `eager`, which waits for some of its dependencies to exist instead of for all.

    Not by `ignore` of its condition: Dagster 1.9 forgets the ignored dependencies in all other conditions then.
    """
    absent = AutomationCondition.missing() & ~AutomationCondition.will_be_requested()
    exist: list[AutomationCondition[Any]] = [~AutomationCondition.asset_matches(key, absent) for key in keys]
    idle = ~AutomationCondition.in_progress()  # which is a part of it all the same
    return _eager().replace(~AutomationCondition.any_deps_missing(), reduce(and_, exist) if exist else idle)
