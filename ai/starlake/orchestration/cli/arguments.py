"""Arguments of the commands: dates and options."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import click

from ai.starlake.common.written_values import NotAPairError, comma_pairs, json_object

_DAY = len("2026-03-01")


def moment(_context: object, _parameter: object, value: str | None) -> date | datetime | None:
    """Return a day such as ``2026-03-01``, or a timestamp such as ``2026-03-01T06:00:00``, with or without its offset.

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
    """Return the options of ``--options``: a JSON object, or ``k=v,k=v``.

    Raises:
        click.BadParameter: If it is neither.
    """
    try:
        if value.lstrip().startswith("{"):
            return json_object(value)
        return {name: text.strip() for name, text in comma_pairs(value).items()}
    except NotAPairError as error:
        raise click.BadParameter(
            f"{error.item!r} is not of the form name=value; a value with a comma has to stand in JSON"
        ) from None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def taken(given: dict[str, Any], name: str, argument: date | datetime | None) -> date | datetime | None:
    """Return a date from an argument of its own, or from the options, from which it is removed.

    Args:
        given: The options.
        name: Its name in the options.
        argument: The argument.

    Raises:
        click.BadParameter: If it is not a date.
    """
    text = given.pop(name, None)
    return argument if argument is not None or text is None else moment(None, None, str(text))
