"""Reading an audit that another process may be writing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ai.starlake.project.audit import AuditBusyError

ResultT = TypeVar("ResultT")

_PAUSE = 1.0
_LONGEST = 900
"""Seconds that a run waits for the command that writes a DuckDB file. A tick does not wait: the next one reads it."""


def when_free(read: Callable[[], ResultT], tell: Callable[[str], None]) -> ResultT:
    """Read an audit, and wait while another process writes it.

    Args:
        read: Reads it.
        tell: Called once with the reason of the wait.

    Raises:
        StarlakeError: If it cannot be read, or is written for too long.
    """
    begun = time.monotonic()
    found = _read(read)
    if isinstance(found, AuditBusyError):
        tell(f"{found.culprit}, because another process writes it: waiting for its end")
    while isinstance(found, AuditBusyError):
        if time.monotonic() - begun > _LONGEST:
            raise found
        time.sleep(_PAUSE)
        found = _read(read)
    return found


def _read(read: Callable[[], ResultT]) -> ResultT | AuditBusyError:
    try:
        return read()
    except AuditBusyError as busy:
        return busy
