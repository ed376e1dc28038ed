"""Outcomes of commands, from the audit that Starlake wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.starlake.common.outcomes.audit_rows import LOAD, AuditRow
from ai.starlake.common.outcomes.reject_reasons import reject_reasons
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, LoadedFile, StarlakeCounts, TableOutcome

_NO_NUMBER = -(2**31)
"""Count that Starlake records if a query does not return a single number."""
NOT_RECORDED = "the audit has no result of it"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ItemOnRecord:
    """A table or task with its names in the audit.

    Args:
        name: Its name in commands.
        domain: The audit's DOMAIN.
        table: The audit's SCHEMA.
        expectations: Its expectations, as in the YAML; None if they cannot be read.
    """

    name: str
    domain: str
    table: str
    expectations: tuple[str, ...] | None


ItemFinder = Callable[[str, str, str], ItemOnRecord | None]
"""Returns the item of a DOMAIN, SCHEMA and PATHS; None for one that is not wanted."""


def _item_of(row: Row) -> tuple[str, str]:
    return str(row["DOMAIN"]).lower(), str(row["SCHEMA"]).lower()


@dataclass(frozen=True)
class AuditRecords:
    """Rows of the audit, oldest first.

    Args:
        audit: Rows of ``audit``.
        rejected: Rows of ``rejected``.
        expectations: Rows of ``expectations``.
    """

    audit: Sequence[AuditRow] = ()
    rejected: Sequence[Row] = ()
    expectations: Sequence[Row] = ()

    def outcomes(self, find: ItemFinder, step: str | None = None) -> Iterator[TableOutcome]:
        """Yield the outcome of each table or task, in the order of their first record.

        Args:
            find: Returns the item of a DOMAIN, SCHEMA and PATHS.
            step: ``LOAD`` or ``TRANSFORM``; None for both. A native load of DuckDB is recorded as both.
        """
        items: dict[tuple[str, str], list[AuditRow]] = {}
        for row in self.audit:
            if step is None or row.step == step:
                items.setdefault(row.item, []).append(row)
        for rows in items.values():
            item = find(rows[-1].domain, rows[-1].table, rows[-1].paths)
            if item is not None:
                yield self._outcome(item, rows)

    def _outcome(self, item: ItemOnRecord, rows: Sequence[AuditRow]) -> TableOutcome:
        loads = [row for row in rows if row.step == LOAD]
        runs = _counted(loads or rows)
        errors = _errors(runs) or _errors(_counted(rows))
        checks, unknown = self._checks(item, rows[-1].item)
        paths = [path for row in runs for path in row.paths.split(",")] if loads else []
        return TableOutcome(
            item.name,
            _counts(runs) if loads else None,
            "\n".join(errors) if errors else None,
            checks,
            unknown,
            reject_reasons(str(row["ERROR"]) for row in self.rejected if _item_of(row) == rows[-1].item),
            tuple(LoadedFile(path.rpartition("/")[2]) for path in paths),
            audit_id=runs[-1].job_id,
            duration=sum(row.duration for row in runs),
        )

    def last_checks(self, item: ItemOnRecord) -> TableOutcome:
        """Return only the last results of the expectations of an item."""
        checks, unknown = self._checks(item, (item.domain.lower(), item.table.lower()))
        return TableOutcome(item.name, checks=checks, checks_unknown=unknown)

    def _checks(self, item: ItemOnRecord, key: tuple[str, str]) -> tuple[tuple[CheckOutcome, ...] | None, str | None]:
        found = {str(row["PARAMS"]): row for row in self.expectations if _item_of(row) == key}
        declared = tuple(found) if item.expectations is None else item.expectations
        if declared and not found:
            return None, "the audit has no results of its expectations"
        return tuple(_check(expect, found.get(expect.replace("'", '"'))) for expect in declared), None


def _counted(rows: Sequence[AuditRow]) -> Sequence[AuditRow]:
    """Return all successful loads, and the last attempt at the same files, or the same task.

    A failed load that was tried again does not count. A successful one does, even if a later file has the same name.
    """
    last = {(row.step, row.paths): row for row in rows}
    return [row for row in rows if row is last[row.step, row.paths] or (row.success and row.step == LOAD)]


def _errors(rows: Sequence[AuditRow]) -> list[str]:
    return [row.message for row in rows if not row.success]


def _counts(rows: Sequence[AuditRow]) -> StarlakeCounts:
    nothing = StarlakeCounts(0, 0, 0, files=True)
    return sum((row.counts or nothing for row in rows), nothing)


def _check(expect: str, row: Row | None) -> CheckOutcome:
    if row is None:
        return CheckOutcome(expect, None, error=NOT_RECORDED)
    error, count = row.get("EXCEPTION") or None, row["COUNT"]
    number = None if error or count is None or count == _NO_NUMBER else int(count)
    return CheckOutcome(expect, bool(row["SUCCESS"]), number, error and str(error))
