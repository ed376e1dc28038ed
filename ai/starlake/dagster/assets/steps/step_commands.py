"""Commands of a step: one for each item, or one for several tables of a domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from dagster import Failure, OpExecutionContext

from ai.starlake.dagster.assets.automation.first_partitions import first_partition_alone
from ai.starlake.dagster.assets.steps.staging import stage_what_waits
from ai.starlake.dagster.run_command import failures
from ai.starlake.dagster.run_options import options_for
from ai.starlake.executor.protocol import ReportsTables
from ai.starlake.job.sections import names_of_section

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.orchestration.command_runs.command_run import CommandRun
    from ai.starlake.project.assets.project_item import ProjectItem, Target

_SEVERAL = 2


class StepCommands:
    """Runs the commands of the items of a step, in order.

    Several tables of a domain are loaded by one command if the executor reports each of them: otherwise it would be
    unknown which of them failed.

    Args:
        build: The commands of items.
        items: The items of the step, each after its dependencies.
        context: The context of the step.
    """

    def __init__(self, build: AssetBuild, items: Sequence[ProjectItem], context: OpExecutionContext) -> None:
        self._build = build
        self._items = items
        self._context = context
        self._made = {item.target for item in items}
        self._done: dict[Target, CommandRun | Failure | None] = {}
        self._places = ExitStack()

    def __enter__(self) -> StepCommands:
        return self

    def __exit__(self, *_: object) -> None:
        self._places.close()

    @contextmanager
    def turn(self, item: ProjectItem) -> Iterator[None]:
        """Keep other runs from a table whose first partition an item makes, until that is recorded.

        Tables that are loaded together are loaded now, and locked until the step ends.

        Raises:
            Failure: If another run takes too long.
        """
        if item.target in self._done:
            yield
            return
        together = self._together(item)
        if len(together) == 1:
            with first_partition_alone(self._build, together, self._context):
                yield
            return
        self._load(together)
        yield

    def run(self, item: ProjectItem) -> CommandRun | None:
        """Run the command of an item, unless it ran together with another one.

        Returns:
            Its result; None in a dry run.

        Raises:
            Failure: If it failed.
        """
        if item.target not in self._done:
            return self._run_alone(item)
        done = self._done[item.target]
        if isinstance(done, Failure):
            raise done
        return done

    def _run_alone(self, item: ProjectItem) -> CommandRun | None:
        build = self._build
        if item.kind == "table":
            build.runner.prestart(build.command(item), self._context)
            stage_what_waits(build, [item], self._context)
        spark_config = build.sl_job.get_spark_config(item.full_name)
        return build.runner.run(build.command(item), item.full_name, self._context, spark_config, outcomes=True)

    def _load(self, items: Sequence[ProjectItem]) -> None:
        build = self._build
        names = [item.full_name for item in items]
        spark_config = build.sl_job.get_spark_config(names[0])
        try:
            self._places.enter_context(first_partition_alone(build, items, self._context))
            build.runner.prestart(build.load_command(items), self._context)
            stage_what_waits(build, items, self._context)
            done = build.runner.load_together(build.load_command(items), names, self._context, spark_config)
        except Failure as failure:
            done = dict.fromkeys(names, failure)
        self._done |= {item.target: done[item.full_name] for item in items}

    def _together(self, item: ProjectItem) -> list[ProjectItem]:
        """Return the tables that one command can load: an item, and the following ones with equal settings."""
        if item.kind != "table" or not self._reports_each:
            return [item]
        others = [other for other in self._items if self._may_join(item, other)]
        if not others:
            return [item]
        options = self._options(item)
        return [item, *(other for other in others if self._options(other) == options)]

    def _may_join(self, item: ProjectItem, other: ProjectItem) -> bool:
        if other is item or other.kind != "table" or other.domain != item.domain:
            return False
        return other.target not in self._done and not self._made.intersection(other.upstream)

    @cached_property
    def _reports_each(self) -> bool:
        """True if several tables are to be loaded, and the executor reports each of them."""
        tables = [item for item in self._items if item.kind == "table"]
        if len(tables) < _SEVERAL:
            return False
        runner = self._build.runner
        executor, command = runner.executor(), self._build.load_command(tables[:1])
        return isinstance(executor, ReportsTables) and executor.reports_tables(command, runner.execution(self._context))

    def _options(self, item: ProjectItem) -> tuple[object, ...]:
        """Return the options of the run for one item only."""
        with failures(retry=False):
            options = options_for(self._context, names_of_section(item.full_name, self._context.op_def.name))
        return options, self._build.sl_job.get_spark_config(item.full_name), self._build.compute_of(item)
