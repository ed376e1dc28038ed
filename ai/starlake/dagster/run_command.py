"""The run of a command within a step of Dagster: what it did, without deciding what to record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dagster import AssetKey, AssetMaterialization, Failure, MetadataValue, OpExecutionContext

from ai.starlake.common import StarlakeError, zone_of
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import run_is_ending
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.dagster.run_info import dates_of, is_dry_run
from ai.starlake.dagster.run_options import options_for
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import (
    ChecksAlone,
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    RecoveryError,
    StarlakeExecutor,
    StarlakeResult,
)
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakeSparkConfig
from ai.starlake.job.compute_profiles import COMPUTE_TAG, OPTION, ComputeProfile, chosen_profile, run_choice
from ai.starlake.job.sections import names_of_section
from ai.starlake.orchestration.dates.completion import complete
from ai.starlake.orchestration.dates.run_dates import RunDates, is_late

DRY_RUN = "dry run, nothing is run: "
"""The log's words before a command that a dry run leaves out."""

_LOADS_ONLY = "evaluates expectations only when it loads a table or runs a task"


@dataclass(frozen=True)
class CommandRunner:
    """Runs commands within steps: what all ops of a job share.

    Args:
        settings: The options of the job.
        executor: Gives the executor, in the process that runs the step.
    """

    settings: JobOptions
    executor: Callable[[], StarlakeExecutor]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def dates(self, context: OpExecutionContext) -> RunDates:
        """Return the dates that the run of a step is for."""
        return dates_of(context, zone_of(self.settings.timezone))

    def execution(
        self, context: OpExecutionContext, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False
    ) -> Execution:
        """Return this attempt at the step, as executors see it."""
        run = context.run
        return Execution(
            run_id=context.run_id,
            step_key=_compat.step_key_of(context),
            report=DagsterReporter(context.log, everything=self.settings.event_log_lines == "all"),
            attempt=context.retry_number,
            resumed=_compat.parent_run_of(run) is not None,
            spark_config=spark_config,
            root_run_id=_compat.root_run_of(run),
            job_name=context.job_name,
            code_location=_compat.code_location_of(run),
            run_is_ending=lambda: run_is_ending(context),
            is_run_over=lambda run_id: _is_over(context, run_id),
            outcomes=outcomes,
        )

    def run(
        self,
        command: StarlakeCommand,
        name: str,
        context: OpExecutionContext,
        spark_config: StarlakeSparkConfig | None = None,
        *,
        outcomes: bool = False,
    ) -> CommandRun | None:
        """Run a command, completed by what only the run knows; in a dry run, only log it.

        Args:
            command: The command.
            name: The Starlake name of what it works on.
            context: The context of the step.
            spark_config: What the Spark job may use.
            outcomes: Whether the executor reports the outcome of each table or task.

        Returns:
            What it did; None in a dry run.

        Raises:
            Failure: If it fails, or rejects more rows than it may. No retry follows where trying again cannot help.
        """
        begun = self._begin(command, name, context)
        if begun is None:
            return None
        execution = self.execution(context, spark_config, outcomes=outcomes)
        execution.report.output("stdout", f"$ {begun.command_line}")
        with failures():
            result = self.executor().run(begun.command, execution)
        if result.counts:
            _require_few_rejects(name, result.counts, self.settings.max_rejected, result.tables)
        return replace(begun, result=result)

    def load_together(
        self,
        command: StarlakeCommand,
        names: Sequence[str],
        context: OpExecutionContext,
        spark_config: StarlakeSparkConfig | None = None,
    ) -> Mapping[str, CommandRun | Failure | None]:
        """Run a load of several tables on an executor that reports each of them, as `ReportsTables` says.

        Args:
            command: The command.
            names: The Starlake names of the tables, whose options are the same.
            context: The context of the step.
            spark_config: What the Spark job may use.

        Returns:
            What it did for each table, or why that failed; None in a dry run.
        """
        begun = self._begin(command, names[0], context)
        if begun is None:
            return dict.fromkeys(names)
        execution = self.execution(context, spark_config, outcomes=True)
        execution.report.output("stdout", f"$ {begun.command_line}")
        failure = None
        try:
            with failures():
                result = self.executor().run(begun.command, execution)
        except Failure as raised:
            result, failure = StarlakeResult(0, tables=outcomes_of_failure(raised)), raised
        return {name: self._part(replace(begun, name=name, result=result), failure) for name in names}

    def _part(self, run: CommandRun, failure: Failure | None) -> CommandRun | Failure:
        """Return what a load of several tables did for the one that `run` names."""
        result = run.result
        outcome = next((each for each in result.tables if each.name.lower() == run.name.lower()), None)
        failed = any(each.error is not None for each in result.tables)
        if outcome is None or (failure is not None and not failed):
            return failure or Failure(f"{run.command_line}\nreports nothing of {run.name}, which it should load")
        if outcome.error is not None:
            return _failure_of(outcome, failure)
        duration = result.duration if outcome.duration is None else outcome.duration
        part = replace(result, counts=outcome.counts, duration=duration, tables=(outcome,))
        try:
            if outcome.counts:
                _require_few_rejects(run.name, outcome.counts, self.settings.max_rejected, (outcome,))
        except Failure as rejects:
            return rejects
        return replace(run, result=part)

    def _begin(self, command: StarlakeCommand, name: str, context: OpExecutionContext) -> CommandRun | None:
        """Return a command that is about to run, without a result; None in a dry run, which only logs it."""
        command, dates = self._complete(command, name, context)
        command_line = shown(command)
        if is_dry_run(context):
            context.log.info(f"{DRY_RUN}{command_line}")
            return None
        if command.verb == "load" and dates.interval and is_late(dates.interval):
            context.log.info(
                f"this run is for {dates.interval.start} to {dates.interval.end}; it loads the files that wait now"
            )
        return CommandRun(command, command_line, name, dates, StarlakeResult(0))

    def check(self, command: StarlakeCommand, name: str, context: OpExecutionContext) -> TableOutcome | None:
        """Evaluate the expectations of a table as it is, if the executor can; in a dry run, only log the command.

        Args:
            command: The command.
            name: The table or task.
            context: The context of the step.

        Returns:
            The results, or why there are none; None in a dry run.

        Raises:
            Failure: If the configuration of the run cannot be used.
        """
        command, _ = self._complete(command, name, context)
        if is_dry_run(context):
            context.log.info(f"{DRY_RUN}{shown(command)}")
            return None
        executor = self.executor()
        if not isinstance(executor, ChecksAlone):
            return TableOutcome(name, checks_unknown=f"{type(executor).__name__} {_LOADS_ONLY}")
        try:
            tables = executor.check_tables(command, self.execution(context, outcomes=True))
        except StarlakeError as error:
            return TableOutcome(name, checks_unknown=str(error))
        return tables[0] if tables else TableOutcome(name, checks_unknown="the executor reports no results")

    def _complete(
        self, command: StarlakeCommand, name: str, context: OpExecutionContext
    ) -> tuple[StarlakeCommand, RunDates]:
        """Return a command with what only the run knows, and the dates of the run."""
        with failures(retry=False):
            dates = self.dates(context)
            options = options_for(context, names_of_section(name, _compat.op_name_of(context)))
            choice = run_choice(options.pop(OPTION, None))
            if choice is not None:
                command = command.with_compute(chosen_profile(self.settings.compute, choice))
            return complete(command, dates, options, cli=self.settings.starlake_version), dates


