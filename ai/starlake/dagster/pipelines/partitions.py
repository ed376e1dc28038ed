"""Cron expressions as partitions: time windows that begin at a tick and end at the next one.

Dagster's own partitions definition does the arithmetic, so that partitions, schedules and messages agree, also on days
with a daylight saving change.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagster import (
    DagsterInvalidDefinitionError,
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindow,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

from ai.starlake.common import DataInterval, StarlakeError, parse_datetime, zone_of
from ai.starlake.common.crons import UsualCron, cron_problem, usual_cron
from ai.starlake.dagster import _compat
from ai.starlake.orchestration.dates.first_day import first_day

if TYPE_CHECKING:
    from datetime import tzinfo

KEY_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
"""Format of partition keys: with the offset, because there is a day on which 2 o'clock occurs twice."""

_DAY_FORMAT = "%Y-%m-%d"
"""Format of Dagster's keys of days, weeks and months."""

_DAILY = "0 0 * * *"
_ALSO_DAILY = "00 0 * * *"
"""The times of `_DAILY`, in another spelling: Dagster's shortcut for `_DAILY` refuses days without a midnight; see
`time_partitions`."""

_LEAP_DAY, _ALSO_LEAP_DAY = " 29 2 *", " 29 02 *"
"""The end of the cron expressions of 29 February, and another spelling: Dagster's shortcut for the first one misses the
day if a search begins on the 28th or 29th, as that of its scheduler does, and returns windows of later leap years."""

_YEARS_AHEAD = 2
_DAYS_BACK = (2, 8, 40, 400)
"""Days before a timestamp at which a search begins if Dagster's search at the timestamp itself fails."""

_FIRST_CYCLE = date(2000, 1, 1)


def time_partitions(cron: str, start: date | None, zone: str) -> TimeWindowPartitionsDefinition:
    """Return the partitions of a cron expression: one for each tick, from the tick up to the next one.

    The key of a partition is the timestamp of its tick in the time zone, such as ``2026-03-01T00:00:00+0000``. A day
    without a midnight, because daylight saving time begins then, has a partition like any other day:
    ``2026-04-24T00:00:00+0200`` in Cairo is the first instant of that day. Dagster lists such a key for `_DAILY`, but
    does not accept it; for `_ALSO_DAILY`, which means the same, it does both.

    Args:
        cron: Five fields, or a word such as ``@daily``.
        start: The first day, which begins at midnight in the time zone; see `first_day`.
        zone: The time zone of the cron expression.

    Raises:
        StarlakeError: If the cron expression or the time zone is not valid.
    """
    first = first_day(start)
    try:
        return TimeWindowPartitionsDefinition(
            cron_schedule=_ALSO_DAILY if cron == _DAILY and _lacks_a_midnight(zone, first.year) else tickable(cron),
            start=datetime(first.year, first.month, first.day, tzinfo=zone_of(zone)),
            timezone=zone,
            fmt=KEY_FORMAT,
        )
    except (DagsterInvalidDefinitionError, ValueError) as error:
        raise StarlakeError(
            f"the schedule {cron!r} cannot be used",
            cause="it is not a cron expression of five fields, or it never fires",
            fix="write minute, hour, day of month, month and day of week, as in '0 6 * * 1-5'",
        ) from error


