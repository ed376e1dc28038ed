"""Results of the engine's commands: frozen data, independent of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Move:
    """A file that was moved.

    Args:
        name: The name of the file.
        source: Its source folder.
        target: Its target folder.
    """

    name: str
    source: str
    target: str


@dataclass(frozen=True)
class StageResult:
    """Result of ``stage``.

    Args:
        moves: The files that were moved from the landing areas to the stage areas, in order, by their new names.
        unmatched: The files that match no table and stay in the landing areas.
    """

    moves: tuple[Move, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreloadResult:
    """Result of ``preload``; true if there is something to load.

    Args:
        ready: False is a valid result ("nothing to load yet"), not a failure.
        counts: Number of matching files per checked table.
    """

    ready: bool
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """Result of one ingestion: one file, or all files of a table if they are grouped.

    Args:
        domain: The name of the domain.
        table: The name of the table.
        files: The names of the files.
        paths: URIs of the files during the ingestion.
        job_id: The JOBID in the audit.
        input_count: Rows read.
        accepted_count: Rows accepted.
        rejected_count: Rows rejected.
        duration: Milliseconds.
        error: The error; None if it succeeded.
        permanent: True if a retry cannot help against the error.
        warnings: Problems of the files that lose no row, such as probably misspelled columns.
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
    permanent: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadResult:
    """Result of ``load``.

    Args:
        jobs: The ingestions, in execution order.
        unresolved: The names of files that match no table.
    """

    jobs: tuple[JobResult, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[JobResult, ...]:
        """Ingestions that failed; their files are back in the stage area."""
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
    """Result of ``transform``.

    Args:
        tasks: The tasks that ran, in order; more than one only if dependencies ran too.
        text: The output of the command: compiled SQL, the rows of an interactive run, the dependency tree.
        error: The error; None if it succeeded.
        permanent: True if a retry cannot help.
    """

    tasks: tuple[str, ...] = ()
    text: str = ""
    error: str | None = None
    permanent: bool = False