@dataclass(frozen=True)
class CommandRun:
    """A command that succeeded, and what it did.

    Args:
        command: The complete command.
        command_line: The command as people read it, secrets masked.
        name: The Starlake name of what it worked on.
        dates: The dates of the run.
        result: How it went.
    """

    command: StarlakeCommand
    command_line: str
    name: str
    dates: RunDates
    result: StarlakeResult

    @property
    def counts(self) -> StarlakeCounts | None:
        """The rows that a load read, kept and refused; None where the command did not say."""
        return self.result.counts

    @property
    def read_nothing(self) -> bool:
        """True if a load found no file, so that there is nothing to record."""
        return self.counts is not None and self.counts.read_nothing

    @property
    def is_remarkable(self) -> bool:
        """True if rows were rejected or warnings given, which a person should see to."""
        return self.counts is not None and bool(self.counts.rejected or self.counts.warnings)

    @property
    def summary(self) -> str:
        """How the command went, in words.

        As the description of a materialization it is the text of that event in the log: one record, not two, each of
        which is a transaction in the database of events.
        """
        counts = self.counts
        rows = f"{counts.input} rows read, {counts.accepted} accepted, {counts.rejected} rejected" if counts else "done"
        if counts and counts.warnings:
            rows += f", {counts.warnings} warning(s)"
        return f"{self.command.verb} {self.name}: {rows} in {self.result.duration:.1f} s"

    def metadata(self) -> dict[str, Any]:
        """Return what to record of what the command made."""
        result = self.result
        metadata: dict[str, Any] = {
            "starlake/logical_date": MetadataValue.timestamp(self.dates.logical),
            "starlake/duration": round(result.duration, 3),
            "starlake/command": self.command_line,
        }
        if self.command.compute is not None:
            metadata |= _compute(self.command.compute, result.sizes)
        if result.counts:
            metadata |= _rows(result.counts)
            if result.counts.warnings:
                metadata["starlake/warnings"] = result.counts.warnings
        if result.remote_id:
            metadata["starlake/remote_id"] = result.remote_id
        if result.log_url:
            metadata["starlake/log"] = MetadataValue.url(result.log_url)
        return metadata

    def materialization(self, asset: AssetKey, context: OpExecutionContext) -> AssetMaterialization:
        """Return the event that records an asset as made by the command."""
        partition = context.partition_key if context.has_partition_key else None
        return AssetMaterialization(asset, description=self.summary, metadata=self.metadata(), partition=partition)


