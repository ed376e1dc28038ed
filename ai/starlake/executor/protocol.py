"""Protocol of executors: an executor runs one command and returns its result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.job import StarlakeCommand, StarlakeSparkConfig

Stream = Literal["stdout", "stderr"]


class Reporter(Protocol):
    """Receives the messages of an executor."""

    def output(self, stream: Stream, line: str) -> None:
        """Report one line that the command printed, without its line break, secrets masked.

        Args:
            stream: ``stdout`` or ``stderr``.
            line: The line.
        """
        ...

    def info(self, message: str) -> None:
        """Report progress.

        Args:
            message: One sentence, without secrets.
        """
        ...

    def warning(self, message: str) -> None:
        """Report a problem that needs attention.

        Args:
            message: The problem, without secrets.
        """
        ...


@dataclass(frozen=True)
class Execution:
    """One attempt at a command, as part of a run.

    Args:
        run_id: The run.
        step_key: The step of the run.
        report: Receives progress messages.
        attempt: 0 for the first attempt of this step in this run.
        resumed: True if the run continues another one that failed.
        spark_config: Resources of the Spark job.
        root_run_id: The first of the chain of re-executions that the run belongs to; itself by default.
        job_name: The job of the run, for labels.
        code_location: Code location of the job, for labels.
        run_is_ending: Called after an interruption; returns True if the whole run ends, not only this step.
        is_run_over: Called with the id of another run; returns True if it has ended, None if unknown.
        outcomes: True to report the outcome of each table or task.
        has_python_log: True if the report also receives Python's log, including logged warnings.
        on_secrets: Called with the secrets of a command before it runs, for orchestrators that mask their own logs.
        at_end_of_run: Called with what to do when the run ends; it is done only in a process that notices this,
            which the process of a step may not. None if nobody can tell.
    """

    run_id: str
    step_key: str
    report: Reporter
    attempt: int = 0
    resumed: bool = False
    spark_config: StarlakeSparkConfig | None = None
    root_run_id: str | None = None
    job_name: str = ""
    code_location: str = ""
    run_is_ending: Callable[[], bool] | None = None
    is_run_over: Callable[[str], bool | None] | None = None
    outcomes: bool = False
    has_python_log: bool = False
    on_secrets: Callable[[Collection[str]], None] | None = None
    at_end_of_run: Callable[[Callable[[], None]], None] | None = None

    @property
    def root(self) -> str:
        """The first run of the chain of re-executions that the run belongs to."""
        return self.root_run_id or self.run_id

    @property
    def job_id(self) -> str:
        """Value of the column JOBID in Starlake's audit."""
        return f"{self.run_id}.{self.step_key}"

    @property
    def repeated(self) -> bool:
        """True if an earlier attempt may have left files or processes behind."""
        return self.attempt > 0 or self.resumed


@dataclass(frozen=True)
class StarlakeResult:
    """Result of a command.

    Args:
        duration: Seconds.
        exit_code: Exit code of the command.
        counts: Rows that a load read, accepted and rejected; None if the command did not report them.
        remote_id: Id of the remote job or execution.
        log_url: URL of its log.
        tables: The outcome of each table or task, as far as the executor knows; see `Execution.outcomes`.
        sizes: Sizes applied from the command's compute profile, such as ``{"duckdb.threads": "2"}``.
        warm: True if it ran in a virtual machine that lives on; None where there is no such thing.
    """

    duration: float
    exit_code: int = 0
    counts: StarlakeCounts | None = None
    remote_id: str | None = None
    log_url: str | None = None
    tables: tuple[TableOutcome, ...] = ()
    sizes: Mapping[str, str] = field(default_factory=dict)
    warm: bool | None = None


class StarlakeExecutor(Protocol):
    """Runs Starlake commands, on this machine or in a remote service."""

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Run a command to its end.

        Any exception while it runs, an interruption included, ends the command before it propagates.

        Args:
            command: A Starlake command, verb first. Nothing changes it.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            The result: counts, outcomes of tables and tasks, and the reference of the command.

        Raises:
            StarlakeError: If the command fails or cannot be run.
        """
        ...


@runtime_checkable
class ChecksAlone(Protocol):
    """Optional ability of executors: evaluate the expectations of tables without loading them."""

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        """Evaluate the expectations of existing tables; nothing is written.

        An expectation that is not met is a result, not an error. A table that cannot be checked has an outcome without
        results that gives the reason.

        Args:
            command: ``check --names domain.table,domain.task``, with its environment.
            execution: The attempt.

        Returns:
            An outcome for each table or task.

        Raises:
            StarlakeError: If the command cannot be run at all.
        """
        ...


@runtime_checkable
class ReportsTables(Protocol):
    """Optional ability of executors: report the outcome of each table of a load, also if the load fails."""

    def reports_tables(self, command: StarlakeCommand, execution: Execution) -> bool:
        """Return True if the result or the error of a load has the outcome of each table that the load names.

        A table without an outcome was not reached. The counts of a table without files say that no file was read.

        Args:
            command: ``load --domains domain --tables table,table``, with its environment.
            execution: The attempt.
        """
        ...


@runtime_checkable
class Prestarts(Protocol):
    """Optional ability of executors: start ahead of a command what it needs."""

    def prestart(self, command: StarlakeCommand, execution: Execution) -> None:
        """Begin to start what commands like this one need, without waiting for it; never raise an error.

        Args:
            command: The command that is about to run.
            execution: The attempt.
        """
        ...


class CommandFailedError(StarlakeError):
    """A command of Starlake did not succeed.

    Args:
        command: The command, secrets masked.
        exit_code: Exit code; negative for the signal that ended it.
        tail: The lines that explain the failure, secrets masked; see `Excerpt`. None if its output is unknown.
        fix: Advice for the user.
        log_url: URL of its log.
        how: Description of its end, if the exit code is not enough.
        verdict: Message of the service that ran it, secrets masked.
        tables: The outcome of each table or task, as far as the executor knows; see `Execution.outcomes`.
        permanent: True if a retry cannot help; only an executor that knows the error itself can tell.
    """

    def __init__(
        self,
        command: str,
        exit_code: int,
        tail: Sequence[str] | None = (),
        *,
        fix: str | None = None,
        log_url: str | None = None,
        how: str | None = None,
        verdict: str = "",
        tables: Sequence[TableOutcome] = (),
        permanent: bool = False,
    ) -> None:
        from ai.starlake.executor.failures import failure_text

        self.permanent = permanent
        self.exit_code = exit_code
        self.tail = tuple(tail or ())
        self.log_url = log_url
        self.tables = tuple(tables)
        code = f"was ended by signal {-exit_code}" if exit_code < 0 else f"failed with exit code {exit_code}"
        super().__init__(f"`{command}` {how or code}", cause=verdict or None, fix=fix)
        self.args = (failure_text(self.culprit, tail, verdict=verdict, fix=fix),)


class ExecutableNotFoundError(PermanentError):
    """There is no executable to run."""


class RecoveryError(PermanentError):
    """Files of a failed attempt cannot be moved back."""


class FilesLeftError(StarlakeError):
    """Files wait in the ingesting area, where no load finds them."""


class WriterBusyError(StarlakeError):
    """Another command has been writing to the same database for longer than the timeout."""
