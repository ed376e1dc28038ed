"""Additional output on a terminal: a progress bar while a load runs, a table at its end. None in pipes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.embedded.cli.console import Console
from ai.starlake.embedded.reporting import Tell
from ai.starlake.embedded.results import JobResult, LoadResult
from ai.starlake.project import Table

if TYPE_CHECKING:
    from rich.progress import Progress


class TerminalConsole(Console):
    """Prints events, and shows the progress of a load.

    Args:
        tell: Receives the output.
        progress: The bar.
    """

    def __init__(self, tell: Tell, progress: Progress) -> None:
        super().__init__(tell)
        self._progress = progress
        self._bar = progress.add_task("loading", total=None)

    def planned(self, jobs: int) -> None:
        """Add planned ingestions."""
        total = self._progress.tasks[self._bar].total or 0
        self._progress.update(self._bar, total=total + jobs)

    def loading(self, table: Table, files: tuple[Path, ...]) -> None:
        """Show the table and file beside the bar."""
        super().loading(table, files)
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        self._progress.update(self._bar, description=f"{table.target}: {files[0].name}{more}")

    def loaded(self, job: JobResult) -> None:
        """Move the bar."""
        super().loaded(job)
        self._progress.advance(self._bar)


def is_watched() -> bool:
    """Return True if standard error is a terminal."""
    return sys.stderr.isatty()


@contextmanager
def watched(tell: Tell) -> Iterator[Console]:
    """Return a console for a load: with a temporary progress bar on a terminal."""
    if not is_watched():
        yield Console(tell)
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
        yield TerminalConsole(tell, progress)


def show_summary(result: LoadResult) -> None:
    """Print a summary of the load, one line per table, on standard error; print nothing if it is not a terminal."""
    if not is_watched() or not result.jobs:
        return
    from rich.console import Console as RichConsole
    from rich.table import Table as RichTable

    table = RichTable("table", "files", "rows", "accepted", "rejected", "failed files", "seconds")
    for name in dict.fromkeys(f"{job.domain}.{job.table}" for job in result.jobs):
        jobs = [job for job in result.jobs if f"{job.domain}.{job.table}" == name]
        table.add_row(
            name,
            str(sum(len(job.files) for job in jobs)),
            str(sum(job.input_count for job in jobs)),
            str(sum(job.accepted_count for job in jobs)),
            str(sum(job.rejected_count for job in jobs)),
            str(sum(len(job.files) for job in jobs if job.error is not None)),
            f"{sum(job.duration for job in jobs) / 1000:.1f}",
        )
    RichConsole(stderr=True).print(table)
