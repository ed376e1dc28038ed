"""Option values of the command line: callbacks for click."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import click

from ai.starlake.common import StarlakeError, parse_datetime
from ai.starlake.common.written_values import NotAPairError, comma_list, comma_pairs


def names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Return comma-separated names without the blanks around them."""
    del context, parameter
    return comma_list(value)


def pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return comma-separated ``name=value`` pairs; a value may contain ``=`` but no comma.

    Raises:
        click.BadParameter: If there is no ``=`` in a pair, or the name is empty.
    """
    try:
        return comma_pairs(",".join(values))
    except NotAPairError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def pairs_once(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return the pairs of an option that may be given only once; see `pairs`.

    Raises:
        click.BadParameter: If it is given twice, or if there is no ``=`` in a pair.
    """
    if len(values) > 1:
        raise click.BadParameter("give it once, with all pairs separated by commas", context, parameter)
    return pairs(context, parameter, values)


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Return a date, or a date and time; in UTC unless it has an offset.

    Raises:
        click.BadParameter: If the value is neither.
    """
    if value is None:
        return None
    try:
        found = parse_datetime(value.strip().strip("'\""), timezone.utc)
    except StarlakeError:
        example = "2024-02-29 or 2024-02-29T10:00:00"
        raise click.BadParameter(f"{value!r} is not a date such as {example}", context, parameter) from None
    return found.astimezone(timezone.utc).replace(tzinfo=None)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def seconds(_context: click.Context | None, parameter: click.Parameter | None, value: str) -> float:
    """Return a duration in seconds: ``90s``, ``15m``, ``2h`` or ``1d``; a number alone is in seconds.

    Raises:
        click.BadParameter: If the value is not a duration.
    """
    match = _DURATION.fullmatch(value.strip().lower())
    if not match:
        raise click.BadParameter(f"{value!r} is not a duration; write 90s, 15m, 2h or 1d", param=parameter)
    return float(match[1]) * _SECONDS[match[2]]
