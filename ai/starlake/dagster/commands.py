"""Ops that run a command: what they do at run time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    Failure,
    MetadataValue,
    OpExecutionContext,
    Out,
)

from ai.starlake.common import (
    DataInterval,
    StarlakeError,
    format_timestamp,
    zone_of,
)
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import Body, Event, outputs, run_is_ending
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.dagster.run import DRY_RUN_TAG, RunDates, dates_of
from ai.starlake.dagster.run_options import names_of, options_for
from ai.starlake.executor.prepared import shown
from ai.starlake.executor.protocol import (
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    RecoveryError,
    StarlakeCounts,
    StarlakeExecutor,
    StarlakeResult,
)
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakeSparkConfig

DRY_RUN = "dry run, nothing is run: "
"""What the log says before a command that a dry run leaves out."""


@dataclass(frozen=True)
class CommandRunner:
    """Runs commands on behalf of ops: what all ops of a job share.

    Args:
        settings: The options of the job.
        executor: Gives the executor, in the process that runs the op.
    """

    settings: JobOptions
    executor: Callable[[], StarlakeExecutor]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def dates(self, context: OpExecutionContext) -> RunDates:
        """The dates that the run of an op is for."""
        return dates_of(context, zone_of(self.settings.timezone))

    def complete(
        self, command: StarlakeCommand, context: OpExecutionContext, dates: RunDates, name: str
    ) -> StarlakeCommand:
        """A command with what only the run knows: its dates, and the options of its configuration.

        Args:
            command: The command of the op.
            context: The context of the op.
            dates: The dates of the run.
            name: The Starlake name of what the command works on.
        """
        if command.verb in ("load", "transform") and self.settings.starlake_version.accepts("--scheduledDate"):
            command = command.with_arguments("--scheduledDate", format_timestamp(dates.logical))
        if command.verb == "transform" and dates.interval:
            interval = {
                "sl_data_interval_start": format_timestamp(dates.interval.start),
                "sl_data_interval_end": format_timestamp(dates.interval.end),
            }
            command = command.with_options(interval)
        return command.with_options(options_for(context, names_of(name, context.op_handle.name)))

    def run(
        self, command: StarlakeCommand, context: OpExecutionContext, spark_config: StarlakeSparkConfig | None = None
    ) -> StarlakeResult:
        """Runs a complete command.

        Raises:
            Failure: If it fails; no retry follows where trying again cannot help.
        """
        execution = self.execution(context, spark_config)
        execution.report.output("stdout", f"$ {shown(command)}")
        with failures():
            return self.executor().run(command, execution)

    def execution(self, context: OpExecutionContext, spark_config: StarlakeSparkConfig | None = None) -> Execution:
        """This attempt at the step, as executors see it."""
        run = context.run
        return Execution(
            run_id=context.run_id,
            step_key=context.get_step_execution_context().step.key,
            report=DagsterReporter(context.log, everything=self.settings.event_log_lines == "all"),
            attempt=context.retry_number,
            resumed=_compat.parent_run_of(run) is not None,
            spark_config=spark_config,
            root_run_id=_compat.root_run_of(run),
            job_name=context.job_name,
            code_location=_compat.code_location_of(run),
            run_is_ending=lambda: run_is_ending(context),
            is_run_over=lambda run_id: _is_over(context, run_id),
        )


def _is_over(context: OpExecutionContext, run_id: str) -> bool | None:
    run = context.instance.get_run_by_id(run_id)
    return None if run is None else run.is_finished


class failures:  # noqa: N801  reads as a statement
    """Turns a `StarlakeError` into the failure that Dagster shows, with what is known as metadata.

    Args:
        retry: Whether trying again may help; it never does when there is no executable, or rows might be lost.
    """

    def __init__(self, *, retry: bool = True) -> None:
        self._retry = retry

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raises the failure in place of the error."""
        if not isinstance(error, StarlakeError):
            return
        metadata: dict[str, Any] = {}
        if isinstance(error, CommandFailedError):
            metadata["starlake/exit_code"] = error.exit_code
            if error.log_url:
                metadata["starlake/log"] = MetadataValue.url(error.log_url)
        retry = self._retry and not isinstance(error, (ExecutableNotFoundError, RecoveryError))
        raise Failure(str(error), metadata=metadata, allow_retries=retry) from error


def is_late(interval: DataInterval) -> bool:
    """Tells whether a run for an interval comes later than one by the clock: after another interval is over."""
    end = interval.end.timestamp()
    return time.time() > end + (end - interval.start.timestamp())


def is_dry_run(context: OpExecutionContext) -> bool:
    """Whether commands are to be logged instead of run: by the configuration of the op, or by a tag of the run."""
    configured = (context.op_config or {}).get("dry_run")
    return bool(configured) or context.run.tags.get(DRY_RUN_TAG, "").lower() == "true"


