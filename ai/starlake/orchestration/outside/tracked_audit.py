"""Reading an audit for tracking."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import Protocol

from ai.starlake.common.outcomes.audit_rows import AuditRow

MICROSECONDS = 60_000_000
"""Microseconds of a minute."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_PAGE = 2000
_MOST_NUMBERS = 4096
"""Maximum number of remembered results: a tick needs the number of a row, and that of its JOBID, several times."""


class TrackedAudit(Protocol):
    """An audit with queries for rows by their end time."""

    def opened(self) -> AbstractContextManager[TrackedAudit]:
        """Open it once for several queries.

        Returns:
            A context manager with the open audit.
        """

    def minutes(self, since: datetime) -> Mapping[datetime, int]:
        """Return the number of rows of each minute, for rows that ended at a time or later.

        Args:
            since: The start of a minute, UTC.
        """

    def rows(self, since: datetime, until: datetime, *, limit: int) -> Sequence[AuditRow]:
        """Return rows in the order of their end.

        Args:
            since: Earliest end, UTC.
            until: Latest end, UTC, exclusive.
            limit: Maximum number of rows.
        """


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """Return the time of microseconds since 1970, UTC."""
    return _EPOCH + micros * _MICROSECOND


def ended(row: AuditRow) -> int:
    """Return the end of a row, as microseconds since 1970."""
    return microseconds(row.ended)


def minute_of(row: AuditRow) -> int:
    """Return the minute of the end of a row, counted from 1970."""
    return ended(row) // MICROSECONDS


def identity(row: AuditRow) -> int:
    """Return the number that identifies a row."""
    return number_of(row.digest)


@functools.lru_cache(maxsize=_MOST_NUMBERS)
def number_of(text: str) -> int:
    """Return a number of 64 bits for a string."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def rows_per_minute(audit: TrackedAudit, since: int) -> dict[int, int]:
    """Return the number of rows of each minute, by the minute.

    Args:
        audit: The audit.
        since: The first minute.
    """
    counted = audit.minutes(time_of(since * MICROSECONDS))
    return {microseconds(minute) // MICROSECONDS: count for minute, count in counted.items() if count}


def all_rows(audit: TrackedAudit, since: int, until: int, expected: int = 0) -> list[AuditRow]:
    """Return all rows that ended in a time span, in order.

    Args:
        audit: The audit.
        since: Start of the time span, in microseconds since 1970.
        until: End of the time span, exclusive.
        expected: Approximate number of rows.
    """
    rows: list[AuditRow] = []
    limit, position = max(_PAGE, expected + expected // 10 + 1), since
    while True:
        page, following = some_rows(audit, position, until, limit)
        rows += page
        if following is None:
            return rows
        limit, position = (limit, following) if page else (limit * 4, position)


def some_rows(audit: TrackedAudit, since: int, until: int, limit: int) -> tuple[list[AuditRow], int | None]:
    """Return the first rows that ended in a time span, and the position of the next one; None if these are all.

    Rows that ended in the same microsecond are returned together, or not at all.

    Args:
        audit: The audit.
        since: Start of the time span, in microseconds since 1970.
        until: End of the time span, exclusive.
        limit: Maximum number of rows.
    """
    rows = list(audit.rows(time_of(since), time_of(until), limit=limit + 1))
    if len(rows) <= limit:
        return rows, None
    following = max(ended(row) for row in rows)
    return [row for row in rows if ended(row) < following], following
