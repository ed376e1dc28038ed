"""Show commands, tables and progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ai.starlake.orchestration.pipeline_runs import Listener, RunReport, Step, StepState, Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {
    StepState.SUCCEEDED: "green",
    StepState.PLANNED: "cyan",
    StepState.FAILED: "red",
    StepState.SKIPPED: "dim",
    StepState.RUNNING: "yellow",
}
_OUTCOMES = {"succeeded": "green", "skipped": "yellow", "failed": "red"}
_WIDE = 160
"""Width of tables outside of a terminal."""


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console as RichConsole

    # bound to the current stream: the output of commands is redirected while a bar is shown
    console = RichConsole(file=sys.stderr if stderr else None)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def _table(*columns: str) -> Table:
    from rich.table import Table as RichTable

    return RichTable(*columns)


@contextmanager
def progress(title: str, total: int) -> Iterator[Listener | None]:
    """Yield a temporary progress bar on standard error for a run; None if it is not a terminal.

    Args:
        title: Name of the run.
        total: Number of steps.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_console(stderr=True), transient=True, redirect_stdout=False) as bars:
        bar = bars.add_task(title, total=total)

        def listen(step: Step) -> None:
            if step.state is StepState.RUNNING:
                bars.update(bar, description=f"{title}: {step.name}")
            else:
                bars.advance(bar)

        yield listen


def show_commands(report: RunReport) -> None:
    """Print the commands of a dry run, quoted as for a shell; everything else as comments."""
    click.echo(f"# {report.pipeline}{_for(report)}")
    for step in report.steps:
        for command in step.commands:
            click.echo(command)
        if not step.commands and step.detail:
            click.echo(f"# {step.name}: {step.detail}")


def show_report(report: RunReport) -> None:
    """Print the steps of a run as a table, and the errors of failed steps."""
    from rich.text import Text

    table = _table("step", "state", "seconds", "result")
    for step in report.steps:
        text = step.detail.strip().splitlines()
        table.add_row(
            Text(step.name, overflow="fold"),
            Text(step.state.value, _STYLES[step.state]),
            "" if step.seconds is None else f"{step.seconds:.1f}",
            Text(text[0] if text else "", overflow="fold"),
        )
    console = _console()
    outcome = f"[{_OUTCOMES[report.outcome]}]{report.outcome}[/]"
    why = ": there was nothing to load" if report.skipped else ""
    console.print(f"{report.pipeline}{_for(report)} {outcome}{why}", highlight=False)
    console.print(table)
    _show_failures(report)


def _show_failures(report: RunReport) -> None:
    for step in report.steps:
        if step.state is StepState.FAILED and len(step.detail.strip().splitlines()) > 1:
            click.echo(f"\n{step.name} failed:\n{step.detail}", err=True)


def show_backfill(reports: Sequence[RunReport], planned: int) -> None:
    """Print the runs of a backfill, one line each."""
    from rich.text import Text

    table = _table("pipeline", "for", "state", "steps", "seconds", "read", "accepted", "rejected", "failed")
    for report in reports:
        failed = [step.name for step in report.steps if step.state is StepState.FAILED]
        table.add_row(
            Text(report.pipeline, overflow="fold"),
            Text(str(report.date or "")),
            Text(report.outcome, _OUTCOMES[report.outcome]),
            str(sum(step.state is not StepState.SKIPPED for step in report.steps)),
            f"{sum(step.seconds or 0 for step in report.steps):.1f}",
            *(map(str, report.rows) if report.rows else ("", "", "")),
            Text(", ".join(failed)),
        )
    _console().print(table)
    for report in reports:
        _show_failures(report)
    if len(reports) < planned:
        click.echo(f"{planned - len(reports)} of {planned} runs were not started", err=True)


def show_summaries(summaries: Sequence[Summary]) -> None:
    """Print the pipelines of a file as a table."""
    from rich.text import Text

    table = _table("pipeline", "steps", "schedule", "starts on", "partitions")
    for summary in summaries:
        found = (summary.schedule, summary.sensor, summary.partitions)
        table.add_row(
            Text(summary.name, overflow="fold"),
            str(summary.steps),
            *(Text(text or "", overflow="fold") for text in found),
        )
    _console().print(table)


def _for(report: RunReport) -> str:
    return f" for {report.date}" if report.date else ""
