"""The first day of partitions and of scheduled runs, the same on every orchestrator."""

from __future__ import annotations

from datetime import date

DEFAULT_START = date(2025, 1, 1)
"""Default of the option `start_date`. Fixed, so that neither a deployment nor the age of a file changes it."""


def first_day(*given: date | None) -> date:
    """Return the first day that is given, and `DEFAULT_START` if none is.

    Args:
        *given: The option `start_date`, and what takes its place where it is not set; days, or times of a day.
    """
    return next((day for day in given if day is not None), DEFAULT_START)
