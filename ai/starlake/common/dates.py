"""Dates: the logical date of a run, its data interval, and their string forms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ai.starlake.common.errors import StarlakeError

SL_TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S%z"
"""Format of timestamps on Starlake's command line; without blanks, because its launcher would split at them."""

_MARGIN = timedelta(days=2)


@dataclass(frozen=True)
class DataInterval:
    """The time span whose data a run processes: from `start` up to, not including, `end`."""

    start: datetime
    """First timestamp that belongs to it, with a time zone."""
    end: datetime
    """First timestamp that no longer belongs to it, with a time zone."""


def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Args:
        name: Name such as ``Europe/Paris``.

    Raises:
        StarlakeError: If no time zone has this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise StarlakeError(
            f"{name!r} is not a time zone", fix="use an IANA name such as UTC or Europe/Paris"
        ) from error


def parse_datetime(text: str, zone: tzinfo) -> datetime:
    """Read a timestamp in ISO 8601.

    Args:
        text: A date or a date and time; an offset in it takes precedence over `zone`.
        zone: The time zone of a string without an offset.

    Returns:
        A timezone-aware datetime.

    Raises:
        StarlakeError: If the string is not a timestamp.
    """
    from dateutil import parser

    try:
        moment = parser.isoparse(text.strip())
    except ValueError as error:
        raise StarlakeError(
            f"{text!r} is not a date", cause=str(error), fix="write it as in 2026-03-01 or 2026-03-01T06:30:00+00:00"
        ) from error
    timestamp = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:  # every use of a date converts it to another time zone, or takes the day before or after it
        timestamp.astimezone(timezone.utc) - _MARGIN, timestamp.astimezone(timezone.utc) + _MARGIN
    except OverflowError:
        raise StarlakeError(
            f"{text!r} cannot be used as a date",
            cause="its time in UTC, or that of the day before or after, is outside of the years 1 to 9999",
            fix="use a date from 0001-01-03 to 9999-12-29",
        ) from None
    return timestamp


def format_timestamp(moment: datetime) -> str:
    """Return a timestamp in the form of Starlake's command line, such as ``2026-03-01T00:00:00+0000``.

    Always in UTC: Starlake stores it in columns without a time zone, for which databases drop the offset.

    Args:
        moment: Timestamp in any time zone; one without is in that of the machine.
    """
    return moment.astimezone(timezone.utc).strftime(SL_TIMESTAMP_FORMAT)


def date_variables(moment: datetime) -> dict[str, str]:
    """Return the variables of a logical date in a path template: ``ds``, ``ds_nodash`` and ``ts``.

    Args:
        moment: Logical date, with a time zone.
    """
    return {"ds": moment.strftime("%Y-%m-%d"), "ds_nodash": moment.strftime("%Y%m%d"), "ts": format_timestamp(moment)}
