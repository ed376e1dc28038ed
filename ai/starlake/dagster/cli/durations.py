"""Durations as people write them on a command line."""

from __future__ import annotations

import re

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def seconds(_context: click.Context | None, parameter: click.Parameter | None, value: str) -> float:
    """Reads ``90s``, ``15m``, ``2h`` or ``1d``; a number alone is in seconds. A callback of click's options.

    Raises:
        click.BadParameter: If it is not a duration.
    """
    match = _DURATION.fullmatch(value.strip().lower())
    if not match:
        raise click.BadParameter(f"{value!r} is not a duration; write 90s, 15m, 2h or 1d", param=parameter)
    return float(match[1]) * _SECONDS[match[2]]