def standard_partitions(cron: str, start: date | None, zone: str) -> TimeWindowPartitionsDefinition:
    """Return the partitions of a cron expression with Dagster's usual keys.

    An hourly, daily, weekly or monthly cron expression has Dagster's own definition and keys, such as ``2026-03-01``,
    like assets from other sources. Any other one has those of `time_partitions`.

    Args:
        cron: Five fields, or a word such as ``@daily``.
        start: The first day, which begins at midnight in the time zone; see `first_day`.
        zone: The time zone of the cron expression.

    Raises:
        StarlakeError: If the cron expression or the time zone is not valid.
    """
    problem = cron_problem(cron)
    if problem:
        raise StarlakeError(f"the schedule {cron!r} cannot be used", cause=problem.cause, fix=problem.fix)
    usual = usual_cron(cron)
    first = first_day(start)
    if usual is None:
        return time_partitions(cron, first, zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=zone_of(zone))
    if usual == _MIDNIGHT and _lacks_a_midnight(zone, first.year):
        return TimeWindowPartitionsDefinition(cron_schedule=_ALSO_DAILY, start=begin, timezone=zone, fmt=_DAY_FORMAT)
    minute, hour, day = usual.minute, usual.hour, usual.day
    if usual.cycle == "hourly":
        return HourlyPartitionsDefinition(begin, minute_offset=minute, timezone=zone)
    if usual.cycle == "daily":
        return DailyPartitionsDefinition(begin, minute_offset=minute, hour_offset=hour, timezone=zone)
    if usual.cycle == "weekly":
        return WeeklyPartitionsDefinition(
            begin, minute_offset=minute, hour_offset=hour, day_offset=day or 0, timezone=zone
        )
    return MonthlyPartitionsDefinition(
        begin, minute_offset=minute, hour_offset=hour, day_offset=day or 1, timezone=zone
    )


def tickable(cron: str) -> str:
    """Return a cron expression in a spelling with which Dagster's scheduler finds each of its ticks."""
    return cron.removesuffix(_LEAP_DAY) + _ALSO_LEAP_DAY if cron.endswith(_LEAP_DAY) else cron


_MIDNIGHT = UsualCron("daily", 0, 0)


@functools.lru_cache(maxsize=64)
def _lacks_a_midnight(zone: str, first_year: int) -> bool:
    """Return True if a time zone has a day without a midnight, from a year on until soon."""
    local, day = zone_of(zone), date(first_year, 1, 1)
    until = date(max(first_year, datetime.now(timezone.utc).year) + _YEARS_AHEAD, 1, 1)
    days = (day + timedelta(days=number) for number in range((until - day).days))
    return any(datetime.fromtimestamp(_midnight(each, local).timestamp(), local).hour != 0 for each in days)


@functools.lru_cache(maxsize=256)
def cycles(cron: str, zone: str) -> TimeWindowPartitionsDefinition:
    """Return the windows of a cron expression since long ago, for queries about any timestamp.

    Raises:
        StarlakeError: If the cron expression or the time zone is not valid.
    """
    return time_partitions(cron, _FIRST_CYCLE, zone)


