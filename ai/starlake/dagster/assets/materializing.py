"""The steps of assets: they run the commands of their items, in order, and yield what Dagster records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetKey, Failure, OpExecutionContext

from ai.starlake.dagster.assets.checks.check_events import CheckReport
from ai.starlake.dagster.assets.checks.check_runs import checks_alone
from ai.starlake.dagster.assets.item_outcomes import outcome_of, outcome_of_failure
from ai.starlake.dagster.assets.outcome_events import materialized
from ai.starlake.dagster.assets.staging import stage_what_waits
from ai.starlake.dagster.ops import Body, Event

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem, Target


@dataclass(frozen=True, eq=False)
class AssetBody(Body):
    """The body of a step that materializes items.

    Args:
        build: Knows the commands and the keys of items.
        items: The items, each after what it reads.
    """

    build: AssetBuild
    items: tuple[ProjectItem, ...]

    @property
    def subject(self) -> str | None:
        """The Starlake name of the item, if the step has only one."""
        return self.items[0].full_name if len(self.items) == 1 else None

    @property
    def verb(self) -> str | None:
        """The verb of the command, if the step has only one."""
        return self.build.command(self.items[0]).verb if len(self.items) == 1 else None

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Materialize what is selected of the items."""
        yield from materialize(self.build, self.items, context)


def materialize(build: AssetBuild, items: tuple[ProjectItem, ...], context: OpExecutionContext) -> Iterator[Event]:
    """Run the commands of the selected items of a step; yield what Dagster records.

    An item that fails does not stop those that do not depend on it.

    Args:
        build: Knows the commands and the keys of items.
        items: The items of the step, each after what it reads.
        context: The context of the step.

    Raises:
        Failure: If a command fails: after all others.
    """
    selected = context.selected_asset_keys
    failed: dict[Target, Failure] = {}
    stopped: set[Target] = set()
    report = CheckReport(build.declared_checks(items), context, build.sl_job.settings.max_rejected)
    for item in items:
        key = build.key(item)
        if key not in selected:
            yield from checks_alone(build, item, report, context)
            continue
        if stopped.intersection(item.upstream):
            stopped.add(item.target)
            context.log.error(f"{item.full_name} is not run: what it reads failed")
            continue
        try:
            yield from _materialize_item(build, item, key, report, context)
        except Failure as failure:
            stopped.add(item.target)
            failed[item.target] = failure
    if failed:
        raise _one_failure(failed)
    report.require_blocking()


def _materialize_item(
    build: AssetBuild, item: ProjectItem, key: AssetKey, report: CheckReport, context: OpExecutionContext
) -> Iterator[Event]:
    if item.kind == "table":
        stage_what_waits(build, item, context)
    try:
        run = build.sl_job.runner.run(build.command(item), item.full_name, context, outcomes=True)
    except Failure as failure:
        yield from report.events(outcome_of_failure(failure, item))
        raise
    if run is not None:
        yield materialized(key, run)
        yield from report.events(outcome_of(run, item))


def _one_failure(failed: dict[Target, Failure]) -> Failure:
    failures = list(failed.values())
    if len(failures) == 1:
        return failures[0]
    text = "\n\n".join(failure.description or "" for failure in failures)
    return Failure(text, allow_retries=any(failure.allow_retries for failure in failures))
