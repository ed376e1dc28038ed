"""What an executor is: it runs one command and says how that went."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from ai.starlake.common import StarlakeError
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.job import StarlakeCommand, StarlakeSparkConfig

Stream = Literal["stdout", "stderr"]


class Reporter(Protocol):
    """Where an executor tells what goes on."""

    def output(self, stream: Stream, line: str) -> None:
        """One line that the command printed, without its line break, secrets masked."""
        ...

    def info(self, message: str) -> None:
        """Something that a person who watches the run wants to know."""
        ...

    def warning(self, message: str) -> None:
        """Something that a person should look at."""
        ...


@dataclass(frozen=True)
class Execution:
    """One attempt at a command, as the run sees it.

    Args:
        run_id: The run.
        step_key: The step of the run.
        report: Where to tell what goes on.
        attempt: 0 for the first attempt of this step in this run.
        resumed: Whether the run continues another one that failed.
        spark_config: What the Spark job may use.
        root_run_id: The first of the chain of re-executions that the run belongs to; itself by default.
        job_name: The job of the run, for labels that people read.
        code_location: Where the job is defined, for labels that people read.
        run_is_ending: Asked after an interruption: whether it is the whole run that ends, and not this step alone.
        is_run_over: Asked about another run, by its id: whether it is over; None where that is not known.
        outcomes: Whether to report the outcome of each table or task.
        has_python_log: Whether the report is where Python's own log goes, too: warnings that are logged are there then.
        on_secrets: Told the secrets of a command before it runs, for an orchestrator that masks its own logs, too.
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

    @property
    def root(self) -> str:
        """The first of the chain of re-executions that the run belongs to."""
        return self.root_run_id or self.run_id

    @property
    def job_id(self) -> str:
        """What Starlake writes into the column JOBID of its audit."""
        return f"{self.run_id}.{self.step_key}"

    @property
    def repeated(self) -> bool:
        """True if an earlier attempt may have left something behind."""
        return self.attempt > 0 or self.resumed


@dataclass(frozen=True)
class StarlakeResult:
    """How a command went.

    Args:
        duration: Seconds that it took.
        exit_code: What it exited with.
        counts: What a load read, kept and refused; None when the command did not say.
        remote_id: The id of the job or execution elsewhere.
        log_url: Where its log can be read.
        tables: The outcome of each table or task, as far as the executor can tell; see `Execution.outcomes`.
        sizes: What the executor made of the command's compute profile, such as ``{"duckdb.threads": "2"}``.
    """

    duration: float
    exit_code: int = 0
    counts: StarlakeCounts | None = None
    remote_id: str | None = None
    log_url: str | None = None
    tables: tuple[TableOutcome, ...] = ()
    sizes: Mapping[str, str] = field(default_factory=dict)


class StarlakeExecutor(Protocol):
    """Runs commands of Starlake somewhere."""

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Run a command to its end.

        Whatever is raised while it runs, an interruption included, ends the command before it goes on.

        Raises:
            StarlakeError: If the command fails or cannot be run.
        """
        ...


@runtime_checkable
class ChecksAlone(Protocol):
    """An optional ability of executors: evaluate the expectations of tables without loading them."""

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        """Evaluate the expectations of tables as they are; nothing is written.

        An expectation that is not met is a result. A table that cannot be checked has an outcome without results that
        says why.

        Args:
            command: ``check --names domain.table,domain.task``, with its environment.
            execution: The attempt.

        Raises:
            StarlakeError: If the command cannot be run at all.
        """
        ...


@runtime_checkable
class ReportsTables(Protocol):
    """An optional ability of executors: report the outcome of each table of a load, also of one that fails."""

    def reports_tables(self, command: StarlakeCommand, execution: Execution) -> bool:
        """Return True if the result or the error of a load has the outcome of each table that the load names.

        A table without an outcome was not reached. One for which no file waits has an outcome with counts that read
        nothing.

        Args:
            command: ``load --domains domain --tables table,table``, with its environment.
            execution: The attempt.
        """
        ...


class CommandFailedError(StarlakeError):
    """A command of Starlake did not succeed.

    Args:
        command: The command, secrets masked.
        exit_code: What it exited with; negative for the signal that ended it.
        tail: The lines that say why, secrets masked; see `Excerpt`. None where its output is not known.
        fix: What the user can do about it.
        log_url: Where its log can be read.
        how: How it ended, where the exit code does not say that.
        verdict: What the service that ran it says about its end, secrets masked.
        tables: The outcome of each table or task, as far as the executor can tell; see `Execution.outcomes`.
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
    ) -> None:
        from ai.starlake.executor.failures import failure_text

        self.exit_code = exit_code
        self.tail = tuple(tail or ())
        self.log_url = log_url
        self.tables = tuple(tables)
        code = f"was ended by signal {-exit_code}" if exit_code < 0 else f"failed with exit code {exit_code}"
        super().__init__(f"`{command}` {how or code}", cause=verdict or None, fix=fix)
        self.args = (failure_text(self.culprit, tail, verdict=verdict, fix=fix),)


class ExecutableNotFoundError(StarlakeError):
    """There is no executable to run. Trying again does not help."""

    permanent = True


class RecoveryError(StarlakeError):
    """Files that a failed attempt left behind cannot be brought back. Trying again does not help."""

    permanent = True


class FilesLeftError(StarlakeError):
    """Files wait in the ingesting area, where no load finds them."""


class WriterBusyError(StarlakeError):
    """Another command has been writing into the same database for longer than this one may wait."""
