"""Failures for which a retry may help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ai.starlake.common import StarlakeError


def may_retry(error: BaseException) -> bool:
    """Return True if a retry may help.

    It does not if there is no executable, if rows might be lost or are already in the table, or if the configuration of
    the run is invalid.
    """
    return not (isinstance(error, StarlakeError) and error.permanent)


@contextmanager
def permanently() -> Iterator[None]:
    """Mark a `StarlakeError` of a block as permanent."""
    try:
        yield
    except StarlakeError as error:
        error.permanent = True
        raise
