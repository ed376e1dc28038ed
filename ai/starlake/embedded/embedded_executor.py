"""Run commands on the engine, in this process."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.common.errors import may_retry
from ai.starlake.common.outcomes.outcome_data import masked_outcomes
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.verb_table import run_verb
from ai.starlake.embedded.interruption import Interruption, run_interruptible
from ai.starlake.embedded.outcome_log import OutcomeLog
from ai.starlake.embedded.results import LoadResult
from ai.starlake.executor.checks_alone import outcomes_of_check
from ai.starlake.executor.compute_limits import engine_sizes, for_engine, too_small
from ai.starlake.executor.executable import engine_variables
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.prepared import PreparedCommand
from ai.starlake.executor.protocol import (
    CommandFailedError,
    Execution,
    Reporter,
    StarlakeResult,
    Stream,
)
from ai.starlake.executor.recovery import names_of, stranded_files
from ai.starlake.job import StarlakeCommand
from ai.starlake.project.file_facts import FileFacts

_ABANDONED = "the command does not react to its interruption, and is left behind: it ends with this process"


class EmbeddedExecutor:
    """Runs commands on the embedded engine, in this process: like `starlake-embedded`, without starting it.

    A failed or killed load leaves its files where the next one finds them, and processes that write to one DuckDB file
    wait for each other: the engine does both.

    Args:
        lock_timeout: Seconds to wait for a DuckDB file that another command writes.
    """

    def __init__(self, *, lock_timeout: float = 3600) -> None:
        self._lock_timeout = lock_timeout

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        """Run a command to its end.

        Raises:
            CommandFailedError: If it fails, or if the engine does not support it.
            StarlakeError: If its environment or its folder is invalid.
        """
        started = time.monotonic()
        prepared = PreparedCommand.of(for_engine(command), execution, os.environ).located()
        prepared = prepared.with_defaults(engine_variables(self._lock_timeout, execution))
        prepared = prepared.with_variables(engine_sizes(command.compute))
        log = OutcomeLog(wanted=execution.outcomes)
        try:
            outcome = _run(prepared, execution, log)
        except Exception as error:  # noqa: BLE001  its message may contain a secret
            text = str(error) if isinstance(error, StarlakeError) else f"{type(error).__name__}: {error}"
            raise _failure(prepared, text, log, permanent=not may_retry(error)) from None
        if outcome.exit_code != 0:
            raise _failure(prepared, outcome.error or outcome.negative or "", log, permanent=outcome.permanent)
        counts = _counts(outcome.load) if outcome.load else None
        sizes = command.compute.sizes("duckdb") if command.compute else {}
        duration = time.monotonic() - started
        return StarlakeResult(duration=duration, counts=counts, tables=_tables(prepared, log), sizes=sizes)

    def check_tables(self, command: StarlakeCommand, execution: Execution) -> tuple[TableOutcome, ...]:
        """Evaluate the expectations of existing tables; see `ChecksAlone`."""
        return outcomes_of_check(self, command, execution)

    def reports_tables(self, command: StarlakeCommand, execution: Execution) -> bool:  # noqa: ARG002
        """Return True: the engine reports each table."""
        return True

    def files_left(self, command: StarlakeCommand, execution: Execution) -> list[str]:
        """Return the files that ended loads may have left; a load that finds none of its own does no harm.

        Raises:
            StarlakeError: If that cannot be determined.
        """
        prepared = PreparedCommand.of(command, execution, os.environ).located()
        facts = FileFacts(prepared.root or Path.cwd(), prepared.environment)
        domains = names_of(command, "--domains", "--include")
        return [file for domain in domains for file in stranded_files(facts, domain)]


def _run(prepared: PreparedCommand, execution: Execution, log: OutcomeLog) -> VerbOutcome:
    report = execution.report
    interruption = Interruption()
    tell = partial(_tell, prepared, report)
    session = Session(prepared.environment, tell, folder=prepared.folder, interruption=interruption, outcomes=log)

    def call() -> VerbOutcome:
        with _warnings_to(prepared, None if execution.has_python_log else report):
            return run_verb(prepared.argv, session)

    outcome = run_interruptible(call, interruption, lambda: report.warning(_ABANDONED))
    if outcome.text:
        tell("stdout", outcome.text)
    return outcome


def _tell(prepared: PreparedCommand, report: Reporter, stream: Stream, text: str) -> None:
    for line in prepared.mask(text).split("\n"):
        report.output(stream, line)


def _failure(prepared: PreparedCommand, text: str, log: OutcomeLog, *, permanent: bool = False) -> CommandFailedError:
    verdict, fix = prepared.mask(text), None
    reason = too_small(prepared.command.compute, 1, [text])
    if reason is not None:
        verdict, fix = f"{reason[0]}: {verdict}", reason[1]
    tables = _tables(prepared, log)
    return CommandFailedError(prepared.shown(), 1, None, verdict=verdict, fix=fix, tables=tables, permanent=permanent)


def _tables(prepared: PreparedCommand, log: OutcomeLog) -> tuple[TableOutcome, ...]:
    return masked_outcomes(log.tables, prepared.mask) if log.wanted else ()


def _counts(result: LoadResult) -> StarlakeCounts:
    return StarlakeCounts(
        result.input_count,
        result.accepted_count,
        result.rejected_count,
        result.warning_count,
        files=bool(result.jobs),
        lost_files=sum(job.rejected_count > 0 and job.accepted_count == 0 for job in result.jobs),
    )


class _Warnings(logging.Handler):
    """Reports the warnings that one thread logs, and masks them for all other handlers too.

    Args:
        prepared: Masks them.
        report: Receives them; None if another handler does.
    """

    def __init__(self, prepared: PreparedCommand, report: Reporter | None) -> None:
        super().__init__(logging.WARNING)
        self._prepared = prepared
        self._report = report
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            record.msg, record.args = self._prepared.mask(record.getMessage()), None
            if self._report is not None:
                self._report.warning(record.msg)


@contextmanager
def _warnings_to(prepared: PreparedCommand, report: Reporter | None) -> Iterator[None]:
    """Report the engine's logged warnings of this thread; see `_Warnings`."""
    logger, handler = logging.getLogger("ai.starlake"), _Warnings(prepared, report)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
