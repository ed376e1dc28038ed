"""The steps of assets: they run the commands of their items, in order, and yield what Dagster records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetKey, Failure, OpExecutionContext

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.checks.check_events import CheckReport
from ai.starlake.dagster.assets.checks.check_runs import checks_alone, checks_without_files
from ai.starlake.dagster.assets.steps.data_versions import state_after, unchanged_state
from ai.starlake.dagster.assets.steps.item_outcomes import outcome_of, outcome_of_failure
from ai.starlake.dagster.assets.steps.outcome_events import materialized, unchanged
from ai.starlake.dagster.assets.steps.staging import stage_what_waits
from ai.starlake.dagster.ops import Body, Event

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.dagster.run_command import CommandRun
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
    def subjects(self) -> Iterable[str]:
        """The Starlake names of all items of the project: a run may have options for more than it materializes."""
        return self.build.names

    @property
    def verb(self) -> str | None:
        """The verb of the command, if the step has only one."""
        return self.build.command(self.items[0]).verb if len(self.items) == 1 else None

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Materialize what is selected of the items."""
        yield from materialize(self.build, self.items, context)


def materialize(build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> Iterator[Event]:
    """Run the commands of the selected items of a step; yield what Dagster records.

    An item that fails does not stop those that do not depend on it.

    Args:
        build: Knows the commands and the keys of items.
        items: The items of the step, each after what it reads.
        context: The context of the step.

    Raises:
        Failure: If a command fails: after all others.
    """
    report = CheckReport(build.declared_checks(items), context, build.settings.max_rejected)
    step = StepRun(build, context, report)
    selected = context.selected_asset_keys
    for item in items:
        if build.key(item) in selected:
            yield from step.item(item)
        else:
            yield from checks_alone(build, item, report, context)
    step.require_success()


class StepRun:
    """The run of a step: what it has done so far.

    Args:
        build: Knows the commands and the keys of items.
        context: The context of the step.
        report: Reports the results of checks.
    """

    def __init__(self, build: AssetBuild, context: OpExecutionContext, report: CheckReport) -> None:
        self._build = build
        self._context = context
        self._report = report
        self._failures: list[Failure] = []
        self._stopped: set[Target] = set()

    def item(self, item: ProjectItem) -> Iterator[Event]:
        """Materialize an item, unless what it reads failed in this step."""
        if self._stopped.intersection(item.upstream):
            self._stopped.add(item.target)
            self._context.log.warning(f"{item.full_name} is not run: what it reads failed")
            return
        try:
            yield from self._made(item)
        except Failure as failure:
            self._stopped.add(item.target)
            self._failures.append(failure)
            yield from self._report.events(outcome_of_failure(failure, item))

    def require_success(self) -> None:
        """Fail the step if an item failed, or a check that blocks.

        Raises:
            Failure: If one did.
        """
        if len(self._failures) == 1:
            raise self._failures[0]
        if self._failures:
            text = "\n\n".join(failure.description or "" for failure in self._failures)
            raise Failure(text, allow_retries=any(failure.allow_retries for failure in self._failures))
        self._report.require_blocking()

    def _made(self, item: ProjectItem) -> Iterator[Event]:
        build, context, key = self._build, self._context, self._build.key(item)
        if item.kind == "table":
            stage_what_waits(build, item, context)
        spark_config = build.sl_job.get_spark_config(item.full_name)
        run = build.runner.run(build.command(item), item.full_name, context, spark_config, outcomes=True)
        if run is None:
            return
        if run.is_remarkable:
            context.log.warning(run.summary)
        if run.read_nothing:
            yield from self._nothing(item, key, run)
            return
        outcome = outcome_of(run, item)
        yield materialized(key, run, outcome, state_after(item, outcome, key, context))
        yield from self._report.events(outcome)

    def _nothing(self, item: ProjectItem, key: AssetKey, run: CommandRun) -> Iterator[Event]:
        """Yield what the option `nothing_to_load` says of a load that found no file.

        Raises:
            Failure: If the option says so.
        """
        rule = self._build.options.nothing_to_load
        if rule == "fail":
            error = StarlakeError(
                f"{item.full_name}: there is nothing to load",
                cause="no file waits for it, and option nothing_to_load is 'fail'",
                fix="deliver a file, or set nothing_to_load to 'materialize' or 'skip'",
            )
            raise Failure(str(error)) from error
        self._context.log.info(f"{item.full_name}: there is nothing to load")
        if rule == "materialize":
            yield unchanged(key, run, unchanged_state(key, self._context))
        yield from checks_without_files(self._build, item, self._report, self._context)
