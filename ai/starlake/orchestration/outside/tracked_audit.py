"""The reading of an audit by tracking."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import Protocol

from ai.starlake.common.outcomes.audit_rows import AuditRow

MICROSECONDS = 60_000_000
"""Of a minute."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_PAGE = 2000


class TrackedAudit(Protocol):
    """An audit that is asked for rows by the time at which what they are about ended."""

    def opened(self) -> AbstractContextManager[TrackedAudit]:
        """Open it once for several readings."""

    def minutes(self, since: datetime) -> Mapping[datetime, int]:
        """Return the number of rows of each minute, of those that ended at a time or later.

        Args:
            since: The beginning of a minute, UTC.
        """

    def rows(self, since: datetime, until: datetime, *, limit: int) -> Sequence[AuditRow]:
        """Return rows, those that ended first first.

        Args:
            since: When they ended, at the earliest, UTC.
            until: Before when they ended.
            limit: How many at most.
        """


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """Return the time of microseconds since 1970, UTC."""
    return _EPOCH + micros * _MICROSECOND


def ended(row: AuditRow) -> int:
    """Return when what a row is about ended, as microseconds since 1970."""
    return microseconds(row.ended)


def minute_of(row: AuditRow) -> int:
    """Return the minute of the end of a row, counted from 1970."""
    return ended(row) // MICROSECONDS


def identity(row: AuditRow) -> int:
    """Return the number that identifies a row."""
    return number_of(row.digest)


def number_of(text: str) -> int:
    """Return a number of 64 bits that stands for a text."""
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
    """Return all rows that ended in a time, in order.

    Args:
        audit: The audit.
        since: Where the time begins, in microseconds since 1970.
        until: Where it ends; what ended then is not read.
        expected: About how many they are.
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
    """Return the first rows that ended in a time, and from where on there are more; None if these are all.

    Rows that ended in the same microsecond are returned together, or not at all.

    Args:
        audit: The audit.
        since: Where the time begins, in microseconds since 1970.
        until: Where it ends; what ended then is not read.
        limit: How many rows at most.
    """
    rows = list(audit.rows(time_of(since), time_of(until), limit=limit + 1))
    if len(rows) <= limit:
        return rows, None
    following = max(ended(row) for row in rows)
    return [row for row in rows if ended(row) < following], following
