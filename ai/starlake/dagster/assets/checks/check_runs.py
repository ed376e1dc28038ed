"""Runs of checks alone, without making the table again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.dagster.assets.checks.check_events import CheckEvent, CheckReport
    from ai.starlake.project.assets.project_item import ProjectItem

_NOT_ALONE = "the executor cannot run expectations without loading"


def checks_alone(
    build: AssetBuild,  # noqa: ARG001
    item: ProjectItem,
    report: CheckReport,
    context: OpExecutionContext,  # noqa: ARG001
) -> Iterator[CheckEvent]:
    """Run the selected checks of an item on the table as it is.

    Args:
        build: Knows the executor.
        item: The item.
        report: Reports the results.
        context: The context of the step.
    """
    yield from report.unknown(item.full_name, _NOT_ALONE)
