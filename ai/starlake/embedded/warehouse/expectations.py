"""Expectations: checks of a table after it was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome
from ai.starlake.embedded.database.statements import SqlError, Statement, origin
from ai.starlake.embedded.warehouse.audit import AuditLog, Entry
from ai.starlake.embedded.warehouse.offending_rows import offending_rows
from ai.starlake.embedded.warehouse.warehouse import Target, Warehouse
from ai.starlake.project import Expectation, Project, Table, Task

T = TypeVar("T")

_NO_NUMBER = -(2**31)
"""Count that Starlake records if the query does not return a single number."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one expectation."""

    expectation: Expectation
    name: str
    sql: str
    count: int
    exception: str

    @property
    def success(self) -> bool:
        """True if the query returned one row whose first column is 0."""
        return not self.exception and self.count == 0


class ExpectationError(StarlakeError):
    """Expectations of a table are not met, and the project requires them.

    Args:
        table: The table.
        entry: The job, for the audit.
        outcomes: The outcomes of all expectations.
    """

    def __init__(self, table: str, entry: Entry, outcomes: Sequence[Outcome]) -> None:
        self.entry = entry
        self.outcomes = tuple(outcomes)
        failed = [one for one in outcomes if not one.success and one.expectation.fail_on_error]
        found = "; ".join(f"{one.expectation.expect}: {one.exception or f'{one.count} instead of 0'}" for one in failed)
        super().__init__(
            f"{table} does not meet {len(failed)} of its {len(outcomes)} expectations",
            cause=found,
            fix="correct the data, nothing was written; or set expectations.failOnError: false in the application",
        )


class _BrokenQueryError(Exception):
    """The query of an expectation failed, and with it the transaction."""

    def __init__(self, place: int, text: str) -> None:
        self.place = place
        self.text = text
        super().__init__(text)


def attempts(write: Callable[[Mapping[int, str]], T]) -> T:
    """Run a transaction that ends with `check`; repeat it if the query of an expectation broke it.

    A database may end a transaction at the first error. A failing query is an outcome too, and has no effect on the
    rows.

    Args:
        write: Runs the transaction; its argument are the known failures, by the expectation's position.
    """
    broken: dict[int, str] = {}
    while True:
        try:
            return write(broken)
        except _BrokenQueryError as error:  # noqa: PERF203  one round per broken query
            broken[error.place] = error.text


def check(
    warehouse: Warehouse,
    audit: AuditLog,
    project: Project,
    target: Target,
    item: Table | Task,
    *,
    entry: Entry,
    broken: Mapping[int, str],
) -> tuple[Outcome, ...]:
    """Check a table in the transaction that wrote it, and record the outcomes.

    Args:
        warehouse: The warehouse of the table.
        audit: The audit for the outcomes.
        project: The project.
        target: The table.
        item: The table or task whose expectations they are.
        entry: The job, for the audit.
        broken: The known failures, from `attempts`.

    Returns:
        The outcomes; empty if expectations are switched off.

    Raises:
        ExpectationError: If a required one is not met; the transaction must be rolled back then.
        StarlakeError: If one calls an unknown macro.
    """
    settings = project.application.expectations
    if not settings.active:
        return ()
    outcomes = evaluated(warehouse, project, target, item, broken=broken)
    if settings.fail_on_error and any(not one.success and one.expectation.fail_on_error for one in outcomes):
        raise ExpectationError(target.label, entry, outcomes)
    _record(audit, entry, outcomes)
    return outcomes


def evaluated(
    warehouse: Warehouse, project: Project, target: Target, item: Table | Task, *, broken: Mapping[int, str]
) -> tuple[Outcome, ...]:
    """Return the outcomes of the expectations of a table, without recording them.

    Args:
        warehouse: The warehouse of the table.
        project: The project.
        target: The table.
        item: The table or task whose expectations they are.
        broken: The known failures, from `attempts`.

    Raises:
        StarlakeError: If one calls an unknown macro.
    """
    outcomes = []
    for place, each in enumerate(item.expectations):
        question = _question(warehouse, project, target, each, item.file)
        outcomes.append(_answer(warehouse, question, place, broken, item))
    return tuple(outcomes)


def as_reported(
    warehouse: Warehouse, target: Target, item: Table | Task, outcomes: Sequence[Outcome]
) -> tuple[CheckOutcome, ...]:
    """Return outcomes in the form that commands report, with the first rows that violate an expectation.

    Args:
        warehouse: The warehouse of the table.
        target: The table.
        item: The table or task whose expectations they are.
        outcomes: The outcomes.
    """
    return tuple(
        CheckOutcome(
            one.expectation.expect,
            one.success,
            None if one.exception or one.count == _NO_NUMBER else one.count,
            one.exception or None,
            () if one.success or one.exception else offending_rows(warehouse, target, item, one.sql),
        )
        for one in outcomes
    )


def record_failures(audit: AuditLog, error: Exception) -> None:
    """Record the outcomes that made a job fail, after its transaction was rolled back."""
    if isinstance(error, ExpectationError):
        _record(audit, error.entry, error.outcomes)


def _record(audit: AuditLog, entry: Entry, outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        params = _double_quoted(one.expectation.expect)
        audit.expectation(
            entry,
            name=one.name,
            params=params,
            sql=one.sql,
            count=one.count,
            exception=one.exception,
            success=one.success,
        )


def _question(
    warehouse: Warehouse, project: Project, target: Target, expectation: Expectation, file: Path | None
) -> Outcome:
    """Return the query of an expectation, not yet evaluated."""
    sql = question_sql(warehouse.quoted, project, target, expectation, file)
    return Outcome(expectation, _double_quoted(expectation.call), sql, 0, "")


def question_sql(
    quoted: Callable[..., str],
    project: Project,
    target: Target,
    expectation: Expectation,
    file: Path | None,
    *,
    planned: bool = False,
) -> str:
    """Return the query of an expectation.

    Args:
        quoted: Quotes the parts of a name for SQL, and joins them with dots.
        project: The project, whose macros it calls.
        target: The checked table.
        expectation: The expectation.
        file: Its file, for error messages.
        planned: True if it is only checked, so that variables of a run may have any value.

    Raises:
        StarlakeError: If it calls an unknown macro.
    """
    label = f"the expectation {expectation.expect} of {target.label}"
    sql = project.render(f"{{{{ {expectation.call} }}}}", macros=True, label=label, file=file, planned=planned).strip()
    if not sql:
        raise PermanentError(
            f"the expectation {expectation.expect} of {target.label} gives no SQL",
            cause="no macro of that name is defined",
            fix="define it in a .j2 file under metadata/expectations",
        )
    return re.sub(r"\bsl_this\b", lambda _: quoted(target.schema, target.name), sql, flags=re.IGNORECASE).rstrip("; \n")


def _answer(
    warehouse: Warehouse, question: Outcome, place: int, broken: Mapping[int, str], item: Table | Task
) -> Outcome:
    if place in broken:
        return replace(question, exception=broken[place])
    file, line = origin(item, question.expectation.expect)
    statement = Statement(question.sql, file, (line,) if line else ())
    try:
        rows = warehouse.answer(statement, 2)
    except SqlError as error:
        raise _BrokenQueryError(place, str(error)) from error
    try:
        return replace(question, count=int(rows[0][0]) if len(rows) == 1 else _NO_NUMBER)
    except (ValueError, TypeError):
        return replace(question, count=_NO_NUMBER)


def _double_quoted(text: str) -> str:
    return text.replace("'", '"')
