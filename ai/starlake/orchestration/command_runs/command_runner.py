"""Run a command within a step of a run, for any orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.common.errors import permanently
from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import ChecksAlone, Prestarts, StarlakeExecutor, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakeSparkConfig
from ai.starlake.job.compute_choices import OPTION, chosen_profile, run_choice
from ai.starlake.job.sections import names_of_section
from ai.starlake.orchestration.command_runs.command_run import (
    CommandRun,
    RejectsError,
    TableFailedError,
    failed_tables,
)
from ai.starlake.orchestration.command_runs.run_step import RunStep
from ai.starlake.orchestration.dates.completion import complete
from ai.starlake.orchestration.dates.run_dates import RunDates, is_late

DRY_RUN = "dry run, nothing is run: "
"""Prefix of the log line of a command that a dry run leaves out."""

_LOADS_ONLY = "evaluates expectations only when it loads a table or runs a task"


@dataclass(frozen=True)
class CommandRunner:
    """Runs commands within steps; shared by all steps of a job.

    Args:
        settings: The options of the job.
        executor: Returns the executor, in the process that runs the step.
    """

    settings: JobOptions
    executor: Callable[[], StarlakeExecutor]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __deepcopy__(self, memo: dict[int, object]) -> CommandRunner:
        """Return this object itself: orchestrators copy their tasks, and all tasks of a job share one runner."""
        return self

    def dates(self, step: RunStep) -> RunDates:
        """Return the dates of the run of a step."""
        return step.dates(zone_of(self.settings.timezone))

    def run(
        self,
        command: StarlakeCommand,
        name: str,
        step: RunStep,
        spark_config: StarlakeSparkConfig | None = None,
        *,
        outcomes: bool = False,
    ) -> CommandRun | None:
        """Run a command, completed with facts of the run; in a dry run, only log it.

        Args:
            command: The command.
            name: The Starlake name of its table or task.
            step: The step.
            spark_config: Resources of the Spark job.
            outcomes: True if the executor reports the outcome of each table or task.

        Returns:
            Its result; None in a dry run.

        Raises:
            StarlakeError: If it fails, or rejects too many rows. See `may_retry`.
        """
        begun = self._begin(command, name, step)
        if begun is None:
            return None
        execution = step.execution(spark_config, outcomes=outcomes)
        execution.report.output("stdout", f"$ {begun.command_line}")
        result = self.executor().run(begun.command, execution)
        self._require_few_rejects(name, result)
        return replace(begun, result=result)

    def prestart(self, command: StarlakeCommand, step: RunStep) -> None:
        """Let the executor start what a command will need, where it can and the run is not a dry run.

        Args:
            command: The command, which runs after what the step does next.
            step: The step.
        """
        if not self.settings.prestarts or step.is_dry_run:
            return
        executor = self.executor()
        if isinstance(executor, Prestarts):
            profile = command.compute or chosen_profile(self.settings.compute, self.settings.default_compute)
            executor.prestart(command.with_compute(profile), step.execution())

    def load_together(
        self,
        command: StarlakeCommand,
        names: Sequence[str],
        step: RunStep,
        spark_config: StarlakeSparkConfig | None = None,
    ) -> Mapping[str, CommandRun | StarlakeError | None]:
        """Run a load of several tables on an executor that reports each of them; see `ReportsTables`.

        Args:
            command: The command.
            names: The Starlake names of the tables, whose options are the same.
            step: The step.
            spark_config: Resources of the Spark job.

        Returns:
            The result or the error of each table; None in a dry run.

        Raises:
            StarlakeError: If the configuration of the run is invalid.
        """
        begun = self._begin(command, names[0], step)
        if begun is None:
            return dict.fromkeys(names)
        execution = step.execution(spark_config, outcomes=True)
        execution.report.output("stdout", f"$ {begun.command_line}")
        failure = None
        try:
            result = self.executor().run(begun.command, execution)
        except StarlakeError as error:
            result, failure = StarlakeResult(0, tables=failed_tables(error)), error
        return {name: self._part(replace(begun, name=name, result=result), failure) for name in names}

    def _part(self, run: CommandRun, failure: StarlakeError | None) -> CommandRun | StarlakeError:
        """Return the part of a load of several tables for one of them, in the form of `run`."""
        result = run.result
        outcome = next((each for each in result.tables if each.name.lower() == run.name.lower()), None)
        failed = any(each.error is not None for each in result.tables)
        if outcome is None or (failure is not None and not failed):
            unknown = f"{run.command_line}\nreports nothing of {run.name}, which it should load"
            return failure or TableFailedError(unknown)
        if outcome.error is not None:
            return TableFailedError(f"{outcome.name}: {outcome.error}", failure)
        duration = result.duration if outcome.duration is None else outcome.duration
        part = replace(result, counts=outcome.counts, duration=duration, tables=(outcome,))
        try:
            self._require_few_rejects(run.name, part)
        except RejectsError as rejects:
            return rejects
        return replace(run, result=part)

    def check(self, command: StarlakeCommand, name: str, step: RunStep) -> TableOutcome | None:
        """Evaluate the expectations of an existing table, if the executor can; in a dry run, only log the command.

        Args:
            command: The command.
            name: The table or task.
            step: The step.

        Returns:
            The results, or the reason why there are none; None in a dry run.

        Raises:
            StarlakeError: If the configuration of the run is invalid.
        """
        command, _ = self._complete(command, name, step)
        if _leaves_out(command, step):
            return None
        executor = self.executor()
        if not isinstance(executor, ChecksAlone):
            return TableOutcome(name, checks_unknown=f"{type(executor).__name__} {_LOADS_ONLY}")
        try:
            tables = executor.check_tables(command, step.execution(outcomes=True))
        except StarlakeError as error:
            return TableOutcome(name, checks_unknown=str(error))
        return tables[0] if tables else TableOutcome(name, checks_unknown="the executor reports no results")

    def _begin(self, command: StarlakeCommand, name: str, step: RunStep) -> CommandRun | None:
        """Return a command that is about to run, without a result; None in a dry run, which only logs it."""
        command, dates = self._complete(command, name, step)
        if _leaves_out(command, step):
            return None
        if command.verb == "load" and dates.interval and is_late(dates.interval):
            step.info(
                f"this run is for {dates.interval.start} to {dates.interval.end}; it loads the files that wait now"
            )
        return CommandRun(command, shown(command), name, dates, StarlakeResult(0))

    def _complete(self, command: StarlakeCommand, name: str, step: RunStep) -> tuple[StarlakeCommand, RunDates]:
        """Return a command completed with facts of the run, and the dates of the run."""
        with permanently():
            dates = self.dates(step)
            options = step.options(names_of_section(name, step.name))
            choice = run_choice(options.pop(OPTION, None))
            if choice is not None:
                command = command.with_compute(chosen_profile(self.settings.compute, choice))
            return complete(command, dates, options, cli=self.settings.starlake_version), dates

    def _require_few_rejects(self, name: str, result: StarlakeResult) -> None:
        """Refuse the result of a load with too many rejected rows.

        Raises:
            RejectsError: If more are rejected than allowed.
        """
        limit = self.settings.max_rejected
        if result.counts and result.counts.exceed(limit):
            raise RejectsError(name, result.counts, limit, result.tables)


def _leaves_out(command: StarlakeCommand, step: RunStep) -> bool:
    """Log a command that a dry run leaves out, and return True if this run is one."""
    with permanently():
        if not step.is_dry_run:
            return False
    step.info(f"{DRY_RUN}{shown(command)}")
    return True
