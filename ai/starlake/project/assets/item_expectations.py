"""Expectations of a table or task, each with a unique name."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from ai.starlake.common import sanitize_id
from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem, Target
from ai.starlake.project.models import Expectations, Table, Task

REJECTED_ROWS = "rejected_rows"
"""Name of the check of a loaded table's rejected rows."""


def item_expectations(item: Table | Task, target: Target, settings: Expectations) -> tuple[ItemExpectation, ...]:
    """Return the distinct expectations of an item; empty if the application switches them off.

    Args:
        item: The table or task.
        target: Schema and table in the database.
        settings: The settings of the application.
    """
    if not settings.active:
        return ()
    strict: dict[str, bool] = {}
    for each in item.expectations:
        strict[each.call] = strict.get(each.call, False) or each.fail_on_error
    taken = Counter([REJECTED_ROWS, *map(check_name, strict)])
    return tuple(
        ItemExpectation(
            item=item.full_name,
            target=target,
            expect=call,
            name=check_name(call) if taken[check_name(call)] == 1 else f"{check_name(call)}_{_digest(call)}",
            fail_on_error=settings.fail_on_error and fails,
        )
        for call, fails in strict.items()
    )


def rejects_expectation(item: ProjectItem) -> ItemExpectation | None:
    """Return the expectation that a load rejects no row; None for an item that is not loaded from files.

    It never blocks: a load that rejects too many rows fails by itself.
    """
    if item.kind != "table":
        return None
    return ItemExpectation(item.full_name, item.target, REJECTED_ROWS, REJECTED_ROWS, fail_on_error=False)


def check_name(call: str) -> str:
    """Return the name of the check for the call of a macro.

    >>> check_name("between('price', 0, 500)")
    'between_price_0_500'
    """
    return re.sub("_+", "_", sanitize_id(call)).strip("_") or "expectation"


def _digest(call: str) -> str:
    return hashlib.sha256(call.encode()).hexdigest()[:6]
