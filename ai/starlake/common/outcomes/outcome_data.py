"""Outcomes as data, to pass them between processes in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ai.starlake.common.outcomes.table_outcomes import (
    CheckOutcome,
    LoadedFile,
    RejectReason,
    StarlakeCounts,
    TableOutcome,
)

OUTCOME_FILE = "SL_OUTCOME_FILE"
"""Variable with the path of a file for a command to write the outcomes of its tables and tasks to."""


def outcomes_text(tables: Sequence[TableOutcome]) -> str:
    """Return the content of an outcome file: JSON."""
    return json.dumps({"tables": outcomes_as_data(tables)}, ensure_ascii=False)


def outcomes_of_text(text: str) -> tuple[TableOutcome, ...]:
    """Return the outcomes in the content of a file; empty if it cannot be read."""
    try:
        return outcomes_from_data(json.loads(text)["tables"])
    except (ValueError, TypeError, LookupError, AttributeError):
        return ()


def masked_outcomes(tables: Sequence[TableOutcome], mask: Callable[[str], str]) -> tuple[TableOutcome, ...]:
    """Return outcomes with the secrets in their strings masked."""
    return outcomes_from_data(_masked(outcomes_as_data(tables), mask))


def _masked(data: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return mask(data)
    if isinstance(data, dict):
        return {name: _masked(value, mask) for name, value in data.items()}
    return [_masked(each, mask) for each in data] if isinstance(data, list | tuple) else data


def outcomes_as_data(tables: Sequence[TableOutcome]) -> list[dict[str, Any]]:
    """Return outcomes as JSON-compatible data."""
    return [{**asdict(table), "checks": _checks_as_data(table)} for table in tables]


def _checks_as_data(table: TableOutcome) -> list[dict[str, Any]] | None:
    if table.checks is None:
        return None
    return [{**vars(check), "rows": [dict(row) for row in check.rows]} for check in table.checks]


def outcomes_from_data(data: Sequence[Mapping[str, Any]]) -> tuple[TableOutcome, ...]:
    """Return the outcomes from the data of `outcomes_as_data`.

    Raises:
        TypeError: If the data lack a field, or have an unknown one.
        KeyError: If the data lack a field.
    """
    return tuple(_outcome(one) for one in data)


def _outcome(data: Mapping[str, Any]) -> TableOutcome:
    counts, checks = data["counts"], data["checks"]
    read: dict[str, Any] = {
        "counts": counts and StarlakeCounts(**counts),
        "checks": None if checks is None else tuple(map(_check, checks)),
        "reasons": tuple(RejectReason(**one) for one in data["reasons"]),
        "files": tuple(LoadedFile(**one) for one in data["files"]),
    }
    return TableOutcome(**{**data, **read})


def _check(data: Mapping[str, Any]) -> CheckOutcome:
    return CheckOutcome(**{**data, "rows": tuple(data["rows"])})
