"""Names of compute contexts: they tell which run a context belongs to, since Polars Cloud lists names and no labels."""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID

_NAME = re.compile(r"starlake-(?P<run>[0-9a-f]{32})-[0-9a-f]{8}")
MARK = "starlake"
"""The label of all contexts that are made here."""


def context_name(run_id: str) -> str:
    """Return a new name for a context of a run."""
    return f"{MARK}-{run_label(run_id)}-{secrets.token_hex(4)}"


def run_label(run_id: str) -> str:
    """Return the label of a run: the 32 digits of its id; of an id that is no UUID, those of a digest."""
    try:
        return UUID(run_id).hex
    except ValueError:
        return hashlib.sha256(run_id.encode()).hexdigest()[:32]


def run_of(name: str | None) -> str | None:
    """Return the run that a context of this name belongs to; None if it was not made here."""
    found = _NAME.fullmatch(name or "")
    return str(UUID(found["run"])) if found else None
