"""Outcomes of an outside run, by table and task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai.starlake.dagster.assets.checks.check_events import call_of

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild
    from ai.starlake.executor.outcomes import TableOutcome
    from ai.starlake.project.assets.project_item import ProjectItem
    from ai.starlake.project.audit import AuditRow


@dataclass(frozen=True)
class OutsideItem:
    """Outcome of one table or task in an outside run.

    Args:
        item: The table or task.
        run: The name of the run.
        rows: Its rows in the audit, in the order of their end.
        outcome: Its outcome.
        made_rows: The rows that succeeded.
        made: The outcome of these; None if nothing succeeded.
    """

    item: ProjectItem
    run: str
    rows: tuple[AuditRow, ...]
    outcome: TableOutcome
    made_rows: tuple[AuditRow, ...] = ()
    made: TableOutcome | None = None

    @property
    def last(self) -> AuditRow:
        """The row that ended last."""
        return self.rows[-1]

    @property
    def error(self) -> str | None:
        """The error; None if it succeeded.

        Starlake records a load as a success even if its expectations then fail it.
        """
        if self.outcome.error is not None:
            return self.outcome.error
        strict = {call_of(each.expect) for each in self.item.expectations if each.fail_on_error}
        unmet = [
            each.expect
            for each in self.outcome.checks or ()
            if each.success is False and call_of(each.expect) in strict
        ]
        return f"its expectations are not met: {', '.join(unmet)}" if unmet else None


@dataclass(frozen=True)
class OutsideItems:
    """Outcomes in rows of the audit.

    Args:
        items: The tables and tasks that the facade shows, in the order of their end.
        unknown: The names of those that the project does not have.
    """

    items: tuple[OutsideItem, ...]
    unknown: tuple[str, ...] = field(default=())


def outside_items(build: FacadeBuild, rows: Sequence[AuditRow], run: str) -> OutsideItems:
    """Return the outcomes in the rows of one run, by table and task; see `items_of_runs`."""
    return items_of_runs(build, [(run, rows)])[0]


def items_of_runs(build: FacadeBuild, runs: Sequence[tuple[str, Sequence[AuditRow]]]) -> list[OutsideItems]:
    """Return the outcomes in the rows of runs, by run and by table and task. It needs as many queries as one run.

    Args:
        build: The items, and the audit.
        runs: The name of each run, and its rows, in the order of their end.

    Raises:
        StarlakeError: If the audit cannot be read.
    """
    sorted_rows = [by_item(build, rows) for _, rows in runs]
    outcomes = _outcomes(build, [found for found, _ in sorted_rows])
    partial = [
        {
            name: kept
            for name, rows in found.items()
            if outcome[name].error is not None and (kept := [row for row in rows if row.success])
        }
        for (found, _), outcome in zip(sorted_rows, outcomes, strict=True)
    ]
    made = _outcomes(build, partial)
    return [
        OutsideItems(_items(build, run, found, outcome, partly), unknown)
        for (run, _), (found, unknown), outcome, partly in zip(runs, sorted_rows, outcomes, made, strict=True)
    ]


def _items(
    build: FacadeBuild,
    run: str,
    found: Mapping[str, Sequence[AuditRow]],
    outcomes: Mapping[str, TableOutcome],
    partly: Mapping[str, TableOutcome],
) -> tuple[OutsideItem, ...]:
    """Return the tables and tasks of one run.

    Args:
        build: The items.
        run: The name of the run.
        found: The rows of each.
        outcomes: The outcome of each.
        partly: For failed ones, the outcome of what succeeded before.
    """
    items = [
        OutsideItem(
            item=build.on_record.named(name),
            run=run,
            rows=tuple(rows),
            outcome=outcomes[name],
            made_rows=tuple(row for row in rows if row.success),
            made=outcomes[name] if outcomes[name].error is None else partly.get(name),
        )
        for name, rows in found.items()
    ]
    return tuple(sorted(items, key=lambda each: each.last.ended))


def by_item(build: FacadeBuild, rows: Iterable[AuditRow]) -> tuple[Mapping[str, list[AuditRow]], tuple[str, ...]]:
    """Return rows by the item that the facade shows, and the names of items that the project does not have.

    Args:
        build: The items.
        rows: The rows.
    """
    found: dict[str, list[AuditRow]] = {}
    unknown: dict[str, None] = {}
    for row in rows:
        item = build.on_record.chosen(row)
        if item is not None:
            found.setdefault(item.full_name, []).append(row)
        elif not build.on_record.knows(row):
            unknown[f"{row.domain}.{row.table}"] = None
    return found, tuple(unknown)


def _outcomes(build: FacadeBuild, runs: Sequence[Mapping[str, Sequence[AuditRow]]]) -> list[dict[str, TableOutcome]]:
    if not any(runs):
        return [{} for _ in runs]
    rows = [[row for of_item in found.values() for row in of_item] for found in runs]
    outcomes = build.audit.outcomes_of_runs(rows, build.on_record.item_on_record)
    return [{outcome.name: outcome for outcome in of_run} for of_run in outcomes]
