"""Output of a command: Starlake's markers on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ai.starlake.embedded.areas.area_files import uri
from ai.starlake.embedded.reporting import Tell
from ai.starlake.embedded.results import JobResult, LoadResult, Move
from ai.starlake.project import Finding, Table


class Console:
    """Prints events of the engine.

    Args:
        tell: Receives the output.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def _print(self, line: str) -> None:
        self._tell("stdout", line)

    def staging(self, source: Path, target: Path, moves: tuple[Move, ...]) -> None:
        """Print ``Moving N file(s) from <dir> to <dest>``, then each file."""
        self._print(f"Moving {len(moves)} file(s) from {source} to {target}")
        for move in moves:
            self._print(f"Moving {move.name}")

    def planned(self, jobs: int) -> None:
        """Print nothing about planned ingestions."""

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Print the block that precedes an ingestion."""
        self._print("Loading")
        self._print(f"Format: {table.metadata.format}")
        self._print(f"File(s): {','.join(uri(file) for file in files)}")
        self._print(f"Table: {table.target}")

    def loaded(self, job: JobResult) -> None:
        """Print the summary of an ingestion; a failure is reported at the end of the command."""
        if job.error is not None:
            return
        self._print("Load summary:")
        self._print(f"Input records: {job.input_count}")
        self._print(f"Accepted: {job.accepted_count}")
        self._print(f"Rejected: {job.rejected_count}")
        for warning in job.warnings:
            self._print(f"Warning: {warning}")
        if job.rejected_count > 0 and job.accepted_count == 0:
            self._print(f"No row was loaded from {','.join(job.paths)}: all are rejected, see audit.rejected")
        else:
            self._print(f"Data successfully loaded from {','.join(job.paths)}")

    def transforming(self, task: str) -> None:
        """Receive the start of a task."""
        self._tell("stderr", f"Transforming {task}")

    def progressing(self, text: str) -> None:
        """Print the progress of a task to standard error."""
        self._tell("stderr", text)


def counters_text(result: LoadResult) -> str:
    """Return the line for machines: the counts of all ingestions of a command.

    As in Starlake 1.5.16 every job id is preceded by a comma, and empty lists and strings are left out.
    """
    counters: dict[str, object] = {
        "inputCount": result.input_count,
        "acceptedCount": result.accepted_count,
        "rejectedCount": result.rejected_count,
    }
    if result.warning_count:
        counters["warningCount"] = result.warning_count
    if result.jobs:
        counters["paths"] = [path for job in result.jobs for path in job.paths]
        counters["jobid"] = "".join(f",{job.job_id}" for job in result.jobs)
    return "IngestionCounters:" + json.dumps(counters, separators=(",", ":"), ensure_ascii=False)


def findings_text(findings: Sequence[Finding]) -> str:
    """Return the findings of a project, one per line, and their number."""
    errors = sum(finding.is_error for finding in findings)
    return "\n".join([*map(str, findings), f"{errors} error(s), {len(findings) - errors} warning(s)"])
