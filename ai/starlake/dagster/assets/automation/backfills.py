"""How a backfill runs partitions: each by itself, or all in one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import BackfillPolicy

from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def backfill_policy_of(build: AssetBuild, items: Sequence[ProjectItem]) -> BackfillPolicy | None:
    """Return how a backfill runs the items of a step; None where they have no partitions.

    It is that of the build if it has one. Else one run makes all partitions where the option asks for it and each item
    knows from its data interval which rows are meant. A load does not: it takes the files that wait.

    Args:
        build: Knows the partitions of items, and the options.
        items: The items of the step.
    """
    if build.backfill_policy is not None or build.partitions[items[0].target] is None:
        return build.backfill_policy
    with quiet():
        return BackfillPolicy.single_run() if all(map(build.runs_at_once, items)) else BackfillPolicy.multi_run()
