"""A command that ran, with its result; and failures that the executor does not detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.protocol import CommandFailedError, StarlakeResult
from ai.starlake.job import StarlakeCommand
from ai.starlake.orchestration.dates.run_dates import RunDates


@dataclass(frozen=True)
class CommandRun:
    """A command that succeeded, with its result.

    Args:
        command: The complete command.
        command_line: The command for display, secrets masked.
        name: The Starlake name of its table or task.
        dates: The dates of the run.
        result: Its result.
    """

    command: StarlakeCommand
    command_line: str
    name: str
    dates: RunDates
    result: StarlakeResult

    @property
    def counts(self) -> StarlakeCounts | None:
        """Rows that a load read, accepted and rejected; None if the command did not report them."""
        return self.result.counts

    @property
    def read_nothing(self) -> bool:
        """True if a load found no file, so that there is nothing to record."""
        return self.counts is not None and self.counts.read_nothing

    @property
    def is_remarkable(self) -> bool:
        """True if rows were rejected or warnings occurred."""
        return self.counts is not None and bool(self.counts.rejected or self.counts.warnings)

    @property
    def summary(self) -> str:
        """Summary of the command.

        As the description of a materialization it is the message of that event in the log: one record instead of two,
        each of which is a transaction in the event database.
        """
        counts = self.counts
        rows = f"{counts.input} rows read, {counts.accepted} accepted, {counts.rejected} rejected" if counts else "done"
        if counts and counts.warnings:
            rows += f", {counts.warnings} warning(s)"
        return f"{self.command.verb} {self.name}: {rows} in {self.result.duration:.1f} s"

    def facts(self) -> dict[str, Any]:
        """Return the metadata of the command's assets, as plain values in display order.

        `logical_date` is a datetime, `log` a URL, `compute_sizes` a mapping; unknown facts are left out.
        """
        result = self.result
        facts: dict[str, Any] = {
            "logical_date": self.dates.logical,
            "duration": round(result.duration, 3),
            "command": self.command_line,
        }
        if self.command.compute is not None:
            facts["compute"] = self.command.compute.name
            if result.sizes:
                facts["compute_sizes"] = dict(result.sizes)
        if result.warm is not None:
            facts["warm"] = result.warm
        if result.counts:
            facts |= facts_of_counts(result.counts)
            if result.counts.warnings:
                facts["warnings"] = result.counts.warnings
        if result.remote_id:
            facts["remote_id"] = result.remote_id
        if result.log_url:
            facts["log"] = result.log_url
        return facts


def facts_of_counts(counts: StarlakeCounts) -> Mapping[str, int]:
    """Return the metadata of a load's counted rows."""
    return {"rows_read": counts.input, "rows_accepted": counts.accepted, "rows_rejected": counts.rejected}


class RejectsError(PermanentError):
    """A load rejected too many rows.

    A retry would find no file: the accepted rows are in the table, and the file is in the archive.

    Args:
        name: The Starlake name of the table.
        counts: The counts of the load.
        limit: The option `max_rejected`.
        tables: The outcome of each table of the command.
    """

    def __init__(
        self, name: str, counts: StarlakeCounts, limit: RejectLimit | None, tables: Sequence[TableOutcome] = ()
    ) -> None:
        self.counts = counts
        self.tables = tuple(tables)
        cause = "all rows of a file are rejected" if limit is None else f"max_rejected is {limit}"
        super().__init__(
            f"{name}: {counts.rejected} of {counts.input} rows are rejected",
            cause=f"{cause}; the accepted rows are in the table, and audit.rejected has the reasons",
            fix="correct the rejected rows and deliver them again, or raise the option max_rejected",
        )


class TableFailedError(StarlakeError):
    """A table failed, or was not reported, in a load of several tables.

    Args:
        text: The problem of the table.
        whole: The error of the command; None if it succeeded.
    """

    def __init__(self, text: str, whole: StarlakeError | None = None) -> None:
        self.whole = whole
        self.permanent = whole is not None and whole.permanent
        super().__init__(text)


def failed_tables(error: BaseException | None) -> tuple[TableOutcome, ...]:
    """Return the known outcomes of tables and tasks from the error of their command."""
    if isinstance(error, TableFailedError):
        error = error.whole
    return error.tables if isinstance(error, (CommandFailedError, RejectsError)) else ()
