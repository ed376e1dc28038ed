"""Verbs for existing tables, and for rejected rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ai.starlake.common.option_values import moment, names
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, StarlakeCounts, TableOutcome
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.shared_options import shared_options

if TYPE_CHECKING:
    from ai.starlake.embedded.results import LoadResult


@click.command()
@click.option("--names", "items", required=True, callback=names, metavar="A.B,C.D", help="Tables and tasks.")
@shared_options()
@click.pass_obj
def check(session: Session, *, items: tuple[str, ...], options: dict[str, str]) -> VerbOutcome:
    """Evaluate the expectations of existing tables.

    Nothing is loaded or written, the audit included. Exit code 1: an expectation is not met, or a table cannot be
    checked.
    """
    outcomes = session.engine(options).check(items)
    errors = [f"{one.name}: {one.error}" for one in outcomes if one.error]
    text = "\n".join(line for one in outcomes for line in _lines(one))
    if errors:
        return VerbOutcome(text, error="\n".join(errors))
    unmet = sum(not each.success for one in outcomes for each in one.checks or ())
    return VerbOutcome(text, negative=f"{unmet} expectation(s) are not met" if unmet else None)


def _lines(outcome: TableOutcome) -> Iterator[str]:
    if outcome.checks is None and outcome.error is None:
        yield f"{outcome.name}: not checked, {outcome.checks_unknown}"
    for one in outcome.checks or ():
        yield f"{outcome.name}: {one.expect}: {_verdict(one)}"


def _verdict(one: CheckOutcome) -> str:
    if one.success:
        return "met"
    return f"not met: {one.error or ('no number' if one.count is None else one.count)}"


_DOMAINS = click.option("--domains", default="", callback=names, metavar="A,B", help="Domains; all by default.")
_TABLES = click.option("--tables", default="", callback=names, metavar="A,B", help="Tables; all by default.")


@click.command()
@_DOMAINS
@_TABLES
@click.option("--since", callback=moment, metavar="DATE", help="Only loads that began then or later.")
@click.option("--jobId", "job_id", metavar="ID", help="Only loads of this JOBID.")
@shared_options()
@click.pass_obj
def rejects(
    session: Session,
    *,
    domains: tuple[str, ...],
    tables: tuple[str, ...],
    since: datetime | None,
    job_id: str | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Show the number of rejected rows and the reasons, by table, and the files in the replay area."""
    outcomes = session.engine(options).rejected_rows(domains, tables, since=since, job_id=job_id)
    return VerbOutcome("\n".join(line for one in outcomes for line in _reject_lines(one)))


def _reject_lines(outcome: TableOutcome) -> Iterator[str]:
    counts = outcome.counts or StarlakeCounts(0, 0, 0)
    yield f"{outcome.name}: {counts.rejected} of {counts.input} rows are rejected"
    for reason in outcome.reasons:
        yield f"  {reason.rows} on record: {reason.reason}"
    for file in outcome.files:
        yield f"  waits in the replay area: {file.name}"


@click.command()
@_DOMAINS
@_TABLES
@click.option("--scheduledDate", "scheduled", callback=moment, metavar="DATE", help="The logical date, for the audit.")
@shared_options()
@click.pass_obj
def replay(
    session: Session,
    *,
    domains: tuple[str, ...],
    tables: tuple[str, ...],
    scheduled: datetime | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Load rejected rows again, after the metadata is corrected.

    sinkReplayToFile: true in the application keeps them in the replay area. Loaded files go to the archive, so that no
    row is loaded twice; a file that cannot be loaded stays, and the exit code is 1.
    """
    return load_outcome(session, session.engine(options).replay(domains, tables, scheduled=scheduled))


def load_outcome(session: Session, result: LoadResult) -> VerbOutcome:
    """Return the outcome of a verb that loads.

    Args:
        session: The session, which defines whether the counts are printed.
        result: The result of the load.
    """
    from ai.starlake.embedded.cli.console import counters_text

    if result.failures:
        failed = (f"{job.domain}.{job.table} ({', '.join(job.files)}): {job.error}" for job in result.failures)
        permanent = all(job.permanent for job in result.failures)
        return VerbOutcome(load=result, error="\n".join(failed), permanent=permanent)
    return VerbOutcome(counters_text(result) if "SL_API" in session.environment else "", load=result)


OUTCOME_VERBS: dict[str, click.Command] = {"check": check, "rejects": rejects, "replay": replay}
"""Verbs by name."""