@dataclass(frozen=True)
class CommandBody(Body):
    """Runs one command, and records what it produced.

    Args:
        runner: Runs it.
        command: The command.
        name: The Starlake name of what it works on.
        assets: What to record as materialized when it succeeds.
        outs: The outputs of the op.
        skippable: Whether what comes after is skipped when a load found no row.
        spark_config: What the Spark job may use.
    """

    runner: CommandRunner
    command: StarlakeCommand
    name: str
    assets: tuple[AssetKey, ...]
    outs: Mapping[str, Out] = field(hash=False)
    skippable: bool = False
    spark_config: StarlakeSparkConfig | None = None

    @property
    def subject(self) -> str | None:
        """The Starlake name of what the command works on."""
        return self.name

    @property
    def verb(self) -> str | None:
        """The verb of the command."""
        return self.command.verb

    def events(self, context: OpExecutionContext) -> Iterator[Event]:
        """Runs the command within an op."""
        with failures(retry=False):
            dates = self.runner.dates(context)
            command = self.runner.complete(self.command, context, dates, self.name)
        if is_dry_run(context):
            context.log.info(f"{DRY_RUN}{shown(command)}")
            yield from outputs(self.outs, self.name)
            return
        if command.verb == "load" and dates.interval and is_late(dates.interval):
            context.log.info(
                f"this run is for {dates.interval.start} to {dates.interval.end}; it loads the files that wait now"
            )
        result = self.runner.run(command, context, self.spark_config)
        if result.counts:
            require_few_rejects(self.name, result.counts, self.runner.settings.max_rejected)
        summary = _summary(command, self.name, result)
        if result.counts and (result.counts.rejected or result.counts.warnings):
            context.log.warning(summary)
        elif not self.assets:
            context.log.info(summary)
        if result.counts and result.counts.read_nothing:
            context.log.info(f"{summary}: there was no file, so that no materialization is recorded")
            yield from () if self.skippable else outputs(self.outs, self.name)
            return
        defined = assets_of_outputs(context)
        made = {asset: _materialization(asset, context, command, dates, result, summary) for asset in self.assets}
        yield from (event for asset, event in made.items() if asset not in defined)
        if not (self.skippable and result.counts and result.counts.input == 0):
            known = {defined[asset]: event.metadata for asset, event in made.items() if asset in defined}
            yield from outputs(self.outs, self.name, known)


def assets_of_outputs(context: OpExecutionContext) -> Mapping[AssetKey, str]:
    """Return, by asset, the output whose value Dagster records as its materialization.

    There are some where an op is made an asset, by `AssetsDefinition.from_op` or within one of a graph.
    """
    if not context.has_assets_def:
        return {}
    keys: Mapping[str, AssetKey] = context.assets_def.keys_by_output_name
    return {key: name for name, key in keys.items()}


def require_few_rejects(name: str, counts: StarlakeCounts, limit: RejectLimit | None) -> None:
    """Fail the step of a load of which too many rows are rejected.

    A retry would find no file: the accepted rows are in the table, and the file is in the archive.

    Args:
        name: The Starlake name of the table.
        counts: What the load counted.
        limit: The option `max_rejected`.

    Raises:
        Failure: If more are rejected than allowed. Dagster does not try again.
    """
    if not counts.exceed(limit):
        return
    cause = "all rows of a file are rejected" if limit is None else f"max_rejected is {limit}"
    error = StarlakeError(
        f"{name}: {counts.rejected} of {counts.input} rows are rejected",
        cause=f"{cause}; the accepted rows are in the table, and audit.rejected has the reasons",
        fix="correct the rejected rows and deliver them again, or raise the option max_rejected",
    )
    raise Failure(str(error), metadata=_rows(counts), allow_retries=False) from error


def _rows(counts: StarlakeCounts) -> dict[str, Any]:
    return {
        "starlake/rows_read": counts.input,
        "starlake/rows_accepted": counts.accepted,
        "starlake/rows_rejected": counts.rejected,
    }


def _summary(command: StarlakeCommand, name: str, result: StarlakeResult) -> str:
    """How a command went, in words.

    As the description of a materialization it is the text of that event in the log: one record, not two, each of which
    is a transaction in the database of events.
    """
    counts = result.counts
    rows = f"{counts.input} rows read, {counts.accepted} accepted, {counts.rejected} rejected" if counts else "done"
    if counts and counts.warnings:
        rows += f", {counts.warnings} warning(s)"
    return f"{command.verb} {name}: {rows} in {result.duration:.1f} s"


def _materialization(
    asset: AssetKey,
    context: OpExecutionContext,
    command: StarlakeCommand,
    dates: RunDates,
    result: StarlakeResult,
    summary: str,
) -> AssetMaterialization:
    metadata: dict[str, Any] = {
        "starlake/logical_date": MetadataValue.timestamp(dates.logical),
        "starlake/duration": round(result.duration, 3),
        "starlake/command": shown(command),
    }
    if result.counts:
        metadata |= _rows(result.counts)
        if result.counts.warnings:
            metadata["starlake/warnings"] = result.counts.warnings
    if result.remote_id:
        metadata["starlake/remote_id"] = result.remote_id
    if result.log_url:
        metadata["starlake/log"] = MetadataValue.url(result.log_url)
    partition = context.partition_key if context.has_partition_key else None
    return AssetMaterialization(asset, description=summary, metadata=metadata, partition=partition)
