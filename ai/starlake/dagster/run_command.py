"""Runs of a command within a Dagster step: failures and facts in Dagster's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    EventLogEntry,
    Failure,
    MetadataValue,
    OpExecutionContext,
)

from ai.starlake.common import StarlakeError
from ai.starlake.common.errors import may_retry
from ai.starlake.dagster import _compat
from ai.starlake.dagster.ops import run_is_ending
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.dagster.run_info import dates_of, runs_dry
from ai.starlake.dagster.run_options import options_for
from ai.starlake.executor.outcomes import TableOutcome
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeExecutor
from ai.starlake.job import JobOptions, StarlakeCommand, StarlakeSparkConfig
from ai.starlake.orchestration.command_runs.command_run import (
    CommandRun,
    RejectsError,
    TableFailedError,
    facts_of_counts,
    failed_tables,
)
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from ai.starlake.orchestration.dates.run_dates import RunDates

_ENDS_OF_RUNS = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
_SHOWN_AS: Mapping[str, Callable[[Any], Any]] = {
    "logical_date": MetadataValue.timestamp,
    "compute_sizes": MetadataValue.json,
    "log": MetadataValue.url,
}


@dataclass(frozen=True)
class DagsterStep:
    """A Dagster step that runs commands; see `RunStep`.

    Args:
        context: The context of the step.
        everything: True if every line of a command goes to the event log.
    """

    context: OpExecutionContext
    everything: bool = False

    @property
    def name(self) -> str:
        """Name of the op in its graph."""
        return _compat.op_name_of(self.context)

    @property
    def is_dry_run(self) -> bool:
        """True if commands are logged instead of run."""
        return runs_dry(self.context)

    def dates(self, zone: tzinfo) -> RunDates:
        """Return the dates of the run."""
        return dates_of(self.context, zone)

    def options(self, names: Iterable[str]) -> dict[str, str]:
        """Return the options of the run's configuration for some names."""
        return options_for(self.context, names)

    def execution(self, spark_config: StarlakeSparkConfig | None = None, *, outcomes: bool = False) -> Execution:
        """Return this attempt at the step, for executors."""
        context, run = self.context, self.context.run
        return Execution(
            run_id=context.run_id,
            step_key=_compat.step_key_of(context),
            report=DagsterReporter(context.log, everything=self.everything),
            attempt=context.retry_number,
            resumed=_compat.parent_run_of(run) is not None,
            spark_config=spark_config,
            root_run_id=_compat.root_run_of(run),
            job_name=context.job_name,
            code_location=_compat.code_location_of(run),
            run_is_ending=lambda: run_is_ending(context),
            is_run_over=lambda run_id: _is_over(context, run_id),
            outcomes=outcomes,
            at_end_of_run=lambda act: _at_end_of_run(context, act),
        )

    def info(self, message: str) -> None:
        """Log a message in the event log."""
        self.context.log.info(message)


