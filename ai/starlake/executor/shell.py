"""Runs commands of Starlake as processes of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage.location import local_path
from ai.starlake.executor.database_lock import writer_locks
from ai.starlake.executor.executable import HOW_TO_GET_ONE, find_executable
from ai.starlake.executor.failures import failure_text, hint
from ai.starlake.executor.notes import load_by_hand_runs
from ai.starlake.executor.output import CommandOutput
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.process.supervision import Runner, require_wanted, run_process
from ai.starlake.executor.project_facts import FactsFactory, FactsOfRun, ProjectFacts
from ai.starlake.executor.protocol import CommandFailedError, ExecutableNotFoundError, Execution, StarlakeResult
from ai.starlake.executor.recovery import LoadFiles, names_of
from ai.starlake.job import StarlakeCommand


class ShellExecutor:
    """Runs each command as a process group of its own, without a shell.

    Args:
        executable: What to run; see `find_executable`.
        facts: How to learn about the project; without it, loads cannot be repeated, and writers do not wait for each
            other unless `lock` names a file.
        lock: One writer at a time: ``auto`` (a lock file beside the DuckDB file, where the project writes into one),
            ``off``, or the path of a lock file for all commands that write.
        lock_timeout: How many seconds to wait for the lock.
        runner: What runs the process.
        death_fd: Asked at run time for a file descriptor that becomes readable when nobody waits for the command any
            more, such as `parent_death_fd`.
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
        """Runs a command to its end.

        Raises:
            ExecutableNotFoundError: If there is nothing to run.
            CommandFailedError: If it ends with another exit code than 0.
            WriterBusyError: If another command has been writing for too long.
            RecoveryError: If it is a load that cannot be repeated safely.
            FilesLeftError: If files wait where no load finds them, and nobody knows whose they are.
            StarlakeError: If its environment or its folder is not as it has to be.
        """
        started = time.monotonic()
        process = _Process.of(self.executable, PreparedCommand.of(command, execution, os.environ).located())
        facts = self._facts_of(process, execution)
        death_fd = self._death_fd() if self._death_fd else None
        locks = self._lock_files(command, facts, execution)
        output = CommandOutput(process.prepared.redactor, execution.report)
        with (
            writer_locks(locks, execution, self._lock_timeout, lambda: require_wanted(death_fd)),
            self._files(command, process, facts, execution).kept() if command.verb == "load" else nullcontext(),
        ):
            exit_code = self._runner(
                process.argv,
                cwd=process.folder,
                environment=process.prepared.environment,
                on_line=output.take,
                death_fd=death_fd,
            )
            if exit_code != 0:
                raise process.failure(exit_code, output.tail)
        return StarlakeResult(duration=time.monotonic() - started, counts=output.counts())

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files that loads which are over left, as far as a load would work on them.

        Raises:
            StarlakeError: If that cannot be found out.
        """
        process = _Process.of(self.executable, PreparedCommand.of(command, execution, os.environ).located())
        facts = self._facts_of(process, execution)
        return self._files(command, process, facts, execution).left() if facts else []

    def _files(
        self,
        command: StarlakeCommand,
        process: _Process,
        facts: Callable[[], ProjectFacts] | None,
        execution: Execution,
    ) -> LoadFiles:
        job_id = process.prepared.job_id
        others_run = partial(load_by_hand_runs, process.root, job_id)
        return LoadFiles(command, facts, execution, job_id, others_run=others_run)

    def _facts_of(self, process: _Process, execution: Execution) -> Callable[[], ProjectFacts] | None:
        facts = self._facts
        if facts is None:
            return None
        return lambda: facts.read(
            execution.run_id, process.root, process.prepared.environment, again=execution.repeated
        )

    def _lock_files(
        self, command: StarlakeCommand, facts: Callable[[], ProjectFacts] | None, execution: Execution
    ) -> list[Path]:
        if not command.writes or self._lock == "off":
            return []
        if self._lock != "auto":
            return [_own_lock(self._lock)]
        if facts is None:
            return []
        try:
            files = set(_databases(command, facts()))
        except Exception as error:  # noqa: BLE001  the real CLI may well run a project that we cannot read
            execution.report.warning(
                f"commands that write do not wait for each other: where they write could not be found out: {error}"
            )
            return []
        real = {os.path.realpath(file) for file in files if file is not None}
        return [Path(f"{file}.lock") for file in real]


def _own_lock(text: str) -> Path:
    path = local_path(text)
    if path is None:
        raise StarlakeError(f"option duckdb_lock: {text!r} is not a path on this machine")
    return path.expanduser().absolute()


def _databases(command: StarlakeCommand, project: ProjectFacts) -> Iterator[Path | None]:
    """The DuckDB files that a command writes into."""
    if command.verb == "load":
        domains: list[str | None] = [*names_of(command, "--domains", "--include")]
        tables: list[str | None] = [*names_of(command, "--tables", "--schemas")]
        for domain, table in product(domains or [None], tables or [None]):
            yield project.duckdb_file(domain, table)
    else:
        yield project.duckdb_file(task=command.value_of("--name") or None)


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
            ExecutableNotFoundError: If there is nothing to run.
        """
        found = find_executable(executable, prepared.environment.get("PATH"))
        return cls(prepared, [*found, *prepared.argv])

    @property
    def folder(self) -> Path:
        """The working directory."""
        return self.prepared.folder or Path.cwd()

    @property
    def root(self) -> str:
        """The folder or address of the project."""
        return self.prepared.root or str(self.folder)

    def __str__(self) -> str:
        return self.prepared.shown(self.argv[: -len(self.prepared.argv)])

    def failure(self, exit_code: int, tail: Sequence[str]) -> StarlakeError:
        """Return the error of a command that ended with another exit code than 0."""
        if exit_code in _NOT_RUN:
            return self._not_run(exit_code, tail)
        by_hand = f"read the command's whole output, or run it by hand in {self.folder}"
        return CommandFailedError(str(self), exit_code, tail, fix=hint(exit_code, tail) or by_hand)

    def _not_run(self, exit_code: int, tail: Sequence[str]) -> ExecutableNotFoundError:
        cause = (
            f"exit code {exit_code} means that {self.argv[0]} called a program that {_NOT_RUN[exit_code]}; "
            f"its PATH was {self.prepared.environment.get('PATH', 'not set')}"
        )
        fix = f"make that program (Java, if it is Starlake's own launcher) available; or {HOW_TO_GET_ONE}"
        error = ExecutableNotFoundError(f"`{self}` failed with exit code {exit_code}", cause=cause, fix=fix)
        error.args = (failure_text(error.culprit, tail, verdict=cause, fix=fix),)
        return error
