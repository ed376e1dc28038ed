"""The interface of readers of Starlake's audit, for any database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from ai.starlake.common import StarlakeError
from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.common.outcomes.table_outcomes import TableOutcome
from ai.starlake.project.audit.audit_outcomes import ItemFinder


class AuditUnreachableError(StarlakeError):
    """The audit cannot be read: no server, no permission, no table. The message contains no password."""


class AuditBusyError(AuditUnreachableError):
    """A process that writes the DuckDB file holds it: the query can be repeated later."""


class AuditDatabase(Protocol):
    """Reads the audit tables of Starlake. Every method except `opened` opens a connection and closes it at its end.

    Each raises `AuditBusyError` while another process writes a DuckDB file, else `AuditUnreachableError`.
    """

    @property
    def name(self) -> str:
        """Return a display name, without a password."""
        ...

    def opened(self) -> AbstractContextManager[AuditDatabase]:
        """Open it once for several short queries: while a DuckDB file is open, no process can write to it.

        Returns:
            A context manager with the open audit.
        """
        ...

    def minutes(self, since: datetime) -> Mapping[datetime, int]:
        """Return the number of rows in each minute of `ended`, from the minute of `since` on, in one query.

        Args:
            since: Timestamp with a time zone.

        Returns:
            Number of rows by the start of the minute, UTC.
        """
        ...

    def rows(self, since: datetime, until: datetime, *, limit: int) -> list[AuditRow]:
        """Return the rows that ended from `since` up to, not including, `until`, oldest first.

        At most `limit` rows, plus those that ended at the same microsecond as the last one. So the next page begins
        after the end of the last row.

        Args:
            since: Timestamp with a time zone, included.
            until: Timestamp with a time zone, excluded.
            limit: Number of rows.
        """
        ...

    def rows_of(
        self, job_ids: Collection[str], *, since: datetime | None = None, until: datetime | None = None
    ) -> list[AuditRow]:
        """Return the rows of commands, oldest first.

        Args:
            job_ids: Their JOBIDs.
            since: The earliest end of a row, with a time zone; None for no limit.
            until: The latest end of a row, with a time zone, exclusive; None for no limit.
        """
        ...

    def last_rows(self, within: timedelta = timedelta(0)) -> list[AuditRow]:
        """Return the last row, and the last successful one, of each DOMAIN, SCHEMA and STEP, oldest first.

        Args:
            within: The time before the end of each of them; the rows that ended in it are returned too.
        """
        ...

    def outcomes(self, rows: Sequence[AuditRow], find: ItemFinder) -> list[TableOutcome]:
        """Return the outcome of each table and task of some rows, with rejects and checks from the audit.

        Args:
            rows: The rows of a run.
            find: Finds the table or task of a row.
        """
        ...

    def outcomes_of_runs(self, runs: Sequence[Sequence[AuditRow]], find: ItemFinder) -> list[list[TableOutcome]]:
        """Return the outcome of each table and task of several runs, with as many queries as for one.

        Args:
            runs: The rows of each run.
            find: Finds the table or task of a row.
        """
        ...
