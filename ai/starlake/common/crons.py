"""Cron expressions: which ones a schedule may have."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

_FIELDS = 5
_QUARTZ = (6, 7)
_WORDS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_ODD = re.compile(r"(?<![a-z])(?:[rh]|l?w)(?![a-z])", re.IGNORECASE)
_USUAL = "write minute, hour, day of month, month and day of week, as in '0 6 * * 1-5'"


class CronProblem(NamedTuple):
    """Why a text is not a schedule, and what to do about it."""

    cause: str
    fix: str


def cron_problem(text: str) -> CronProblem | None:
    """Return what is wrong with a cron expression; None for one that Dagster accepts and that occurs.

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
        croniter(text, datetime(2024, 1, 1)).get_next(datetime)  # noqa: DTZ001  any date, in no zone
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
