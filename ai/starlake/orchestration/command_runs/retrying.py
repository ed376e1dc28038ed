"""Which failures another attempt may mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ai.starlake.common import StarlakeError


def may_retry(error: BaseException) -> bool:
    """Return True if trying again may help.

    It does not where there is nothing to run, where rows might be lost or are already in the table, and where the
    configuration of the run is wrong.
    """
    return not (isinstance(error, StarlakeError) and error.permanent)


@contextmanager
def permanently() -> Iterator[None]:
    """Mark a `StarlakeError` that a block raises as one that trying again does not mend."""
    try:
        yield
    except StarlakeError as error:
        error.permanent = True
        raise
