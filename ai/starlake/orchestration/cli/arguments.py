"""What the commands take: dates, options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import click

_DAY = len("2026-03-01")


def moment(_context: object, _parameter: object, value: str | None) -> date | datetime | None:
    """Reads a day such as ``2026-03-01``, or a moment such as ``2026-03-01T06:00:00``, with or without its zone.

    Raises:
        click.BadParameter: If it is neither.
    """
    from dateutil import parser

    if value is None:
        return None
    try:
        read = parser.isoparse(value.strip())
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a date ({error}); write it as in 2026-03-01 or 2026-03-01T06:30:00+00:00"
        ) from None
    return read.date() if len(value.strip()) <= _DAY else read


def options(_context: object, _parameter: object, value: str) -> Mapping[str, Any]:
    """Reads ``--options``: a JSON object, or ``k=v,k=v``.

    Raises:
        click.BadParameter: If it is neither.
    """
    if not value.lstrip().startswith("{"):
        return dict(_pair(item) for item in value.split(",") if item.strip())
    try:
        read: dict[str, Any] = json.loads(value)
    except json.JSONDecodeError as error:
        raise click.BadParameter(f"it is not valid JSON: {error.msg} at character {error.pos}") from None
    return read


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"{item!r} is not of the form name=value; a value with a comma has to stand in JSON")
    return name.strip(), value.strip()


def taken(given: dict[str, Any], name: str, argument: date | datetime | None) -> date | datetime | None:
    """A date that stands in an argument of its own or among the options, from which it is taken away.

    Args:
        given: The options.
        name: The name that it has among them.
        argument: The argument.

    Raises:
        click.BadParameter: If it is no date.
    """
    text = given.pop(name, None)
    return argument if argument is not None or text is None else moment(None, None, str(text))
