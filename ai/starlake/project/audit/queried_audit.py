"""Starlake's audit in SQL: the queries, the same for every database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from ai.starlake.common.outcomes.audit_rows import LOAD, AuditRow, in_order
from ai.starlake.common.outcomes.table_outcomes import StarlakeCounts, TableOutcome
from ai.starlake.project.audit.audit_outcomes import AuditRecords, ItemFinder, Row
from ai.starlake.project.audit.audit_times import AuditClock
from ai.starlake.project.audit.dialects import SqlWords

SCHEMAS: Mapping[str, str] = {"audit": "audit", "rejected": "audit", "expectations": "audit"}
"""Default schema of each audit table."""
_MOST_NAMES = 500
"""Maximum number of values in a list of a query; databases refuse more than some thousands."""
_COUNTS = ("COUNT", "COUNTACCEPTED", "COUNTREJECTED")
_WHAT = ("JOBID", "PATHS", "DOMAIN", "SCHEMA", "SUCCESS", *_COUNTS, "MESSAGE", "STEP")
_COLUMNS = (*_WHAT, "TIMESTAMP", "DURATION", "SCHEDULED_DATE")
_READ: Mapping[str, Sequence[str]] = {
    "rejected": ("JOBID", "DOMAIN", "SCHEMA", "TIMESTAMP", "ERROR"),
    "expectations": ("JOBID", "DOMAIN", "SCHEMA", "TIMESTAMP", "PARAMS", "COUNT", "EXCEPTION", "SUCCESS"),
}
_LATER = timedelta(minutes=2)
"""Time after the end of a row in which its rejects and results may be recorded."""


@dataclass(frozen=True)
class AuditColumn:
    """A column of an audit table.

    Args:
        sql: Its name, quoted.
        has_zone: True if its timestamps have a time zone.
    """

    sql: str
    has_zone: bool = False


class AuditSession(Protocol):
    """An open connection to the database of the audit."""

    @property
    def words(self) -> SqlWords:
        """Return the database's own SQL expressions."""
        ...

    def columns(self, schema: str, table: str) -> Mapping[str, AuditColumn]:
        """Return the columns of a table by their names in upper case; empty if the table does not exist yet."""
        ...

    def require(self, schema: str, table: str) -> None:
        """Raise an `AuditUnreachableError` for a missing table, if it should exist."""
        ...

    def place(self, schema: str, table: str) -> str:
        """Return a table as SQL."""
        ...

    def fetch(self, sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a query with parameters such as ``:name``."""
        ...


class AuditSource(Protocol):
    """A database with an audit."""

    @property
    def name(self) -> str:
        """Return a display name, without a password."""
        ...

    def session(self) -> AbstractContextManager[AuditSession]:
        """Open a connection; errors within become an `AuditUnreachableError`."""
        ...


@dataclass(frozen=True)
class QueriedAudit:
    """The audit tables of a database.

    Args:
        source: The database.
        schemas: The schemas of ``audit``, ``rejected`` and ``expectations``.
        clock: The time zone of their times.
    """

    source: AuditSource
    schemas: Mapping[str, str] = field(default_factory=lambda: SCHEMAS)
    clock: AuditClock = field(default_factory=AuditClock)

    @property
    def name(self) -> str:
        """Return a display name, without a password."""
        return self.source.name

    @contextmanager
    def opened(self) -> Iterator[QueriedAudit]:
        """Open the database once for several queries, and close it at the end."""
        with self.source.session() as session:
            yield replace(self, source=_OpenSource(self.name, session))

    def minutes(self, since: datetime) -> Mapping[datetime, int]:
        """Return the number of rows in each minute of `ended`, from the minute of `since` on."""
        first = since.astimezone(timezone.utc).replace(second=0, microsecond=0)
        with self.source.session() as session:
            table = _AuditTable.find(self, session)
            if table is None:
                return {}
            ended = table.ended(first)
            minute = session.words.minute.format(ended)
            counted = session.fetch(
                f"SELECT {minute}, count(*) FROM {table.place} WHERE {ended} >= :since GROUP BY 1 ORDER BY 1",  # noqa: S608
                {"since": _naive(first)},
            )
        return {_aware(at): int(count) for at, count in counted}

    def rows(self, since: datetime, until: datetime, *, limit: int) -> list[AuditRow]:
        """Return the rows that ended from `since` up to, not including, `until`; see `AuditDatabase`."""
        with self.source.session() as session:
            table = _AuditTable.find(self, session)
            if table is None or until <= since:
                return []
            ended = table.ended(since)
            found = table.read(f"{ended} >= :since AND {ended} < :until", _window(since, until), ended, limit + 1)
            if len(found) <= limit:
                return in_order(found)
            last = found[limit - 1].ended  # a limit that splits rows with the same time would hide some of them
            same = table.read(f"{ended} = :last", {"last": _naive(last)}, ended)
        return in_order([*(row for row in found if row.ended < last), *same])

    def rows_of(
        self, job_ids: Collection[str], *, since: datetime | None = None, until: datetime | None = None
    ) -> list[AuditRow]:
        """Return the rows of commands, oldest first."""
        with self.source.session() as session:
            table = _AuditTable.find(self, session)
            if table is None:
                return []
            conditions, values = table.between(since, until)
            names = table.columns["JOBID"].sql
            found = [
                row
                for marks, some in _lists(job_ids)
                for row in table.read(" AND ".join([f"{names} IN ({marks})", *conditions]), {**some, **values})
            ]
        return in_order(found)

    def last_rows(self, within: timedelta = timedelta(0)) -> list[AuditRow]:
        """Return the last row, and the last successful one, of each DOMAIN, SCHEMA and STEP; see `AuditDatabase`."""
        with self.source.session() as session:
            table = _AuditTable.find(self, session)
            return [] if table is None else table.last(within)

    def outcomes(self, rows: Sequence[AuditRow], find: ItemFinder) -> list[TableOutcome]:
        """Return the outcome of each table and task of some rows."""
        return self.outcomes_of_runs([rows], find)[0]

    def outcomes_of_runs(self, runs: Sequence[Sequence[AuditRow]], find: ItemFinder) -> list[list[TableOutcome]]:
        """Return the outcome of each table and task of several runs, with as many queries as for one."""
        rows = [row for of_run in runs for row in of_run]
        if not rows:
            return [[] for _ in runs]
        since, until = _times_of(rows)
        jobs = {row.job_id for row in rows}
        with self.source.session() as session:
            more = {name: _by_job(self._more(session, name, jobs, since, until)) for name in _READ}
        return [list(self._records_of(of_run, more).outcomes(find)) if of_run else [] for of_run in runs]

    def _records_of(self, rows: Sequence[AuditRow], more: Mapping[str, Mapping[str, Sequence[Row]]]) -> AuditRecords:
        """Return the records of one run among those of several."""
        since, until = _times_of(rows)
        jobs = sorted({row.job_id for row in rows})
        own = {
            name: sorted(
                (each for job in jobs for each in found.get(job, ()) if self._is_within(each, since, until)),
                key=lambda each: self.clock.utc(each["TIMESTAMP"]),
            )
            for name, found in more.items()
        }
        return AuditRecords(sorted(rows, key=lambda row: row.started), **own)

    def _is_within(self, row: Row, since: datetime, until: datetime) -> bool:
        return since <= self.clock.utc(row["TIMESTAMP"]) <= until

    def records(self, names: Collection[str], job_id: str | None, items: Sequence[tuple[str, str]]) -> AuditRecords:
        """Return the records of tables and tasks.

        Args:
            names: The audit tables to read: ``audit``, ``rejected``, ``expectations``.
            job_id: JOBID of the commands; None for all commands.
            items: DOMAIN and SCHEMA of the tables and tasks; empty for all.
        """
        found: dict[str, list[Any]] = {}
        with self.source.session() as session:
            table = _AuditTable.find(self, session, required=False) if "audit" in names else None
            if table is not None:
                condition, values = _of_items(table.columns, job_id, items)
                found["audit"] = sorted(table.read(condition, values), key=lambda row: row.started)
            for name in _READ:
                if name in names:
                    found[name] = list(self._others(session, name, job_id, items))
        return AuditRecords(**found)

    def _others(
        self, session: AuditSession, name: str, job_id: str | None, items: Sequence[tuple[str, str]]
    ) -> Iterator[Row]:
        columns = session.columns(self.schemas[name], name)
        if columns:
            yield from self._read(session, name, columns, *_of_items(columns, job_id, items))

    def _more(
        self, session: AuditSession, name: str, jobs: Collection[str], since: datetime, until: datetime
    ) -> Iterator[Row]:
        """Yield the rows of commands in another table of the audit, oldest first."""
        columns = session.columns(self.schemas[name], name)
        for marks, some in _lists(jobs if columns else ()):
            for row in self._read(session, name, columns, f"{columns['JOBID'].sql} IN ({marks})", some):
                if self._is_within(row, since, until):
                    yield row

    def _read(
        self,
        session: AuditSession,
        name: str,
        columns: Mapping[str, AuditColumn],
        condition: str,
        values: Mapping[str, str],
    ) -> Iterator[Row]:
        names = [each for each in _READ[name] if each in columns]
        selected = ", ".join(columns[each].sql for each in names)
        place, order = session.place(self.schemas[name], name), columns["TIMESTAMP"].sql
        sql = f"SELECT {selected} FROM {place} WHERE {condition} ORDER BY {order}"  # noqa: S608
        yield from (dict(zip(names, row, strict=True)) for row in session.fetch(sql, values))


@dataclass(frozen=True)
class _OpenSource:
    """A database that is open."""

    name: str
    opened: AuditSession

    @contextmanager
    def session(self) -> Iterator[AuditSession]:
        yield self.opened


@dataclass(frozen=True)
class _AuditTable:
    """The table ``audit``, open."""

    session: AuditSession
    words: SqlWords
    clock: AuditClock
    place: str
    columns: Mapping[str, AuditColumn]

    @classmethod
    def find(cls, audit: QueriedAudit, session: AuditSession, *, required: bool = True) -> _AuditTable | None:
        schema = audit.schemas["audit"]
        columns = session.columns(schema, "audit")
        if not columns:
            if required:
                session.require(schema, "audit")
            return None
        return cls(session, session.words, audit.clock, session.place(schema, "audit"), columns)

    def ended(self, since: datetime) -> str:
        """Return SQL for the end of a row, in UTC."""
        column = self.columns["TIMESTAMP"]
        started = self.words.in_utc.format(column.sql) if column.has_zone else column.sql
        offset = "0" if column.has_zone else self.clock.offset_sql(column.sql, since)
        duration = f"coalesce({self.columns['DURATION'].sql}, 0)"
        milliseconds = duration if offset == "0" else f"{duration} - ({offset})"
        return self.words.plus_milliseconds.format(started, milliseconds)

    def between(self, since: datetime | None, until: datetime | None) -> tuple[list[str], dict[str, datetime]]:
        """Return the conditions of a window, and their values."""
        ended = self.ended(since or until or datetime.now(timezone.utc))
        wanted = [(f"{ended} >= :since", "since", since), (f"{ended} < :until", "until", until)]
        given = [(sql, name, _naive(at)) for sql, name, at in wanted if at is not None]
        return [sql for sql, _, _ in given], {name: at for _, name, at in given}

    def read(
        self, condition: str, values: Mapping[str, Any], order: str | None = None, limit: int | None = None
    ) -> list[AuditRow]:
        """Return rows in any order."""
        ordered = f" ORDER BY {order}" if order else ""
        limited = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT {self._selected()} FROM {self.place} WHERE {condition}{ordered}{limited}"  # noqa: S608
        return [self._row(row) for row in self.session.fetch(sql, values)]

    def last(self, within: timedelta) -> list[AuditRow]:
        """Return the last row and the last successful one of each item and step, and those shortly before them.

        A maximum per group and a join: ranking each row would sort the whole table.

        Args:
            within: Maximum time between the last row and an earlier one.
        """
        texts = [f"coalesce(lower({self.columns[name].sql}), '')" for name in ("DOMAIN", "SCHEMA", "STEP")]
        ended = self.ended(datetime.now(timezone.utc))
        keys = {f"key_{place}": sql for place, sql in enumerate(texts)}
        named = ", ".join(f"{sql} AS {key}" for key, sql in keys.items())
        good = f"max(CASE WHEN {self.columns['SUCCESS'].sql} THEN {ended} END) AS last_good"
        newest = f"SELECT {named}, max({ended}) AS last_one, {good} FROM {self.place} GROUP BY 1, 2, 3"  # noqa: S608
        same = " AND ".join(f"{sql} = {key}" for key, sql in keys.items())
        before = f"-{round(within / timedelta(milliseconds=1))}"
        near = " OR ".join(
            f"({ended} <= {last} AND {ended} >= {self.words.plus_milliseconds.format(last, before)})"
            for last in ("last_one", "last_good")
        )
        sql = f"SELECT {self._selected()} FROM {self.place} JOIN ({newest}) last_ones ON {same} AND ({near})"  # noqa: S608
        return in_order(self._row(each) for each in self.session.fetch(sql, {}))

    def _selected(self) -> str:
        return ", ".join(self.columns[name].sql if name in self.columns else "NULL" for name in _COLUMNS)

    def _row(self, row: Sequence[Any]) -> AuditRow:
        job_id, paths, domain, table, success, *counts, message, step, started, duration, scheduled = row
        return AuditRow(
            job_id=_text(job_id),
            paths=_text(paths),
            domain=_text(domain),
            table=_text(table),
            success=bool(success),
            counts=_counts(*counts) if step == LOAD else None,
            started=self.clock.utc(started),
            duration=int(duration or 0) / 1000,
            message=_text(message),
            step=_text(step),
            scheduled=None if scheduled is None else self.clock.utc(scheduled),
        )


def _of_items(
    columns: Mapping[str, AuditColumn], job_id: str | None, items: Sequence[tuple[str, str]]
) -> tuple[str, dict[str, str]]:
    """Return the condition for rows of a command and of some items, and its values."""
    conditions, values = ["1 = 1"], dict[str, str]()
    if job_id is not None:
        conditions, values = [f"{columns['JOBID'].sql} = :job"], {"job": job_id}
    domain, table = (f"lower({columns[name].sql})" for name in ("DOMAIN", "SCHEMA"))
    either = [f"{domain} = :domain{place} AND {table} = :table{place}" for place in range(len(items))]
    for place, names in enumerate(items):
        values |= {f"domain{place}": names[0].lower(), f"table{place}": names[1].lower()}
    return " AND ".join([*conditions, *([f"({' OR '.join(either)})"] if either else [])]), values


def _counts(read: Any, accepted: Any, rejected: Any) -> StarlakeCounts | None:
    if read is None or read < 0:
        return None
    taken, refused = max(0, int(accepted or 0)), max(0, int(rejected or 0))
    return StarlakeCounts(int(read), taken, refused, files=True, lost_files=int(taken == 0 and refused > 0))


def _by_job(rows: Iterable[Row]) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["JOBID"], []).append(row)
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _naive(at: datetime) -> datetime:
    return at.astimezone(timezone.utc).replace(tzinfo=None)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)


def _times_of(rows: Sequence[AuditRow]) -> tuple[datetime, datetime]:
    """Return the time span in which rejects and results of some rows are recorded."""
    return min(row.started for row in rows), max(row.ended for row in rows) + _LATER


def _window(since: datetime, until: datetime) -> dict[str, datetime]:
    return {"since": _naive(since), "until": _naive(until)}


def _lists(names: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield lists of values, as parameters of a query, none of which is too long."""
    ordered = sorted(set(names))
    for start in range(0, len(ordered), _MOST_NAMES):
        values = {f"name{place}": name for place, name in enumerate(ordered[start : start + _MOST_NAMES])}
        yield ", ".join(f":{name}" for name in values), values
