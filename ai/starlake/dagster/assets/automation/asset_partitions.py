"""The partitions of assets, which are the intervals of their schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dagster import (
    BackfillPolicy,
    PartitionsDefinition,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.pipelines.partitions import standard_partitions
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem, Target

Partitions = PartitionsDefinition[str]


def partitions_of(build: AssetBuild) -> Mapping[Target, Partitions | None]:
    """Return the partitions of each chosen item: None for one that is made as a whole.

    They are those that the translator gives the item, else those of the build, else the intervals of its schedule.

    Args:
        build: The items, what they become, and the options.

    Raises:
        StarlakeError: If a schedule is not a valid cron expression.
    """
    by_schedule = _Schedules(build)
    found: dict[Target, Partitions | None] = {}
    for item in build.items:
        own = build.translated_spec(item).partitions_def
        found[item.target] = own or build.partitions_def or by_schedule.of(item)
    return found


class _Schedules:
    """The partitions of schedules; one object for all that are equal, so that comparing them costs nothing."""

    def __init__(self, build: AssetBuild) -> None:
        self._wanted = build.options.partitions == "schedule"
        self._options = build.sl_job.options_of(OrchestrationOptions)
        self._found: dict[str, TimeWindowPartitionsDefinition] = {}

    def of(self, item: ProjectItem) -> TimeWindowPartitionsDefinition | None:
        if not self._wanted or item.cron is None:
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


def backfill_policy_of(build: AssetBuild, items: Sequence[ProjectItem]) -> BackfillPolicy | None:
    """Return how a backfill runs the items of a step: a run for each partition, or one for all of them.

    One run makes all partitions where the option asks for it and each item knows from its data interval which rows are
    meant. A load does not: it takes the files that wait.

    Args:
        build: Knows the partitions of items, and the options.
        items: The items of the step.
    """
    if build.partitions[items[0].target] is None:
        return None
    at_once = build.options.backfill_policy == "single_run" and all(item.uses_interval for item in items)
    with quiet():
        return BackfillPolicy.single_run() if at_once else BackfillPolicy.multi_run()
