"""Cron expressions that a schedule may have."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Literal, NamedTuple

_FIELDS = 5
_QUARTZ = (6, 7)
_WORDS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_ODD = re.compile(r"(?<![a-z])(?:[rh]|l?w)(?![a-z])", re.IGNORECASE)
_USUAL = "write minute, hour, day of month, month and day of week, as in '0 6 * * 1-5'"


class CronProblem(NamedTuple):
    """Reason why a string is not a schedule, and the fix."""

    cause: str
    fix: str


class UsualCron(NamedTuple):
    """A cron expression that occurs once an hour, a day, a week or a month.

    Attributes:
        cycle: Period in which it occurs once.
        minute: The minute.
        hour: The hour; 0 for ``hourly``.
        day: The day of the week, counted from Sunday, which is 0; or the day of the month; else None.
    """

    cycle: Literal["hourly", "daily", "weekly", "monthly"]
    minute: int
    hour: int = 0
    day: int | None = None


_DAYS_OF_EVERY_MONTH = 28


def usual_cron(text: str) -> UsualCron | None:
    """Return the parts of a common cron expression; None for one that occurs at other times.

    Args:
        text: Five fields, or a word such as ``@daily``; valid.
    """
    fields, weeks = _expanded(text)
    single = [field[0] if len(field) == 1 and isinstance(field[0], int) else None for field in fields]
    every = [field == ["*"] for field in fields]
    minute, hour, day, _, weekday = single
    if weeks or minute is None or not every[3]:
        return None
    if all(every[1:]):
        return UsualCron("hourly", minute)
    if hour is None:
        return None
    if every[2] and every[4]:
        return UsualCron("daily", minute, hour)
    if every[2] and weekday is not None:
        return UsualCron("weekly", minute, hour, weekday)
    monthly = every[4] and day is not None and day <= _DAYS_OF_EVERY_MONTH
    return UsualCron("monthly", minute, hour, day) if monthly else None


def cron_identity(text: str) -> Hashable:
    """Return a value that is equal for cron expressions which mean the same, such as ``@daily`` and ``00 0 * * *``.

    Args:
        text: Five fields, or a word such as ``@daily``; valid.
    """
    fields, weeks = _expanded(text)
    return tuple(map(tuple, fields)), frozenset((day, frozenset(found)) for day, found in weeks.items())


def _expanded(text: str) -> tuple[Sequence[Sequence[int | str]], Mapping[int, AbstractSet[int | str]]]:
    """Return the values of each field, and the weeks of a month that count, by the day of the week."""
    from croniter import croniter

    fields, weeks = croniter.expand(text)
    return fields, weeks


def cron_problem(text: str) -> CronProblem | None:
    """Return the problem of a cron expression; None if Dagster accepts it and it occurs.

    Args:
        text: Five fields, or a word such as ``@daily``.
    """
    fields = text.split()
    if len(fields) == 1 and fields[0].startswith("@"):
        known = fields[0].lower() in _WORDS
        return None if known else CronProblem(f"{fields[0]} is not a word for a schedule", f"use {', '.join(_WORDS)}")
    if len(fields) in _QUARTZ:
        return CronProblem(f"it has {len(fields)} fields, as Quartz's expressions have", _in_five(fields))
    if len(fields) != _FIELDS:
        return CronProblem(f"it has {len(fields)} fields instead of {_FIELDS}" if fields else "it is empty", _USUAL)
    if _ODD.search(text):
        return CronProblem("R and H stand for random numbers, and Dagster does not know W", _USUAL)
    return _unreadable(text)


def _unreadable(text: str) -> CronProblem | None:
    from croniter import croniter
    from croniter.croniter import CroniterBadDateError, CroniterError

    try:
        croniter.expand(text)
        croniter(text, datetime(2024, 1, 1)).get_next(datetime)  # noqa: DTZ001  any date, in no time zone
    except CroniterBadDateError:
        return CronProblem("it never occurs: its months do not have such a day", "correct its day or month")
    except (CroniterError, ValueError, KeyError, OverflowError) as error:
        return CronProblem(str(error).removesuffix(".") or "it cannot be read", _USUAL)
    return None


def _in_five(fields: list[str]) -> str:
    """Return the cron expression to write instead of one of Quartz."""
    seconds, *rest = fields[: _FIELDS + 1]
    if seconds == "0" and not re.search(r"\d", rest[-1]):
        return f"leave out the seconds: write '{' '.join(field.replace('?', '*') for field in rest)}'"
    return "leave out the seconds and the year, write * for ?, and count days of the week from 0, which is Sunday"
