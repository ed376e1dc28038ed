"""Names of compute profiles, and the error about profiles that cannot be used."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

PROFILE_NAME = re.compile(r"[a-z](?:[a-z0-9_-]{0,29}[a-z0-9])?")


class InvalidComputeError(ValueError):
    """The profiles of the option `compute` cannot be used; the message names the profile, the field and the value."""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one; None if none is."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)), None)
