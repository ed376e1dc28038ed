"""Run Starlake commands as processes on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.common.errors import permanent_exit_code
from ai.starlake.common.outcomes.outcome_data import masked_outcomes
from ai.starlake.executor.checks_alone import outcomes_of_check
from ai.starlake.executor.compute_limits import engine_sizes, for_engine, launcher_sizes, too_small
from ai.starlake.executor.executable import HOW_TO_GET_ONE, engine_variables, find_executable, is_embedded_engine
from ai.starlake.executor.failures import failure_text, hint
from ai.starlake.executor.outcome_file import OutcomeFile
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.process.limits import limited
from ai.starlake.executor.process.supervision import (
    CommandContext,
    Runner,
    RunnerOfCommands,
    require_wanted,
    run_process,
)
from ai.starlake.executor.project_facts import FactsFactory, FactsOfRun, ProjectFacts
from ai.starlake.executor.protocol import CommandFailedError, ExecutableNotFoundError, Execution, StarlakeResult
from ai.starlake.job import StarlakeCommand

_Facts = Callable[[], ProjectFacts]


class ShellExecutor:
    """Runs each command in a process group of its own, without a shell.

    The embedded engine waits for DuckDB files and keeps the files of failed loads by itself; for any other executable
    the executor does both.

    Args:
        executable: The executable; see `find_executable`.
        facts: Creates the facts about a project; without it, loads cannot be repeated, and writers do not wait for each
            other unless `lock` names a file.
        lock: One writer at a time: ``auto`` (a lock file beside the DuckDB file, where the project writes into one),
            ``off``, or the path of a lock file for all commands that write.
        lock_timeout: Seconds to wait for another writer.
        runner: Runs the process; may be a `RunnerOfCommands`.
        death_fd: Called at run time; returns a file descriptor that becomes readable when the command is no longer
            wanted, such as `parent_death_fd`.
    """

    def __init__(
        self,
        executable: str | Sequence[str] = "starlake",
        *,
        facts: FactsFactory | None = None,
        lock: str = "auto",
        lock_timeout: float = 3600,
        runner: Runner = run_process,
        death_fd: Callable[[], int | None] | None = None,
    ) -> None:
        self.executable = executable
        self._facts = FactsOfRun(facts) if facts else None
        self._lock = lock
        self._lock_timeout = lock_timeout
        self._runner = runner
        self._death_fd = death_fd

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Run a command to its end.

        Args:
            command: A Starlake command, verb first. Nothing changes it.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            The result: counts, outcomes of tables and tasks, and the reference of the command.

        Raises:
            ExecutableNotFoundError: If there is no executable.
            CommandFailedError: If its exit code is not 0.
            WriterBusyError: If another command has been writing for longer than `lock_timeout`.
            RecoveryError: If it is a load that cannot be repeated safely.
            FilesLeftError: If files wait in the ingesting area, where no load finds them.
            StarlakeError: If its environment or its folder is invalid.
        """
        started = time.monotonic()
        process = self._process(command, execution)
        facts = self._facts_of(process, execution)
        death_fd = self._death_fd() if self._death_fd else None
        output = CommandOutput(process.prepared.redactor, execution.report)
        with ExitStack() as stack:
            outcomes = stack.enter_context(OutcomeFile.of(process.prepared, wanted=execution.outcomes))
            stack.enter_context(self._turn(process, facts, execution, death_fd))
            stack.enter_context(self._kept(process, facts, execution))
            exit_code = self._runner_of(process, facts, execution)(
                process.limited,
                cwd=process.folder,
                environment=outcomes.environment,
                on_line=output.take,
                death_fd=death_fd,
            )
            if exit_code != 0:
                failure = f"it failed with exit code {exit_code}"
                tables = outcomes.read() or self._on_record(process, facts, execution, None, failure)
                raise process.failure(exit_code, output.tail, tables)
            tables = outcomes.read() or self._on_record(process, facts, execution, output.counts(), None)
        duration = time.monotonic() - started
        return StarlakeResult(
            duration=duration,
            counts=output.counts(),
            tables=tables,
            sizes=process.sizes,
            warm=self._runner.is_warm if isinstance(self._runner, RunnerOfCommands) else None,
        )

    def prestart(self, command: StarlakeCommand, execution: Execution) -> None:
        """Begin to start what commands like this one need, where the runner has such a thing, without waiting for it.

        It never raises an error: what is wrong is wrong for the commands, too, which say so.

        Args:
            command: A command like those that follow.
            execution: The attempt: its run, its step, and the reporter of its output.
        """
        if not isinstance(self._runner, RunnerOfCommands):
            return
        with suppress(StarlakeError):
            process = self._process(command, execution)
            if process.is_embedded_engine or process.limited != list(process.argv):
                return
            context = _context(process, self._facts_of(process, execution), execution)
            self._runner.prestart(context, cwd=process.folder, environment=process.prepared.environment)

    def _runner_of(self, process: _Process, facts: _Facts | None, execution: Execution) -> Runner:
        if isinstance(self._runner, RunnerOfCommands):
            return self._runner.bound(_context(process, facts, execution))
        return self._runner

    def _on_record(
        self,
        process: _Process,
        facts: _Facts | None,
        execution: Execution,
        counts: StarlakeCounts | None,
        failure: str | None,
    ) -> tuple[TableOutcome, ...]:
        """Return the outcomes of a command that wrote none, from the audit of the project."""
        if process.is_embedded_engine or not execution.outcomes:
            return ()
        from ai.starlake.executor.starlake_outcomes import outcomes_on_record

        prepared = process.prepared
        found = outcomes_on_record(prepared.command, facts, prepared.job_id, counts, failure=failure)
        return masked_outcomes(found, prepared.mask)

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        """Evaluate the expectations of existing tables, if the executable is the embedded engine.

        Starlake itself has no such command: the outcomes are its last recorded results, or the reason why there are
        none.

        Args:
            command: A command whose tables and tasks are checked: ``load`` or ``transform``.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            An outcome for each table or task.

        Raises:
            StarlakeError: If the command cannot be run.
        """
        process = self._process(command, execution)
        if process.is_embedded_engine:
            return outcomes_of_check(self, command, execution)
        from ai.starlake.executor.starlake_outcomes import last_checks

        return masked_outcomes(last_checks(command, self._facts_of(process, execution)), process.prepared.mask)

    def reports_tables(self, command: StarlakeCommand, execution: Execution) -> bool:
        """Return True for the embedded engine, which reports each table.

        Args:
            command: A Starlake command, verb first. Nothing changes it.
            execution: The attempt: its run, its step, and the reporter of its output.
        """
        try:
            return self._process(command, execution).is_embedded_engine
        except StarlakeError:  # the command itself raises it too
            return False

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files of loads that have ended, as far as a load would use them.

        Args:
            command: A ``load``.
            execution: The attempt: its run, its step, and the reporter of its output.

        Returns:
            Paths or URIs.

        Raises:
            StarlakeError: If that cannot be determined.
        """
        from ai.starlake.executor.recovery import LoadFiles

        process = self._process(command, execution)
        facts = self._facts_of(process, execution)
        return LoadFiles(command, facts, execution, process.prepared.job_id).left() if facts else []

    def _process(self, command: StarlakeCommand, execution: Execution) -> _Process:
        process = _Process.of(self.executable, PreparedCommand.of(command, execution, os.environ).located())
        prepared = process.prepared
        if not process.is_embedded_engine:
            return replace(
                process, prepared=prepared.with_variables(launcher_sizes(command.compute, prepared.environment))
            )
        told = for_engine(command)
        if told is not command:
            prepared = PreparedCommand.of(told, execution, os.environ).located()
        prepared = prepared.with_defaults(engine_variables(self._lock_timeout, execution))
        return replace(process, prepared=prepared.with_variables(engine_sizes(command.compute)))

    def _turn(
        self, process: _Process, facts: _Facts | None, execution: Execution, death_fd: int | None
    ) -> AbstractContextManager[None]:
        """Let one command at a time write to a DuckDB file."""
        waits_by_itself = process.is_embedded_engine and self._lock == "auto"
        if waits_by_itself or self._lock == "off" or not process.prepared.command.writes:
            return nullcontext()
        from ai.starlake.executor.database_lock import lock_files, writer_locks

        locks = lock_files(process.prepared.command, self._lock, facts, execution.report)
        return writer_locks(locks, execution, self._lock_timeout, lambda: require_wanted(death_fd))

    def _kept(self, process: _Process, facts: _Facts | None, execution: Execution) -> AbstractContextManager[None]:
        """Keep the files of a failed load."""
        if process.is_embedded_engine or process.prepared.command.verb != "load":
            return nullcontext()
        from ai.starlake.executor.notes import load_by_hand_runs
        from ai.starlake.executor.recovery import LoadFiles

        job_id = process.prepared.job_id
        others_run = partial(load_by_hand_runs, process.root, job_id)
        return LoadFiles(process.prepared.command, facts, execution, job_id, others_run=others_run).kept()

    def _facts_of(self, process: _Process, execution: Execution) -> _Facts | None:
        facts, prepared = self._facts, process.prepared
        if facts is None:
            return None
        return lambda: facts.read(execution.run_id, process.root, prepared.environment, again=execution.repeated)


def _context(process: _Process, facts: _Facts | None, execution: Execution) -> CommandContext:
    return CommandContext(execution, tuple(process.executable), process.prepared.mask, facts)


_NOT_RUN = {126: "may not be executed", 127: "was not found"}


@dataclass(frozen=True)
class _Process:
    """A command as the system is to start it.

    Args:
        prepared: The command.
        argv: The executable and its arguments.
    """

    prepared: PreparedCommand
    argv: Sequence[str]

    @classmethod
    def of(cls, executable: str | Sequence[str], prepared: PreparedCommand) -> _Process:
        """Find the executable.

        Raises:
            ExecutableNotFoundError: If there is no executable.
        """
        found = find_executable(executable, prepared.environment.get("PATH"))
        return cls(prepared, [*found, *prepared.argv])

    @cached_property
    def is_embedded_engine(self) -> bool:
        """True for the command of the embedded engine."""
        return is_embedded_engine(self.executable)

    @property
    def executable(self) -> Sequence[str]:
        """Arguments before the verb."""
        return self.argv[: -len(self.prepared.argv)]

    @property
    def folder(self) -> Path:
        """The working directory."""
        return self.prepared.folder or Path.cwd()

    @property
    def root(self) -> str:
        """Folder or URI of the project."""
        return self.prepared.root or str(self.folder)

    @property
    def limited(self) -> list[str]:
        """Return the arguments that start the command with the limits of its compute profile."""
        compute = self.prepared.command.compute
        return limited(self.argv, compute.process) if compute else list(self.argv)

    @property
    def sizes(self) -> dict[str, str]:
        """Return the sizes of the command's compute profile that have an effect."""
        compute = self.prepared.command.compute
        return compute.sizes("process", "duckdb" if self.is_embedded_engine else "spark") if compute else {}

    def __str__(self) -> str:
        return self.prepared.shown(self.executable)

    def failure(self, exit_code: int, tail: Sequence[str], tables: Sequence[TableOutcome]) -> StarlakeError:
        """Return the error of a command whose exit code is not 0."""
        reason = too_small(self.prepared.command.compute, exit_code, tail)
        if reason is not None:
            how, fix = reason
            return CommandFailedError(str(self), exit_code, tail, fix=fix, verdict=how, tables=tables)
        if exit_code in _NOT_RUN:
            return self._not_run(exit_code, tail)
        by_hand = f"read the command's whole output, or run it by hand in {self.folder}"
        fix = hint(exit_code, tail) or by_hand
        asked = permanent_exit_code(self.prepared.environment) if self.is_embedded_engine else None
        return CommandFailedError(str(self), exit_code, tail, fix=fix, tables=tables, permanent=exit_code == asked)

    def _not_run(self, exit_code: int, tail: Sequence[str]) -> ExecutableNotFoundError:
        cause = (
            f"exit code {exit_code} means that {self.argv[0]} called a program that {_NOT_RUN[exit_code]}; "
            f"its PATH was {self.prepared.environment.get('PATH', 'not set')}"
        )
        fix = f"make that program (Java, if it is Starlake's own launcher) available; or {HOW_TO_GET_ONE}"
        error = ExecutableNotFoundError(f"`{self}` failed with exit code {exit_code}", cause=cause, fix=fix)
        error.args = (failure_text(error.culprit, tail, verdict=cause, fix=fix),)
        return error
