"""Backfills of partitions: one run for each, or one run for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import BackfillPolicy

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def backfill_policy_of(build: AssetBuild, items: Sequence[ProjectItem]) -> BackfillPolicy | None:
    """Return the backfill policy of the items of a step; None if they have no partitions.

    The policy of the build takes precedence. Otherwise one run makes all partitions if the option asks for it and each
    item selects its rows by the data interval. A load does not: it loads the waiting files.

    Args:
        build: The partitions of items, and the options.
        items: The items of the step.
    """
    divided = [item for item in items if build.partitions[item.target] is not None]
    if build.backfill_policy is not None or not divided:
        return build.backfill_policy
    with quiet():
        return BackfillPolicy.single_run() if all(map(build.runs_at_once, divided)) else BackfillPolicy.multi_run()


def require_one_definition(build: AssetBuild) -> None:
    """Refuse items that one step cannot materialize, because a run has one partition only.

    Raises:
        StarlakeError: If items have different partitions, the error names two of them.
    """
    divided = [item for item in build.items if build.partitions[item.target] is not None]
    for other in divided[1:]:
        if build.partitions[other.target] != build.partitions[divided[0].target]:
            raise StarlakeError(
                f"{build.name}: {divided[0].full_name} and {other.full_name} have different partitions",
                cause=f"their schedules are {divided[0].cron!r} and {other.cron!r}, and one step has one partition",
                fix="let select name those of one schedule, give all the same partitions_def, or use "
                "build_starlake_definitions",
            )
