"""Collects the outcomes of the tables and tasks of a command, if they are wanted."""

from __future__ import annotations

from dataclasses import replace

from ai.starlake.common.outcomes.reject_reasons import added_reasons
from ai.starlake.common.outcomes.table_outcomes import TableOutcome


class OutcomeLog:
    """The outcomes of one command, table by table.

    Args:
        wanted: True if outcomes are collected, which has a small cost.
    """

    def __init__(self, *, wanted: bool = False) -> None:
        self.wanted = wanted
        self._tables: dict[str, TableOutcome] = {}

    @property
    def tables(self) -> tuple[TableOutcome, ...]:
        """Outcomes so far, in the order in which the tables and tasks first occurred."""
        return tuple(self._tables.values())

    def add(self, outcome: TableOutcome) -> None:
        """Add the outcome of an ingestion or a task; those of one table are merged."""
        earlier = self._tables.get(outcome.name)
        self._tables[outcome.name] = outcome if earlier is None else _merged(earlier, outcome)


def _merged(earlier: TableOutcome, later: TableOutcome) -> TableOutcome:
    """Return the merged outcome of two ingestions of one table."""
    errors = [each.error for each in (earlier, later) if each.error is not None]
    telling = earlier if _violated(earlier) or (later.checks is None and earlier.checks is not None) else later
    return replace(
        later,
        counts=earlier.counts + later.counts if earlier.counts and later.counts else earlier.counts or later.counts,
        error="\n".join(errors) if errors else None,
        checks=telling.checks,
        checks_unknown=telling.checks_unknown,
        reasons=added_reasons(earlier.reasons, later.reasons),
        files=(*earlier.files, *later.files),
        row_count=earlier.row_count if later.row_count is None else later.row_count,
        duration=(earlier.duration or 0) + (later.duration or 0),
    )


def _violated(outcome: TableOutcome) -> bool:
    """Return True if it failed after its expectations were evaluated: then these explain the failure."""
    return outcome.error is not None and any(not check.success for check in outcome.checks or ())
