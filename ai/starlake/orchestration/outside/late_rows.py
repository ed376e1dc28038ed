"""Rows that are too late to be mirrored: they are counted, and reported."""

from __future__ import annotations

from collections.abc import Mapping

from ai.starlake.orchestration.outside.tracked_audit import MICROSECONDS, time_of

_HOUR = 60
_HOURS_WATCHED = 24


def first_minute_checked(horizon: int) -> int:
    """Return the first minute before the horizon for which late rows are noticed."""
    return (horizon // _HOUR - _HOURS_WATCHED) * _HOUR


def rows_per_hour(counts: Mapping[int, int], horizon: int) -> dict[int, int]:
    """Return the number of rows in each hour before the horizon.

    Args:
        counts: The number of rows of each minute.
        horizon: The first minute that is not included.
    """
    hours: dict[int, int] = {}
    for minute, count in counts.items():
        if first_minute_checked(horizon) <= minute < horizon:
            hours[minute // _HOUR] = hours.get(minute // _HOUR, 0) + count
    return hours


def note_of_late_rows(before: Mapping[int, int], now: Mapping[int, int]) -> str | None:
    """Return a sentence about late rows; None without such rows.

    Args:
        before: The former number of rows of each hour.
        now: The current number of rows of each hour.
    """
    more = {hour: count - before.get(hour, 0) for hour, count in now.items() if count > before.get(hour, 0)}
    if not more:
        return None
    hours = ", ".join(f"{count} of {_time_of_hour(hour)}" for hour, count in sorted(more.items()))
    return (
        f"{sum(more.values())} rows came into the audit more than lateness_seconds after they ended and are not "
        f"mirrored: {hours} (hours in UTC). Run the sync job to report the last outcome of their tables"
    )


def _time_of_hour(hour: int) -> str:
    return f"{time_of(hour * _HOUR * MICROSECONDS):%Y-%m-%d %H:00}"
