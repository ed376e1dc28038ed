"""Checks of arguments of a facade that would otherwise be read at the first tick of the sensor."""

from __future__ import annotations

import re
from typing import Any

from ai.starlake.common import StarlakeError

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:]+\]?")
_LAST_PORT = 65535


def check_host(host: Any) -> None:
    """Check that a value is the name or address of a host; None is accepted.

    Raises:
        StarlakeError: If it is not, for example a URL.
    """
    if host is not None and not (isinstance(host, str) and _HOST.fullmatch(host)):
        raise StarlakeError(
            f"dagster_graphql_host is {host!r}",
            cause="it is the name of a host, without scheme, port and path",
            fix="write dagster_graphql_host='localhost', dagster_graphql_port=3000; for https add "
            "dagster_graphql_kwargs={'use_https': True}",
        )


def port_of(port: Any) -> int | None:
    """Return the number of a port; None is accepted.

    Raises:
        StarlakeError: If it is not a number from 1 to 65535.
    """
    if port is None:
        return None
    digits = str(port)
    if isinstance(port, bool) or not digits.isdecimal() or not 0 < int(digits) <= _LAST_PORT:
        raise StarlakeError(f"dagster_graphql_port is {port!r}", fix=f"use a number from 1 to {_LAST_PORT}")
    return int(digits)


def check_interval(seconds: Any) -> None:
    """Check that a value is a whole number of seconds between ticks.

    Raises:
        StarlakeError: If it is not, or is less than one second.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1:
        raise StarlakeError(f"interval_seconds is {seconds!r}", fix="use a whole number of seconds, 1 or more")
