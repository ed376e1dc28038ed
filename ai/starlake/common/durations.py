"""Durations in Starlake's metadata: ``3 days``, ``2 hours``."""

from __future__ import annotations

import re
from datetime import timedelta

from ai.starlake.common.errors import StarlakeError

_UNITS = {
    "d": "days",
    "day": "days",
    "days": "days",
    "h": "hours",
    "hr": "hours",
    "hour": "hours",
    "hours": "hours",
    "m": "minutes",
    "min": "minutes",
    "mins": "minutes",
    "minute": "minutes",
    "minutes": "minutes",
    "s": "seconds",
    "sec": "seconds",
    "secs": "seconds",
    "second": "seconds",
    "seconds": "seconds",
}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def duration(text: str) -> timedelta:
    """Return the duration that a string names.

    Raises:
        StarlakeError: If it is not a number and a unit, or too long for a timedelta.

    >>> duration("3 days")
    datetime.timedelta(days=3)
    """
    found = _DURATION.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise StarlakeError(f"{text!r} is not a duration", fix="write a number and a unit: 3 days, 2 hours, 30 minutes")
    try:
        return timedelta(**{unit: float(found[1])})
    except OverflowError:
        raise StarlakeError(f"{text!r} is too long for a duration", fix="write a shorter one") from None
