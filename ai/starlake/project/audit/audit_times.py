"""The times of the audit: written in the time zone of Starlake's JVM, read as UTC."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from ai.starlake.common.dates import zone_of

_DAY = timedelta(days=1)
_MARGIN = timedelta(days=400)
"""How far the changes of the clocks are followed in queries: before what is asked for, and after now."""


@dataclass(frozen=True)
class AuditClock:
    """Converts the times of the audit.

    Times that the clocks show twice, when summer time ends, are taken for the later ones: a row that seems to come an
    hour later than it does is read an hour later; one that seemed to come earlier might never be.

    Args:
        zone: The time zone that times are written in.
    """

    zone: tzinfo = timezone.utc

    @classmethod
    def of(cls, name: str) -> AuditClock:
        """Return the clock of a time zone.

        Raises:
            StarlakeError: If there is no time zone of that name.
        """
        return cls(timezone.utc if str(name).upper() in ("UTC", "Z", "GMT") else zone_of(name))

    def utc(self, written: datetime) -> datetime:
        """Return a time of the audit, UTC; one that knows its time zone keeps it."""
        known = written if written.tzinfo else written.replace(tzinfo=self.zone, fold=1)
        return known.astimezone(timezone.utc)

    def offset_sql(self, column: str, since: datetime) -> str:
        """Return how many milliseconds the times of a column are ahead of UTC, as SQL.

        Args:
            column: The column, as SQL.
            since: The first time that the query asks for.
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
    """Return the first offset of a time zone, and its changes: from which local time on which other one holds."""
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
    """Return the first second of an offset that holds at `high` and not at `low`."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
    return high


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
