"""Values on the command line, written as Starlake writes them (contract 1)."""

from __future__ import annotations

from datetime import datetime, timezone

import click

from ai.starlake.common import StarlakeError, parse_datetime


def names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Names separated by commas; blanks around them do not count."""
    del context, parameter
    return tuple(name.strip() for name in value.split(",") if name.strip())


def pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``name=value`` pairs separated by commas; a value may hold ``=`` but no comma.

    Raises:
        click.BadParameter: If there is no ``=`` in a pair.
    """
    found: dict[str, str] = {}
    for item in (item for value in values for item in value.split(",") if item):
        name, separator, text = item.partition("=")
        if not separator:
            raise click.BadParameter(f"{item!r} is not a name=value pair", context, parameter)
        found[name.strip()] = text
    return found


def pairs_once(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """The same for a verb that takes the option once.

    Raises:
        click.BadParameter: If it is given twice, or if there is no ``=`` in a pair.
    """
    if len(values) > 1:
        raise click.BadParameter("give it once, with all pairs separated by commas", context, parameter)
    return pairs(context, parameter, values)


def moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """A date, or a date and time; UTC, unless it names another offset.

    Raises:
        click.BadParameter: If it is neither.
    """
    if value is None:
        return None
    try:
        found = parse_datetime(value.strip().strip("'\""), timezone.utc)
    except StarlakeError:
        example = "2024-02-29 or 2024-02-29T10:00:00"
        raise click.BadParameter(f"{value!r} is not a date such as {example}", context, parameter) from None
    return found.astimezone(timezone.utc).replace(tzinfo=None)
