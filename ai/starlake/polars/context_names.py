"""Names of compute contexts. They contain the run, because Polars Cloud lists names but no labels."""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID

_NAME = re.compile(r"starlake-(?P<run>[0-9a-f]{32})-[0-9a-f]{8}")
MARK = "starlake"
"""Label of all contexts that this package creates."""


def context_name(run_id: str) -> str:
    """Return a new name for a context of a run."""
    return f"{MARK}-{run_label(run_id)}-{secrets.token_hex(4)}"


def run_label(run_id: str) -> str:
    """Return the label of a run: the 32 digits of its id; for an id that is not a UUID, those of a digest."""
    try:
        return UUID(run_id).hex
    except ValueError:
        return hashlib.sha256(run_id.encode()).hexdigest()[:32]


def run_of(name: str | None) -> str | None:
    """Return the run of a context from its name; None if this package did not create it."""
    found = _NAME.fullmatch(name or "")
    return str(UUID(found["run"])) if found else None
