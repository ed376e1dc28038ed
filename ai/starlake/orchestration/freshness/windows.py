"""Cron expressions as time windows, each from a tick to the next one."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from ai.starlake.common import DataInterval, StarlakeError, zone_of
from ai.starlake.common.crons import cron_problem

_FEW_TICKS = 48
_MOST_TICKS = 2_000
_PERIODS = {"day": 1, "week": 7, "month": 30, "year": 365}
_A_MONDAY = date(2024, 1, 1)


class Windows(Protocol):
    """Arithmetic of cron expressions. An orchestrator has its own, so that its schedules agree with it."""

    def check(self, cron: str, zone: str) -> None:
        """Check that a cron expression is valid.

        Raises:
            StarlakeError: If the cron expression or the time zone is not valid.
        """
        ...

    def window_of(self, cron: str, zone: str, at: datetime) -> DataInterval:
        """Return the window that contains a timestamp; its start is included, its end belongs to the next one."""
        ...

    def ticks(self, cron: str, zone: str, since: datetime) -> Iterator[datetime]:
        """Yield the ticks from a timestamp on, without end."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class CronWindows:
    """Windows as croniter computes them."""

    def check(self, cron: str, zone: str) -> None:
        """Check that a cron expression is valid.

        Raises:
            StarlakeError: If the cron expression or the time zone is not valid.
        """
        zone_of(zone)
        problem = cron_problem(cron)
        if problem:
            raise StarlakeError(f"the schedule {cron!r} cannot be used", cause=problem.cause, fix=problem.fix)

    def window_of(self, cron: str, zone: str, at: datetime) -> DataInterval:
        """Return the window that contains a timestamp; its start is included, its end belongs to the next one."""
        from croniter import croniter

        end = croniter(cron, at.astimezone(zone_of(zone))).get_next(datetime)
        return DataInterval(croniter(cron, end).get_prev(datetime), end)

    def ticks(self, cron: str, zone: str, since: datetime) -> Iterator[datetime]:
        """Yield the ticks from a timestamp on, without end."""
        from croniter import croniter

        start = since.astimezone(zone_of(zone)) - timedelta(seconds=1)
        return iter(croniter(cron, start, ret_type=datetime))


CRON_WINDOWS = CronWindows()


def slot_at(cron: str, zone: str, at: datetime, windows: Windows = CRON_WINDOWS) -> DataInterval:
    """Return the last window that has ended at a time: it ends at the last tick at or before it.

    Args:
        cron: The cron expression.
        zone: Its time zone.
        at: The time.
        windows: The arithmetic of cron expressions.
    """
    end = windows.window_of(cron, zone, at).start
    return DataInterval(windows.window_of(cron, zone, end - timedelta(seconds=1)).start, end)


def window_from(cron: str, zone: str, start: datetime, windows: Windows = CRON_WINDOWS) -> DataInterval | None:
    """Return the window that begins at a tick; None if the time is not a tick.

    Args:
        cron: The cron expression.
        zone: Its time zone.
        start: The tick.
        windows: The arithmetic of cron expressions.
    """
    found = windows.window_of(cron, zone, start)
    return found if found.start.timestamp() == start.timestamp() else None


@functools.lru_cache(maxsize=256)
def typical_period(windows: Windows, cron: str, zone: str) -> float:
    """Return the average seconds between two ticks, over some dozens of them."""
    ticks = list(itertools.islice(windows.ticks(cron, zone, _midnight(_A_MONDAY, zone)), _FEW_TICKS + 1))
    return (ticks[-1].timestamp() - ticks[0].timestamp()) / _FEW_TICKS


def most_frequent(windows: Windows, crons: Iterable[str], period: str, zone: str) -> str:
    """Return the cron expression with the most ticks in a period; of equal ones, the first in alphabetical order.

    Args:
        windows: The arithmetic of cron expressions.
        crons: One or more cron expressions.
        period: ``day``, ``week``, ``month`` or ``year``: the option `cron_period_frequency`.
        zone: Their time zone.
    """
    return min(
        sorted(crons), key=lambda cron: (-_count(windows, cron, period, zone), typical_period(windows, cron, zone))
    )


@functools.lru_cache(maxsize=256)
def _count(windows: Windows, cron: str, period: str, zone: str) -> int:
    """Return the number of ticks in a period, as far as a comparison needs it."""
    end = _midnight(_A_MONDAY + timedelta(days=_PERIODS[period]), zone).timestamp()
    ticks = windows.ticks(cron, zone, _midnight(_A_MONDAY, zone))
    within = itertools.takewhile(lambda tick: tick.timestamp() < end, ticks)
    return sum(1 for _ in itertools.islice(within, _MOST_TICKS))


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone_of(zone))