def window_of(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> TimeWindow:
    """Return the window that contains a timestamp; its start is included, its end belongs to the next one."""
    try:
        return _compat.window_at(partitions, moment)
    except _compat.CheckError:
        return _searched_window(partitions, moment)


def window_of_key(partitions: TimeWindowPartitionsDefinition, key: str) -> TimeWindow:
    """Return the window of a partition."""
    try:
        return _compat.window_of(partitions, key)
    except _compat.CheckError:
        return _searched_window(partitions, start_in(partitions, key))


def start_in(partitions: TimeWindowPartitionsDefinition, key: str) -> datetime:
    """Return the timestamp in a key, also in one of a former cron expression.

    Raises:
        StarlakeError: If it is not a timestamp.
    """
    for fmt in (partitions.fmt, f"{partitions.fmt}%z"):  # Dagster adds the offset to an hour that occurs twice
        with suppress(ValueError):
            start = datetime.strptime(key, fmt)  # noqa: DTZ007  the format may have an offset
            return start if start.tzinfo else start.replace(tzinfo=zone_of(partitions.timezone))
    return parse_datetime(key, timezone.utc)


def _searched_window(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> TimeWindow:
    """Return the window of a timestamp by iterating over those before it."""
    for days in _DAYS_BACK:
        for window in _windows_from(partitions, moment - timedelta(days=days)):
            if window.start.timestamp() > moment.timestamp():
                break
            if window.end.timestamp() > moment.timestamp():
                return window
    raise _no_ticks(partitions, moment)


def _windows_from(partitions: TimeWindowPartitionsDefinition, begin: datetime) -> Iterator[TimeWindow]:
    """Yield the windows that begin at a timestamp or later.

    Dagster cannot begin a search within a day after some daylight saving changes, such as that of Pacific/Chatham. It
    passes them when it begins earlier.
    """
    for days in (0, *_DAYS_BACK):
        windows = iter(_compat.windows_from(partitions, begin - timedelta(days=days)))
        with suppress(_compat.CheckError):
            first = next(window for window in windows if window.start.timestamp() >= begin.timestamp())
            return itertools.chain([first], windows)
    raise _no_ticks(partitions, begin)


def _no_ticks(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> StarlakeError:
    return StarlakeError(
        f"Dagster finds no tick of {partitions.cron_schedule!r} ({partitions.timezone}) around {moment}",
        fix="use another cron expression or time zone for this pipeline",
    )


def key_completed_by(partitions: TimeWindowPartitionsDefinition, tick: datetime) -> str | None:
    """Return the partition of a tick: the last one that has ended by then; None if that is before the start.

    Args:
        partitions: The partitions.
        tick: The timestamp of a tick.
    """
    current = window_of(partitions, tick)
    window = window_of(partitions, current.start.astimezone(timezone.utc) - timedelta(seconds=1))
    return key_of(partitions, window) if window.start.timestamp() >= partitions.start.timestamp() else None


def key_of(partitions: TimeWindowPartitionsDefinition, window: TimeWindow) -> str:
    """Return the key of the partition of a window."""
    if window.start.fold:
        with suppress(_compat.CheckError):
            return _compat.key_at(partitions, window.start)
    return window.start.strftime(partitions.fmt)


def keys_between(
    partitions: TimeWindowPartitionsDefinition, first: date | datetime, last: date | datetime
) -> Sequence[str]:
    """Return the partitions that begin from `first` to `last`, both included.

    Args:
        partitions: The partitions.
        first: A timestamp, or a day, which begins at midnight.
        last: A timestamp, or a day, which is included as a whole.
    """
    start, end = bounds_of(partitions, first, last)
    if start.timestamp() >= end.timestamp():
        return []
    within = itertools.takewhile(
        lambda window: window.start.timestamp() < end.timestamp(), _windows_from(partitions, start)
    )
    return [key_of(partitions, window) for window in within]


def bounds_of(
    partitions: TimeWindowPartitionsDefinition, first: date | datetime, last: date | datetime
) -> tuple[datetime, datetime]:
    """Return the timestamp at which a range begins, and the one at which it ends, exclusive; see `keys_between`."""
    zone = zone_of(partitions.timezone)
    end = last + timedelta(seconds=1) if isinstance(last, datetime) else _midnight(last + timedelta(days=1), zone)
    return first if isinstance(first, datetime) else _midnight(first, zone), end


def first_start(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> datetime:
    """Return the first timestamp, from the given one on, at which a partition begins."""
    window = window_of(partitions, moment)
    return window.start if window.start.timestamp() >= moment.timestamp() else window.end


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


@dataclass(frozen=True)
class PartitionWindows:
    """Windows of cron expressions as those of partitions; see `Windows`."""

    def check(self, cron: str, zone: str) -> None:
        """Check that a cron expression is valid.

        Raises:
            StarlakeError: If the cron expression or the time zone is not valid.
        """
        cycles(cron, zone)

    def window_of(self, cron: str, zone: str, at: datetime) -> DataInterval:
        """Return the window that contains a timestamp."""
        found = window_of(cycles(cron, zone), at)
        return DataInterval(found.start, found.end)

    def ticks(self, cron: str, zone: str, since: datetime) -> Iterator[datetime]:
        """Yield the ticks from a timestamp on, without end."""
        for window in _windows_from(cycles(cron, zone), since):
            yield window.start


PARTITION_WINDOWS = PartitionWindows()
