"""Outcomes of commands from the audit that Starlake wrote, where that is in a DuckDB file of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.outcomes.reject_reasons import reject_reasons
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, LoadedFile, StarlakeCounts, TableOutcome
from ai.starlake.project.databases.connections import duckdb_file, find_connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ai.starlake.project.settings import Settings

_NO_NUMBER = -(2**31)
"""The count that Starlake records if a query gives no single number."""
NOT_RECORDED = "the audit has no result of it"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ItemOnRecord:
    """A table or task as the audit names it.

    Args:
        name: As commands take it.
        domain: The audit's DOMAIN.
        table: The audit's SCHEMA.
        expectations: Its expectations, as the YAML has them; None if they cannot be read.
    """

    name: str
    domain: str
    table: str
    expectations: tuple[str, ...] | None


@dataclass(frozen=True)
class AuditFile:
    """The audit of a project in a DuckDB file.

    Args:
        file: The file.
        schemas: The schemas of its tables.
    """

    file: Path
    schemas: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> AuditFile:
        """Return the audit of a project.

        Raises:
            StarlakeError: If it cannot be reached from here; the culprit is one sentence.
        """
        application, audit = settings.application, settings.application.audit
        if not audit.active:
            raise StarlakeError("the audit is switched off (audit.active)")
        connection = find_connection(application, settings.areas, *application.audit_refs)
        file = duckdb_file(connection, settings.areas)
        where = f"the audit of connection {connection.name} is not reachable from here"
        if file is None:
            raise StarlakeError(f"{where}: it is not a DuckDB file, its type is {connection.type}")
        if not file.exists():
            raise StarlakeError(f"{where}: {file} does not exist")
        rejected, expectations = audit.domain_rejected or audit.domain, audit.domain_expectation or audit.domain
        return cls(file, {"audit": audit.domain, "rejected": rejected, "expectations": expectations})

    def records(
        self, tables: Sequence[str], job_id: str | None, items: Sequence[tuple[str, str]]
    ) -> dict[str, list[Row]]:
        """Read what is on record, oldest first.

        Args:
            tables: The audit tables: ``audit``, ``rejected``, ``expectations``.
            job_id: Of the commands with this JOBID; None for all commands.
            items: DOMAIN and SCHEMA of the tables and tasks; empty for all.

        Raises:
            StarlakeError: If it cannot be read; the culprit is one sentence.
        """
        where = f"the audit in {self.file} cannot be read"
        try:
            import duckdb
        except ImportError:
            raise StarlakeError(f"{where}: the package duckdb is not installed") from None
        try:
            with duckdb.connect(str(self.file), read_only=True) as connection:
                return {name: _rows(connection, self.schemas[name], name, job_id, items) for name in tables}
        except duckdb.Error as error:
            raise StarlakeError(f"{where}: {next(iter(str(error).splitlines()), '')}") from error


def _rows(
    connection: DuckDBPyConnection, schema: str, name: str, job_id: str | None, items: Sequence[tuple[str, str]]
) -> list[Row]:
    """Return the rows of an audit table, oldest first; none if it does not exist."""
    same = "database_name = current_database() AND schema_name = ? AND table_name = ?"
    if not connection.execute(f"FROM duckdb_tables() WHERE {same}", [schema, name]).fetchall():
        return []
    conditions, values = ["true"], []
    if job_id is not None:
        conditions, values = ["JOBID = ?"], [job_id]
    if items:
        conditions.append(f"({' OR '.join(['lower(DOMAIN) = ? AND lower(SCHEMA) = ?'] * len(items))})")
        values += [text.lower() for item in items for text in item]
    place = ".".join('"{}"'.format(part.replace('"', '""')) for part in (schema, name))
    found = connection.execute(f"FROM {place} WHERE {' AND '.join(conditions)} ORDER BY TIMESTAMP", values)
    columns = [column[0].upper() for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def _item_of(row: Row) -> tuple[str, str]:
    return str(row["DOMAIN"]).lower(), str(row["SCHEMA"]).lower()


@dataclass(frozen=True)
class AuditRecords:
    """Rows of the audit, oldest first.

    Args:
        audit: Of ``audit``.
        rejected: Of ``rejected``.
        expectations: Of ``expectations``.
    """

    audit: Sequence[Row] = ()
    rejected: Sequence[Row] = ()
    expectations: Sequence[Row] = ()

    def outcomes(self, step: str, find: Callable[[str, str, str], ItemOnRecord]) -> Iterator[TableOutcome]:
        """Yield the outcome of each table or task, in the order in which they were recorded first.

        Args:
            step: ``LOAD`` or ``TRANSFORM``.
            find: Returns the item of a DOMAIN, SCHEMA and PATHS.
        """
        runs: dict[tuple[str, str], dict[str, Row]] = {}
        for row in self.audit:
            if row["STEP"] == step:
                runs.setdefault(_item_of(row), {})[str(row["PATHS"])] = row  # a later attempt counts
        for key, rows in runs.items():
            last = list(rows.values())[-1]
            item = find(str(last["DOMAIN"]), str(last["SCHEMA"]), str(last["PATHS"]))
            yield self._outcome(item, key, list(rows.values()), is_load=step == "LOAD")

    def _outcome(self, item: ItemOnRecord, key: tuple[str, str], runs: Sequence[Row], *, is_load: bool) -> TableOutcome:
        errors = [str(row["MESSAGE"]) for row in runs if not row["SUCCESS"]]
        checks, unknown = self._checks(item, key)
        paths = [path for row in runs for path in str(row["PATHS"]).split(",")] if is_load else []
        return TableOutcome(
            item.name,
            _counts(runs) if is_load else None,
            "\n".join(errors) if errors else None,
            checks,
            unknown,
            reject_reasons(str(row["ERROR"]) for row in self.rejected if _item_of(row) == key),
            tuple(LoadedFile(path.rpartition("/")[2]) for path in paths),
            audit_id=str(runs[-1]["JOBID"]),
            duration=sum(int(row["DURATION"] or 0) for row in runs) / 1000,
        )

    def last_checks(self, item: ItemOnRecord) -> TableOutcome:
        """Return the last results of the expectations of an item, and nothing else."""
        checks, unknown = self._checks(item, (item.domain.lower(), item.table.lower()))
        return TableOutcome(item.name, checks=checks, checks_unknown=unknown)

    def _checks(self, item: ItemOnRecord, key: tuple[str, str]) -> tuple[tuple[CheckOutcome, ...] | None, str | None]:
        found = {str(row["PARAMS"]): row for row in self.expectations if _item_of(row) == key}
        declared = tuple(found) if item.expectations is None else item.expectations
        if declared and not found:
            return None, "the audit has no results of its expectations"
        return tuple(_check(expect, found.get(expect.replace("'", '"'))) for expect in declared), None


def _counts(runs: Sequence[Row]) -> StarlakeCounts:
    numbers = [[max(0, int(row[name] or 0)) for name in ("COUNT", "COUNTACCEPTED", "COUNTREJECTED")] for row in runs]
    read, accepted, rejected = map(sum, zip(*numbers, strict=True))
    lost = sum(accepted == 0 and rejected > 0 for _, accepted, rejected in numbers)
    return StarlakeCounts(read, accepted, rejected, files=True, lost_files=lost)


def _check(expect: str, row: Row | None) -> CheckOutcome:
    if row is None:
        return CheckOutcome(expect, None, error=NOT_RECORDED)
    error, count = row.get("EXCEPTION") or None, row["COUNT"]
    number = None if error or count is None or count == _NO_NUMBER else int(count)
    return CheckOutcome(expect, bool(row["SUCCESS"]), number, error and str(error))
