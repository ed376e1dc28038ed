"""Durations as people write them on a command line."""

from __future__ import annotations

import re
from typing import Any

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


class Duration(click.ParamType):
    """Seconds, written as ``90s``, ``15m``, ``2h`` or ``1d``; a number alone is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads one."""
        if isinstance(value, (int, float)):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip().lower())
        if not match:
            self.fail(f"{value!r} is no duration; write 90s, 15m, 2h or 1d", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]