@dataclass(frozen=True)
class DagsterCommandRunner:
    """Runs commands within Dagster steps: a `CommandRunner` whose errors are failures.

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

    def dates(self, context: OpExecutionContext) -> RunDates:
        """Return the dates of the run of a step."""
        return self._core.dates(self.step(context))

    def execution(self, context: OpExecutionContext) -> Execution:
        """Return this attempt at the step, for executors."""
        return self.step(context).execution()

    def step(self, context: OpExecutionContext) -> DagsterStep:
        """Return a step for runs of commands."""
        return DagsterStep(context, everything=self.settings.event_log_lines == "all")

    def run(
        self,
        command: StarlakeCommand,
        name: str,
        context: OpExecutionContext,
        spark_config: StarlakeSparkConfig | None = None,
        *,
        outcomes: bool = False,
    ) -> CommandRun | None:
        """Run a command; see `CommandRunner.run`.

        Raises:
            Failure: If it fails, or rejects too many rows. No retry follows if it cannot help.
        """
        with failures():
            return self._core.run(command, name, self.step(context), spark_config, outcomes=outcomes)

    def prestart(self, command: StarlakeCommand, context: OpExecutionContext) -> None:
        """Let the executor start what a command will need; see `CommandRunner.prestart`.

        Raises:
            Failure: If the configuration of the run cannot be used.
        """
        with failures():
            self._core.prestart(command, self.step(context))

    def load_together(
        self,
        command: StarlakeCommand,
        names: Sequence[str],
        context: OpExecutionContext,
        spark_config: StarlakeSparkConfig | None = None,
    ) -> Mapping[str, CommandRun | Failure | None]:
        """Run a load of several tables; see `CommandRunner.load_together`.

        Raises:
            Failure: If the configuration of the run is invalid.
        """
        with failures():
            parts = self._core.load_together(command, names, self.step(context), spark_config)
        return {name: failure_of(part) if isinstance(part, StarlakeError) else part for name, part in parts.items()}

    def check(self, command: StarlakeCommand, name: str, context: OpExecutionContext) -> TableOutcome | None:
        """Evaluate the expectations of an existing table; see `CommandRunner.check`.

        Raises:
            Failure: If the configuration of the run is invalid.
        """
        with failures():
            return self._core.check(command, name, self.step(context))

    @property
    def _core(self) -> CommandRunner:
        return CommandRunner(self.settings, self.executor)


def metadata_of(run: CommandRun) -> dict[str, Any]:
    """Return the metadata of a command's materialization."""
    return _metadata(run.facts())


def materialization(run: CommandRun, asset: AssetKey, context: OpExecutionContext) -> AssetMaterialization:
    """Return the event that records an asset as materialized by a command."""
    partition = context.partition_key if context.has_partition_key else None
    return AssetMaterialization(asset, description=run.summary, metadata=metadata_of(run), partition=partition)


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"starlake/{name}": _SHOWN_AS.get(name, _as_it_is)(value) for name, value in facts.items()}


def _as_it_is(value: Any) -> Any:
    return value


def _is_over(context: OpExecutionContext, run_id: str) -> bool | None:
    run = context.instance.get_run_by_id(run_id)
    return None if run is None else run.is_finished


def _at_end_of_run(context: OpExecutionContext, act: Callable[[], None]) -> None:
    """Do something after the last event of a run, once; a step in a process of its own never sees that event."""
    left = [act]

    def on_entry(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if left and event is not None and event.event_type in _ENDS_OF_RUNS:
            left.pop()()

    _compat.listen(context.instance, context.run_id, on_entry)


@contextmanager
def failures(*, retry: bool = True) -> Iterator[None]:
    """Convert a `StarlakeError` to the failure that Dagster shows, with the known facts as metadata.

    Args:
        retry: True if a retry may help; see also `may_retry`.

    Raises:
        Failure: If a `StarlakeError` is raised within the block.
    """
    try:
        yield
    except StarlakeError as error:
        raise failure_of(error, retry=retry) from error


def failure_of(error: StarlakeError, *, retry: bool = True) -> Failure:
    """Return an error as a Dagster failure, with the known facts as metadata.

    Args:
        error: The error.
        retry: True if a retry may help.
    """
    cause = error.whole if isinstance(error, TableFailedError) else error
    made = Failure(str(error), metadata=_facts_of_failure(cause), allow_retries=retry and may_retry(error))
    made.__cause__ = cause
    return made


def _facts_of_failure(error: StarlakeError | None) -> dict[str, Any]:
    if isinstance(error, RejectsError):
        return _metadata(facts_of_counts(error.counts))
    if not isinstance(error, CommandFailedError):
        return {}
    return _metadata({"exit_code": error.exit_code, **({"log": error.log_url} if error.log_url else {})})


def outcomes_of_failure(failure: Failure) -> tuple[TableOutcome, ...]:
    """Return the known outcomes of the tables and tasks of a failed command."""
    return failed_tables(failure.__cause__)
