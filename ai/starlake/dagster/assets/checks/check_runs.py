"""Checks of existing tables, without a load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ai.starlake.dagster.assets.rejects.last_loads import counts_of, last_load
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.dagster.assets.checks.check_events import CheckEvent, CheckReport
    from ai.starlake.project.assets.project_item import ProjectItem


def checks_alone(
    build: AssetBuild, item: ProjectItem, report: CheckReport, context: OpExecutionContext
) -> Iterator[CheckEvent]:
    """Run the selected checks of an item that this step does not materialize: expectations on its existing table.

    The check of rejected rows uses the last load that a run recorded.

    Args:
        build: The executor.
        item: The item.
        report: Reports the results.
        context: The context of the step.
    """
    if report.of(item.full_name):
        load = last_load(build.key(item), context) if item.kind == "table" else None
        yield from _checked(build, item, report, context, counts_of(load) if load else None)


def checks_without_files(
    build: AssetBuild, item: ProjectItem, report: CheckReport, context: OpExecutionContext
) -> Iterator[CheckEvent]:
    """Run the selected checks of a table whose load found no file: expectations on the existing table."""
    if report.of(item.full_name):
        yield from _checked(build, item, report, context, StarlakeCounts(0, 0, 0))


def _checked(
    build: AssetBuild,
    item: ProjectItem,
    report: CheckReport,
    context: OpExecutionContext,
    counts: StarlakeCounts | None,
) -> Iterator[CheckEvent]:
    outcome: TableOutcome | None = TableOutcome(item.full_name)
    if report.has_expectations(item.full_name):
        outcome = build.runner.check(build.check_command(item), item.full_name, context)
    if outcome is not None:
        reason = outcome.error or outcome.checks_unknown
        yield from report.events(
            replace(outcome, name=item.full_name, counts=counts, error=None, checks_unknown=reason)
        )
