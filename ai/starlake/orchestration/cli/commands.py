"""The commands of the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from ai.starlake.job.sections import check_sections, sections_of
from ai.starlake.orchestration.cli import arguments, terminal_tables
from ai.starlake.orchestration.cli.arguments import taken
from ai.starlake.orchestration.cli.loading import load_pipelines
from ai.starlake.orchestration.pipeline_runs import RunDate, RunnablePipeline, RunOptions, RunReport

Command = Callable[..., Any]

_LOADS_WHAT_WAITS = (
    "Loads take the files that wait now, whatever interval a run is for: to load an interval again, deliver its files "
    "again."
)

_FILE = click.option(
    "--file",
    "-f",
    "file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The DAG file.",
)
_PIPELINE = click.option("--pipeline", "-p", "names", multiple=True, metavar="NAME", help="Only this one of the file.")
_OPTIONS = click.option(
    "--options",
    default="",
    callback=arguments.options,
    metavar="JSON|K=V,...",
    help="Substitutions for all commands; a section of JSON that is named as a table, a task or an op is for it only.",
)
_DATE = click.option(
    "--date",
    "moment",
    callback=arguments.moment,
    metavar="DATE",
    help="The date of the run: a day or a time, as in 2026-03-01; by default the last interval, or now.",
)
_RECORD = click.option("--record", is_flag=True, help="Record the run in the Dagster instance of DAGSTER_HOME.")
_VERBOSE = click.option("--verbose", "-v", is_flag=True, help="Show what the commands print.")


@click.command()
@_FILE
@_PIPELINE
@_DATE
@_OPTIONS
@_RECORD
@_VERBOSE
def run(
    file: Path,
    names: Sequence[str],
    moment: date | datetime | None,
    options: Mapping[str, Any],
    *,
    record: bool,
    verbose: bool,
) -> int:
    """Run pipelines in this process, to their end, without any server.

    Tasks run one after the other in this process. Unless --record is given, Dagster keeps nothing of the run.
    """
    rest = dict(options)
    at = taken(rest, "logical_date", moment)
    how = RunOptions(substitutions=rest, recorded=record)
    reports = [
        _execute(pipeline, pipeline.date_of(at) if at else None, how, verbose=verbose)
        for pipeline in _pipelines(file, names, rest)
    ]
    for report in reports:
        terminal_tables.show_report(report)
    return _code(reports)


@click.command("dry-run")
@_FILE
@_PIPELINE
@_DATE
@_OPTIONS
def dry_run(file: Path, names: Sequence[str], moment: date | datetime | None, options: Mapping[str, Any]) -> int:
    """Print each command that a run would run, and change nothing.

    Checks are not made: their loads count as ready. Secrets are masked.
    """
    rest = dict(options)
    at = taken(rest, "logical_date", moment)
    reports = []
    for pipeline in _pipelines(file, names, rest):
        how = _for(pipeline, RunOptions(dry=True, substitutions=rest))
        report = pipeline.execute(pipeline.date_of(at) if at else None, how)
        terminal_tables.show_commands(report)
        reports.append(report)
    return _code(reports)


@click.command()
@_FILE
@_PIPELINE
@click.option("--start", metavar="DATE", callback=arguments.moment, help="The first day or time; it is included.")
@click.option("--end", metavar="DATE", callback=arguments.moment, help="The last day or time; it is included.")
@click.option("--keep-going", is_flag=True, help="Continue with later dates after a failed run.")
@click.option("--dry-run", "dry", is_flag=True, help="Print the commands only.")
@_OPTIONS
@_RECORD
@_VERBOSE
def backfill(file: Path, names: Sequence[str], options: Mapping[str, Any], **given: Any) -> int:
    """Run pipelines once for each interval from --start to --end.

    The intervals begin within that time, both ends included, oldest first. They are those of the pipeline's cron
    expression, else of its data cycle, else the days. The dates may also be given as start_date and end_date in the
    options.
    """
    rest = dict(options)
    first, last = taken(rest, "start_date", given["start"]), taken(rest, "end_date", given["end"])
    if first is None or last is None:
        raise click.UsageError("say from when to when: --start 2026-01-01 --end 2026-01-03")
    how = RunOptions(dry=given["dry"], substitutions=rest, recorded=given["record"])
    plans = [(pipeline, pipeline.dates_between(first, last)) for pipeline in _pipelines(file, names, rest)]
    if any(pipeline.summary().loads for pipeline, _ in plans):
        click.echo(_LOADS_WHAT_WAITS, err=True)
    reports: list[RunReport] = []
    for pipeline, dates in plans:
        if not dates:
            click.echo(f"{pipeline.pipeline_id} has no interval that begins from {first} to {last}", err=True)
        for report in _backfilled(pipeline, dates, how, verbose=given["verbose"]):
            reports.append(report)
            if not report.success and not given["keep_going"]:
                break
    if not how.dry:
        terminal_tables.show_backfill(reports, planned=sum(len(dates) for _, dates in plans))
    return _code(reports)


def _backfilled(
    pipeline: RunnablePipeline, dates: Sequence[RunDate], how: RunOptions, *, verbose: bool
) -> Iterator[RunReport]:
    for run_date in dates:
        report = _execute(pipeline, run_date, how, verbose=verbose)
        if how.dry:
            terminal_tables.show_commands(report)
        yield report


@click.command("list")
@_FILE
def list_pipelines(file: Path) -> None:
    """List the pipelines of a file.

    Each one is listed with its trigger and its partitions.
    """
    terminal_tables.show_summaries([pipeline.summary() for pipeline in load_pipelines(file)])


@click.command()
@_FILE
@_PIPELINE
@click.option(
    "--output",
    "folder",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the flowcharts; the working folder by default.",
)
def graph(file: Path, names: Sequence[str], folder: Path) -> None:
    """Draw pipelines as Mermaid flowcharts (.mmd), which GitHub, GitLab and many editors show."""
    from ai.starlake.orchestration.cli.mermaid import mermaid

    folder.mkdir(parents=True, exist_ok=True)
    for pipeline in load_pipelines(file, names):
        target = folder / f"{pipeline.pipeline_id}.mmd"
        target.write_text(mermaid(pipeline.graph()), encoding="utf-8")
        click.echo(str(target))


COMMANDS = (run, dry_run, backfill, list_pipelines, graph)


def _pipelines(file: Path, names: Sequence[str], options: Mapping[str, Any]) -> Sequence[RunnablePipeline]:
    """Load pipelines, and check that each section of options belongs to one of them."""
    pipelines = load_pipelines(file, names)
    known = frozenset(name for pipeline in pipelines for name in pipeline.section_names())
    check_sections(options, known, ", ".join(f"pipeline {pipeline.pipeline_id}" for pipeline in pipelines))
    return pipelines


def _for(pipeline: RunnablePipeline, how: RunOptions) -> RunOptions:
    return replace(how, substitutions=sections_of(how.substitutions, pipeline.section_names()))


def _execute(pipeline: RunnablePipeline, run_date: RunDate | None, how: RunOptions, *, verbose: bool) -> RunReport:
    """Run a pipeline, with a progress bar on a terminal."""
    title = f"{pipeline.pipeline_id} {run_date or ''}".strip()
    with terminal_tables.progress(title, pipeline.summary().steps) as listener, _output(shown=verbose):
        return pipeline.execute(run_date, replace(_for(pipeline, how), listener=listener))


@contextmanager
def _output(*, shown: bool) -> Iterator[None]:
    """Show the output of commands on standard error, or not at all: the error of a failed command contains its log."""
    if shown:
        with redirect_stdout(sys.stderr):
            yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _code(reports: Sequence[RunReport]) -> int:
    return 0 if all(report.success for report in reports) else 1
