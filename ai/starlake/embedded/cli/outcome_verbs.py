"""The verbs about tables as they are, and about rows that were rejected."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ai.starlake.common.option_values import names
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, TableOutcome
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.shared_options import shared_options


@click.command()
@click.option("--names", "items", required=True, callback=names, metavar="A.B,C.D", help="Tables and tasks.")
@shared_options()
@click.pass_obj
def check(session: Session, *, items: tuple[str, ...], options: dict[str, str]) -> VerbOutcome:
    """Evaluate the expectations of tables as they are.

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


OUTCOME_VERBS: dict[str, click.Command] = {"check": check}
"""Each of them by its name."""
