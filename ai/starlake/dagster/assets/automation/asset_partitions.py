"""Partitions of assets: the intervals of their schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dagster import AssetSpec, PartitionsDefinition, TimeWindowPartitionsDefinition

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.pipelines.partitions import standard_partitions
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

if TYPE_CHECKING:
    from ai.starlake.project.assets.project_item import ProjectItem, Target

Partitions = PartitionsDefinition[str]


def partitions_of(
    items: Iterable[ProjectItem],
    specs: Mapping[Target, AssetSpec],
    options: OrchestrationOptions,
    *,
    common: Partitions | None = None,
    scheduled: bool = True,
) -> Mapping[Target, Partitions | None]:
    """Return the partitions of each item: None for an unpartitioned one.

    The partitions of the translator take precedence, then those of all items, then the intervals of the item's
    schedule.

    Args:
        items: The items.
        specs: Their specs from the translator.
        options: The start of the partitions, and their time zone.
        common: The partitions of all items.
        scheduled: True if schedules define partitions.

    Raises:
        StarlakeError: If a schedule is not a valid cron expression.
    """
    by_schedule = _Intervals(options)
    return {
        item.target: specs[item.target].partitions_def or common or (by_schedule.of(item) if scheduled else None)
        for item in items
    }


class _Intervals:
    """Partitions of schedules; one object for all equal ones, so that comparing them is cheap."""

    def __init__(self, options: OrchestrationOptions) -> None:
        self._options = options
        self._found: dict[str, TimeWindowPartitionsDefinition] = {}

    def of(self, item: ProjectItem) -> TimeWindowPartitionsDefinition | None:
        if item.cron is None:
            return None
        known = self._found.get(item.cron)
        return known if known is not None else self._new(item, item.cron)

    def _new(self, item: ProjectItem, cron: str) -> TimeWindowPartitionsDefinition:
        try:
            made = standard_partitions(cron, self._options.start_date, self._options.zone)
        except StarlakeError as error:
            raise StarlakeError(
                f"the schedule {cron!r} of {item.full_name} is not valid", cause=error.cause, fix=error.fix
            ) from None
        same = next((each for each in self._found.values() if each == made), made)
        self._found[cron] = same
        return same
