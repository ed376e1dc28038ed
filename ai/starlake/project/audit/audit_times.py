"""Times of the audit: written in the time zone of Starlake's JVM, read as UTC."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from ai.starlake.common.dates import zone_of

_DAY = timedelta(days=1)
_MARGIN = timedelta(days=400)
"""Time span in which daylight saving changes are considered in queries: before the requested time, and after now."""


@dataclass(frozen=True)
class AuditClock:
    """Converts the times of the audit.

    Times that occur twice, when daylight saving time ends, are read as the later ones: a row that seems to end an hour
    too late is read an hour later; one that seemed to end too early might never be read.

    Args:
        zone: The time zone of the times.
    """

    zone: tzinfo = timezone.utc

    @classmethod
    def of(cls, name: str) -> AuditClock:
        """Return the clock of a time zone.

        Raises:
            StarlakeError: If no time zone has this name.
        """
        return cls(timezone.utc if str(name).upper() in ("UTC", "Z", "GMT") else zone_of(name))

    def utc(self, written: datetime) -> datetime:
        """Return a time of the audit in UTC; a timezone-aware one is converted."""
        if written.tzinfo is None and self.zone is timezone.utc:
            return written.replace(tzinfo=timezone.utc)
        known = written if written.tzinfo else written.replace(tzinfo=self.zone, fold=1)
        return known.astimezone(timezone.utc)

    def offset_sql(self, column: str, since: datetime) -> str:
        """Return SQL for the offset of a column's times from UTC, in milliseconds.

        Args:
            column: The column, as SQL.
            since: The first time of the query.
        """
        if self.zone is timezone.utc:
            return "0"
        ends = (since.astimezone(timezone.utc) - _MARGIN, datetime.now(timezone.utc) + _MARGIN)
        first, changes = _changes(self.zone, *(each.toordinal() for each in ends))
        text = str(_milliseconds(first))
        for local, offset in changes:
            text = f"CASE WHEN {column} >= '{local.isoformat(sep=' ')}' THEN {_milliseconds(offset)} ELSE {text} END"
        return text


def _milliseconds(offset: timedelta) -> int:
    return round(offset / timedelta(milliseconds=1))


@functools.lru_cache(maxsize=64)
def _changes(zone: tzinfo, start: int, stop: int) -> tuple[timedelta, Sequence[tuple[datetime, timedelta]]]:
    """Return the first offset of a time zone, and its changes: the local time and the new offset of each."""
    at, end = (datetime.fromordinal(day).replace(tzinfo=timezone.utc) for day in (start, stop))
    first = previous = _offset(zone, at)
    changes = []
    while at < end:
        following = at + _DAY
        offset = _offset(zone, following)
        if offset != previous:
            change = _first_second(zone, at, following, offset)
            changes.append(((change + min(previous, offset)).replace(tzinfo=None), offset))
        at, previous = following, offset
    return first, tuple(changes)


def _first_second(zone: tzinfo, low: datetime, high: datetime, offset: timedelta) -> datetime:
    """Return the first second of an offset that applies at `high` and not at `low`."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
    return high


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
