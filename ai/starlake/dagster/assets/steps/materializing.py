"""Steps of assets: they run the commands of their items, in order, and yield events for Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import AssetKey, Failure, MaterializeResult, OpExecutionContext, Output

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.checks.check_events import CheckReport
from ai.starlake.dagster.assets.checks.check_runs import checks_alone, checks_without_files
from ai.starlake.dagster.assets.dagster_features import output_of
from ai.starlake.dagster.assets.steps.data_versions import NEVER_LOADED, state_after, unchanged_state
from ai.starlake.dagster.assets.steps.dry_runs import items_behind
from ai.starlake.dagster.assets.steps.item_outcomes import outcome_of, outcome_of_failure
from ai.starlake.dagster.assets.steps.outcome_events import materialized, unchanged
from ai.starlake.dagster.assets.steps.step_commands import StepCommands
from ai.starlake.dagster.assets.steps.step_progress import StepProgress
from ai.starlake.dagster.command_op import assets_of_outputs
from ai.starlake.dagster.ops import Body, Event
from ai.starlake.dagster.run_info import is_dry_run
from ai.starlake.dagster.run_options import bodies_of

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.orchestration.command_runs.command_run import CommandRun
    from ai.starlake.project.assets.project_item import ProjectItem


@dataclass(frozen=True, eq=False)
class AssetBody(Body):
    """Body of a step that materializes items.

    Args:
        build: The commands and the keys of items.
        items: The items, each after its dependencies.
    """

    build: AssetBuild
    items: tuple[ProjectItem, ...]

    @property
    def subject(self) -> str | None:
        """Starlake name of the item, if the step has only one."""
        return self.items[0].full_name if len(self.items) == 1 else None

    @property
    def subjects(self) -> Iterable[str]:
        """Starlake names of all items of the project: a run may have options for more than it materializes."""
        return self.build.names

    @property
    def verb(self) -> str | None:
        """Verb of the command, if the step has only one."""
        return self.build.command(self.items[0]).verb if len(self.items) == 1 else None

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Materialize the selected items."""
        yield from materialize(self.build, self.items, context)


def materialize(build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> Iterator[Event]:
    """Run the commands of the selected items of a step; yield events for Dagster.

    A failed item does not stop items that do not depend on it. A retry keeps what earlier attempts materialized.

    Args:
        build: The commands and the keys of items.
        items: The items of the step, each after its dependencies.
        context: The context of the step.

    Raises:
        Failure: If a command fails; raised after all others.
    """
    outputs = assets_of_outputs(context)
    for event in _events(build, items, context):
        yield _as_output(event, outputs) if isinstance(event, MaterializeResult) else event


def _events(build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> Iterator[Event]:
    report = CheckReport(build.declared_checks(items), context, build.settings.max_rejected)
    progress = StepProgress(build, items, context)
    selected = context.selected_asset_keys
    with StepCommands(build, progress.to_make(items), context) as commands:
        step = StepRun(build, context, report, progress, commands)
        for item in items:
            if build.key(item) in selected:
                yield from step.item(item)
            else:
                yield from checks_alone(build, item, report, context)
    if is_dry_run(context):
        for item in items_behind(items, _items_of_run(build, context), context):
            step.show(item)
    yield from step.end()


def _items_of_run(build: AssetBuild, context: OpExecutionContext) -> list[ProjectItem]:
    """Return the items of the steps of a run that belong to one project, each after its dependencies."""
    project = build.translated.project
    bodies = [body for body in bodies_of(context.job_def) if isinstance(body, AssetBody)]
    there = {item.target for body in bodies if body.build.translated.project == project for item in body.items}
    return [item for item in build.items if item.target in there]


def _as_output(result: MaterializeResult[None], outputs: Mapping[AssetKey, str]) -> Output[None]:
    """Return a result as the output of its asset: Dagster 1.9 accepts no results from a step that it has split."""
    key = result.asset_key or next(iter(outputs))
    return output_of(outputs[key], result.metadata or {}, result.data_version)


class StepRun:
    """The run of a step.

    Args:
        build: The commands and the keys of items.
        context: The context of the step.
        report: Reports the results of checks.
        progress: The progress of the items of the step.
        commands: Runs the commands of its items.
    """

    def __init__(
        self,
        build: AssetBuild,
        context: OpExecutionContext,
        report: CheckReport,
        progress: StepProgress,
        commands: StepCommands,
    ) -> None:
        self._build = build
        self._commands = commands
        self._context = context
        self._report = report
        self._progress = progress

    def item(self, item: ProjectItem) -> Iterator[Event]:
        """Materialize an item, unless an earlier attempt did, or a dependency failed in this step."""
        progress = self._progress
        if progress.keeps(item):
            yield from progress.kept_events(item)
        elif progress.may_run(item):
            try:
                yield from self._made(item)
            except Failure as failure:
                progress.fail(item, failure)
                yield from self._report.events(outcome_of_failure(failure, item))
            try:
                self._report.require_blocking(item.full_name)
            except Failure as failure:
                progress.fail(item, failure)

    def show(self, item: ProjectItem) -> None:
        """Log the command of an item of another step, which a dry run skips."""
        self._build.runner.run(self._build.command(item), item.full_name, self._context)

    def end(self) -> Iterator[Event]:
        """End the step.

        Raises:
            Failure: If an item failed, or a blocking check.
        """
        yield from self._progress.end()
        self._report.require_blocking()

    def _made(self, item: ProjectItem) -> Iterator[Event]:
        context, key = self._context, self._build.key(item)
        with self._commands.turn(item):
            run = self._commands.run(item)
            if run is None:
                return
            if run.is_remarkable:
                context.log.warning(run.summary)
            if run.read_nothing:
                yield from self._nothing(item, key, run)
                return
            outcome = outcome_of(run, item)
            state = state_after(item, outcome, key, context)
            yield materialized(key, run, outcome, state, left_out=self._build.left_out)
        yield from self._report.events(outcome)

    def _nothing(self, item: ProjectItem, key: AssetKey, run: CommandRun) -> Iterator[Event]:
        """Yield the event that the option `nothing_to_load` sets for a load without files.

        Raises:
            Failure: If the option is ``fail``.
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
            state = unchanged_state(key, self._context)
            if NEVER_LOADED in state.metadata:
                self._context.log.warning(
                    f"{item.full_name}: no load of it is on record, so the table may not exist yet. What reads it "
                    "runs all the same, unless the option nothing_to_load is 'skip'"
                )
            yield unchanged(key, run, state)
        yield from checks_without_files(self._build, item, self._report, self._context)
