"""A command that ran, and what it did; and why one counts as failed that its executor takes for done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.protocol import CommandFailedError, StarlakeResult
from ai.starlake.job import StarlakeCommand
from ai.starlake.orchestration.dates.run_dates import RunDates


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

    def facts(self) -> dict[str, Any]:
        """Return what to record of what the command made, as plain values in the order in which people read them.

        `logical_date` is a datetime, `log` a URL, `compute_sizes` a mapping; what is not known is left out.
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
    """Return what to record of the rows that a load counted."""
    return {"rows_read": counts.input, "rows_accepted": counts.accepted, "rows_rejected": counts.rejected}


class RejectsError(StarlakeError):
    """A load rejected more rows than it may. Trying again does not help.

    A retry would find no file: the accepted rows are in the table, and the file is in the archive.

    Args:
        name: The Starlake name of the table.
        counts: What the load counted.
        limit: The option `max_rejected`.
        tables: The outcome of each table of the command.
    """

    permanent = True

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
        text: What happened to the table.
        whole: Why the command failed; None where it did not.
    """

    def __init__(self, text: str, whole: StarlakeError | None = None) -> None:
        self.whole = whole
        self.permanent = whole is not None and whole.permanent
        super().__init__(text)


def failed_tables(error: BaseException | None) -> tuple[TableOutcome, ...]:
    """Return what is known of the tables and tasks of a command, from the error that it failed with."""
    if isinstance(error, TableFailedError):
        error = error.whole
    return error.tables if isinstance(error, (CommandFailedError, RejectsError)) else ()
