"""Cron expressions as partitions: windows of time, each of which begins at a tick and ends at the next one.

Dagster's own partition definition does the arithmetic, so that partitions, schedules and what is said about them agree,
on the days of a change to or from summer time, too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from dagster import DagsterInvalidDefinitionError, TimeWindow, TimeWindowPartitionsDefinition

from ai.starlake.common import StarlakeError, zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

KEY_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
"""How partition keys are written: with the offset, for there is a day on which 2 o'clock comes twice."""

DEFAULT_START = date(2025, 1, 1)
"""The first day of partitions where the option `start_date` is not set. Fixed, so that no deployment moves it."""

_FIRST_CYCLE = date(2000, 1, 1)
_FEW_TICKS = 48
_MOST_TICKS = 2_000
_PERIODS = {"day": 1, "week": 7, "month": 30, "year": 365}
_A_MONDAY = date(2024, 1, 1)


def time_partitions(cron: str, start: date | None, zone: str) -> TimeWindowPartitionsDefinition:
    """The partitions of a cron expression: one for each tick, from the tick up to the next one.

    The key of a partition is the moment of its tick in the zone, such as ``2026-03-01T00:00:00+0000``.

    Args:
        cron: Five fields, or a word such as ``@daily``.
        start: The first day, which begins at midnight in the zone; `DEFAULT_START` when it is None.
        zone: The zone in which the cron expression is meant.

    Raises:
        StarlakeError: If the cron expression or the zone is none.
    """
    first = start or DEFAULT_START
    try:
        return TimeWindowPartitionsDefinition(
            cron_schedule=cron,
            start=datetime(first.year, first.month, first.day, tzinfo=zone_of(zone)),
            timezone=zone,
            fmt=KEY_FORMAT,
        )
    except (DagsterInvalidDefinitionError, ValueError) as error:
        raise StarlakeError(
            f"the schedule {cron!r} cannot be used",
            cause="it is no cron expression of five fields that ever comes about",
            fix="write minute, hour, day of month, month and day of week, as in '0 6 * * 1-5'",
        ) from error


@functools.lru_cache(maxsize=256)
def cycles(cron: str, zone: str) -> TimeWindowPartitionsDefinition:
    """The windows of a cron expression since long ago, for questions about any moment.

    Raises:
        StarlakeError: If the cron expression or the zone is none.
    """
    return time_partitions(cron, _FIRST_CYCLE, zone)


def window_of(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> TimeWindow:
    """The window that a moment falls into; its start belongs to it, its end to the next."""
    return partitions.time_window_for_partition_key(partitions.get_partition_key_for_timestamp(moment.timestamp()))


def key_completed_by(partitions: TimeWindowPartitionsDefinition, tick: datetime) -> str | None:
    """The partition that a tick is for: the one whose window ends at the tick; None where that began before the start.

    Args:
        partitions: The partitions.
        tick: The moment of a tick.
    """
    window = partitions.get_prev_partition_window(tick)
    return window.start.strftime(partitions.fmt) if window else None


def keys_between(
    partitions: TimeWindowPartitionsDefinition, first: date | datetime, last: date | datetime
) -> Sequence[str]:
    """The partitions that begin from `first` to `last`, both included.

    Args:
        partitions: The partitions.
        first: A moment, or a day, which counts from midnight.
        last: A moment, or a day, which counts up to its end.
    """
    start, end = bounds_of(partitions, first, last)
    if start.timestamp() >= end.timestamp():
        return []
    keys = partitions.get_partition_keys_in_time_window(TimeWindow(start, end))
    bounds = start.timestamp(), end.timestamp()
    return [key for key in keys if bounds[0] <= _start_of(partitions, key).timestamp() < bounds[1]]


def bounds_of(
    partitions: TimeWindowPartitionsDefinition, first: date | datetime, last: date | datetime
) -> tuple[datetime, datetime]:
    """The moment at which a range begins, and the one before which it ends; see `keys_between`."""
    zone = zone_of(partitions.timezone)
    end = last + timedelta(seconds=1) if isinstance(last, datetime) else _midnight(last + timedelta(days=1), zone)
    return first if isinstance(first, datetime) else _midnight(first, zone), end


def first_start(partitions: TimeWindowPartitionsDefinition, moment: datetime) -> datetime:
    """The first moment, from the given one on, at which a partition begins."""
    window = window_of(partitions, moment)
    return window.start if window.start.timestamp() >= moment.timestamp() else window.end


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _start_of(partitions: TimeWindowPartitionsDefinition, key: str) -> datetime:
    return partitions.time_window_for_partition_key(key).start


@functools.lru_cache(maxsize=256)
def typical_period(cron: str, zone: str) -> float:
    """The seconds between two ticks, on the average of some dozens of them."""
    ticks = list(itertools.islice(_ticks(cron, zone), _FEW_TICKS + 1))
    return (ticks[-1].timestamp() - ticks[0].timestamp()) / _FEW_TICKS


def most_frequent(crons: Iterable[str], period: str, zone: str) -> str:
    """The cron expression with most ticks in a period of time; of equals, the first in the order of the alphabet.

    Args:
        crons: One or more cron expressions.
        period: ``day``, ``week``, ``month`` or ``year``: the option `cron_period_frequency`.
        zone: The zone in which they are meant.
    """
    return min(sorted(crons), key=lambda cron: (-_count(cron, period, zone), typical_period(cron, zone)))


@functools.lru_cache(maxsize=256)
def _count(cron: str, period: str, zone: str) -> int:
    """The ticks in a period, counted as far as a comparison needs."""
    end = _midnight(_A_MONDAY + timedelta(days=_PERIODS[period]), zone_of(zone)).timestamp()
    within = itertools.takewhile(lambda tick: tick.timestamp() < end, _ticks(cron, zone))
    return sum(1 for _ in itertools.islice(within, _MOST_TICKS))


def _ticks(cron: str, zone: str) -> Iterator[datetime]:
    """The ticks since a Monday."""
    partitions = cycles(cron, zone)
    monday = _midnight(_A_MONDAY, zone_of(zone))
    window = window_of(partitions, monday)
    if window.start.timestamp() < monday.timestamp():
        window = _next(partitions, window)
    while True:
        yield window.start
        window = _next(partitions, window)


def _next(partitions: TimeWindowPartitionsDefinition, window: TimeWindow) -> TimeWindow:
    following = partitions.get_next_partition_window(window.end, respect_bounds=False)
    assert following is not None  # noqa: S101  there are no bounds
    return following
