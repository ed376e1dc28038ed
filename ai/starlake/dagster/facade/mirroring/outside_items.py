"""What a run outside did for each table and task."""

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
    """What a run outside did for one table or task.

    Args:
        item: The table or task.
        run: The name of the run.
        rows: Its rows in the audit, those that ended first first.
        outcome: What became of it.
        made_rows: The rows of what succeeded.
        made: What became of these; None if nothing succeeded.
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
        """Why it failed; None if it succeeded.

        Starlake records a load as a success whose expectations then fail it.
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
    """What is in rows of the audit.

    Args:
        items: The tables and tasks that the facade shows, those that ended first first.
        unknown: The names of those that the project does not have.
    """

    items: tuple[OutsideItem, ...]
    unknown: tuple[str, ...] = field(default=())


def outside_items(build: FacadeBuild, rows: Iterable[AuditRow], run: str) -> OutsideItems:
    """Return what some rows of the audit say, by table and task.

    Args:
        build: The items, and the audit.
        rows: The rows, those that ended first first.
        run: The name of the run that they are of.

    Raises:
        StarlakeError: If the audit cannot be read.
    """
    found, unknown = by_item(build, rows)
    outcomes = _outcomes(build, [row for of_item in found.values() for row in of_item])
    made = {name: [row for row in of_item if row.success] for name, of_item in found.items()}
    partial = [name for name, of_item in made.items() if of_item and outcomes[name].error is not None]
    of_partial = _outcomes(build, [row for name in partial for row in made[name]])
    succeeded = {**{name: each for name, each in outcomes.items() if each.error is None}, **of_partial}
    items = [
        OutsideItem(
            item=build.on_record.named(name),
            run=run,
            rows=tuple(of_item),
            outcome=outcomes[name],
            made_rows=tuple(made[name]),
            made=succeeded.get(name),
        )
        for name, of_item in found.items()
    ]
    return OutsideItems(tuple(sorted(items, key=lambda each: each.last.ended)), unknown)


def by_item(build: FacadeBuild, rows: Iterable[AuditRow]) -> tuple[Mapping[str, list[AuditRow]], tuple[str, ...]]:
    """Return rows by the name of the table or task that the facade shows, and the names of what the project lacks.

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


def _outcomes(build: FacadeBuild, rows: Sequence[AuditRow]) -> Mapping[str, TableOutcome]:
    if not rows:
        return {}
    return {outcome.name: outcome for outcome in build.audit.outcomes(rows, build.on_record.item_on_record)}