def _compute(profile: ComputeProfile, sizes: Mapping[str, str]) -> dict[str, Any]:
    shown = {"starlake/compute_sizes": MetadataValue.json(dict(sizes))} if sizes else {}
    return {COMPUTE_TAG: profile.name, **shown}


def _is_over(context: OpExecutionContext, run_id: str) -> bool | None:
    run = context.instance.get_run_by_id(run_id)
    return None if run is None else run.is_finished


@contextmanager
def failures(*, retry: bool = True) -> Iterator[None]:
    """Turn a `StarlakeError` into the failure that Dagster shows, with what is known as metadata.

    Args:
        retry: Whether trying again may help; it never does when there is no executable, or rows might be lost.

    Raises:
        Failure: If a `StarlakeError` is raised within the block.
    """
    try:
        yield
    except StarlakeError as error:
        metadata: dict[str, Any] = {}
        if isinstance(error, CommandFailedError):
            metadata["starlake/exit_code"] = error.exit_code
            if error.log_url:
                metadata["starlake/log"] = MetadataValue.url(error.log_url)
        allowed = retry and not isinstance(error, (ExecutableNotFoundError, RecoveryError))
        raise Failure(str(error), metadata=metadata, allow_retries=allowed) from error


class RejectsError(StarlakeError):
    """A load rejected more rows than it may. Trying again does not help.

    Args:
        name: The Starlake name of the table.
        counts: What the load counted.
        limit: The option `max_rejected`.
        tables: The outcome of each table of the command.
    """

    def __init__(
        self, name: str, counts: StarlakeCounts, limit: RejectLimit | None, tables: Sequence[TableOutcome] = ()
    ) -> None:
        self.tables = tuple(tables)
        cause = "all rows of a file are rejected" if limit is None else f"max_rejected is {limit}"
        super().__init__(
            f"{name}: {counts.rejected} of {counts.input} rows are rejected",
            cause=f"{cause}; the accepted rows are in the table, and audit.rejected has the reasons",
            fix="correct the rejected rows and deliver them again, or raise the option max_rejected",
        )


def outcomes_of_failure(failure: Failure) -> tuple[TableOutcome, ...]:
    """Return what is known of the tables and tasks of a command that failed."""
    error = failure.__cause__
    return error.tables if isinstance(error, (CommandFailedError, RejectsError)) else ()


def _failure_of(outcome: TableOutcome, failure: Failure | None) -> Failure:
    """Return why a table failed, from the failure of the load of several tables that it was one of."""
    text = f"{outcome.name}: {outcome.error}"
    if failure is None:
        return Failure(text)
    made = Failure(text, metadata=failure.metadata, allow_retries=failure.allow_retries)
    made.__cause__ = failure.__cause__
    return made


def _require_few_rejects(
    name: str, counts: StarlakeCounts, limit: RejectLimit | None, tables: Sequence[TableOutcome]
) -> None:
    """Fail the step of a load of which too many rows are rejected.

    A retry would find no file: the accepted rows are in the table, and the file is in the archive.

    Args:
        name: The Starlake name of the table.
        counts: What the load counted.
        limit: The option `max_rejected`.
        tables: The outcome of each table of the command.

    Raises:
        Failure: If more are rejected than allowed. Dagster does not try again.
    """
    if counts.exceed(limit):
        error = RejectsError(name, counts, limit, tables)
        raise Failure(str(error), metadata=_rows(counts), allow_retries=False) from error


def _rows(counts: StarlakeCounts) -> dict[str, Any]:
    return {
        "starlake/rows_read": counts.input,
        "starlake/rows_accepted": counts.accepted,
        "starlake/rows_rejected": counts.rejected,
    }
