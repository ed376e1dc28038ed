"""Results of the engine's commands: frozen data, without any of the engine's machinery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Move:
    """A file that was moved.

    Args:
        name: The name of the file.
        source: The folder it came from.
        target: The folder it went to.
    """

    name: str
    source: str
    target: str


@dataclass(frozen=True)
class StageResult:
    """What ``stage`` did.

    Args:
        moves: The files that went from the landing areas to the stage areas, in order, by the names that they have now.
        unmatched: The files that match no table and stay in the landing areas.
    """

    moves: tuple[Move, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreloadResult:
    """True if there is something to load.

    Args:
        ready: False is a finding ("nothing there yet"), not a failure.
        counts: Files that match, per table that was asked about.
    """

    ready: bool
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """One ingestion: one file, or all files of a table when they are grouped.

    Args:
        domain: The name of the domain.
        table: The name of the table.
        files: The names of the files.
        paths: Where the files were while they were ingested, as URIs.
        job_id: What the audit says under JOBID.
        input_count: Rows read.
        accepted_count: Rows accepted.
        rejected_count: Rows rejected.
        duration: Milliseconds.
        error: Why the ingestion failed, None when it succeeded.
        warnings: What is odd about the files and loses no row, such as columns whose names are probably misspelled.
    """

    domain: str
    table: str
    files: tuple[str, ...]
    paths: tuple[str, ...]
    job_id: str
    input_count: int = 0
    accepted_count: int = 0
    rejected_count: int = 0
    duration: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadResult:
    """What ``load`` did.

    Args:
        jobs: The ingestions, in the order in which they ran.
        unresolved: The names of files that match no table.
    """

    jobs: tuple[JobResult, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[JobResult, ...]:
        """The ingestions that failed; each has its files back in the stage area."""
        return tuple(job for job in self.jobs if job.error is not None)

    @property
    def input_count(self) -> int:
        """Rows read by all ingestions."""
        return sum(job.input_count for job in self.jobs)

    @property
    def accepted_count(self) -> int:
        """Rows accepted by all ingestions."""
        return sum(job.accepted_count for job in self.jobs)

    @property
    def rejected_count(self) -> int:
        """Rows rejected by all ingestions."""
        return sum(job.rejected_count for job in self.jobs)

    @property
    def warning_count(self) -> int:
        """Warnings of all ingestions."""
        return sum(len(job.warnings) for job in self.jobs)


@dataclass(frozen=True)
class TransformResult:
    """What ``transform`` did.

    Args:
        tasks: The tasks that ran, in order; more than one only when dependencies ran too.
        text: What the command prints: compiled SQL, the rows of an interactive run, the dependency tree.
        error: Why it failed, None when it succeeded.
    """

    tasks: tuple[str, ...] = ()
    text: str = ""
    error: str | None = None
