"""Outcomes of tables and tasks: counts, reasons for rejects, files, and results of expectations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ai.starlake.common.rejects import RejectLimit


@dataclass(frozen=True)
class StarlakeCounts:
    """Rows that a load read, accepted and rejected, and the number of its warnings.

    Args:
        input: Rows read.
        accepted: Rows accepted.
        rejected: Rows rejected.
        warnings: Number of warnings.
        files: True if it read any file, even one without rows; None if the command does not report it.
        lost_files: Number of its ingestions that accepted no row and rejected some; at least as many files.
    """

    input: int
    accepted: int
    rejected: int
    warnings: int = 0
    files: bool | None = field(default=None, compare=False)
    lost_files: int = field(default=0, compare=False)

    @property
    def read_nothing(self) -> bool:
        """True if no file was read."""
        return self.input == 0 and not self.files

    def exceed(self, limit: RejectLimit | None) -> bool:
        """Return True if more rows were rejected than allowed.

        Args:
            limit: Maximum number of rejects; by default, no file may be rejected as a whole.
        """
        if limit is not None:
            return not limit.allows(self.rejected, self.input)
        return self.lost_files > 0 or (self.accepted == 0 and self.rejected > 0)

    def __add__(self, other: StarlakeCounts) -> StarlakeCounts:
        return StarlakeCounts(
            self.input + other.input,
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.warnings + other.warnings,
            files=self.files or other.files,
            lost_files=self.lost_files + other.lost_files,
        )


@dataclass(frozen=True)
class CheckOutcome:
    """Result of one expectation.

    Args:
        expect: The expectation, as in the YAML.
        success: True if the data meets it; False if its query fails, None if unknown.
        count: The number that its query returned; None if it did not return a number, or failed.
        error: Error of its query.
        rows: The first rows that violate it, column by column, as shortened text; only where the expectation counts
            rows that match a condition, and never columns with privacy.
    """

    expect: str
    success: bool | None
    count: int | None = None
    error: str | None = None
    rows: tuple[Mapping[str, str | None], ...] = ()


@dataclass(frozen=True)
class RejectReason:
    """A reason for rejects.

    Args:
        reason: The reason as in the audit, without the value at fault.
        rows: Rows that were rejected for it, among the recorded ones: the first ``audit.maxErrors`` of each ingestion.
    """

    reason: str
    rows: int


@dataclass(frozen=True)
class LoadedFile:
    """A file that a load read.

    Args:
        name: The name of the file.
        size: Its size in bytes; None if unknown.
        digest: Identifies its content, as ``algorithm:hex``; None if unknown.
    """

    name: str
    size: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class TableOutcome:
    """Outcome of one table or task of a command.

    Args:
        name: Name of the table or task: ``domain.table`` or ``domain.task``.
        counts: Rows that a load read, accepted and rejected; None for a task, or if the command does not report them.
        error: The error; None if it succeeded.
        checks: The results of its expectations; empty if it has none, None if they cannot be read.
        checks_unknown: The reason why `checks` is None, in one sentence.
        reasons: The most frequent reasons for its rejects, most frequent first.
        files: The files that it read.
        row_count: Rows of the table after the command; None if unknown.
        audit_id: Its JOBID in the audit.
        duration: Seconds.
    """

    name: str
    counts: StarlakeCounts | None = None
    error: str | None = None
    checks: tuple[CheckOutcome, ...] | None = None
    checks_unknown: str | None = None
    reasons: tuple[RejectReason, ...] = ()
    files: tuple[LoadedFile, ...] = ()
    row_count: int | None = None
    audit_id: str | None = None
    duration: float | None = None
