"""Outcome of an item, from the executor's report about its command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ai.starlake.dagster.run_command import outcomes_of_failure
from ai.starlake.executor.outcomes import TableOutcome

if TYPE_CHECKING:
    from dagster import Failure

    from ai.starlake.orchestration.command_runs.command_run import CommandRun
    from ai.starlake.project.assets.project_item import ProjectItem

_UNREPORTED = "the executor reports no results of expectations"


def outcome_of(run: CommandRun, item: ProjectItem) -> TableOutcome:
    """Return the outcome of an item whose command succeeded; facts that the executor does not report are unknown."""
    found = _of_item(run.result.tables, item)
    if found is not None:
        return found
    counts = run.counts if item.kind == "table" else None
    return TableOutcome(item.full_name, counts, checks_unknown=_UNREPORTED, duration=run.result.duration)


def outcome_of_failure(failure: Failure, item: ProjectItem) -> TableOutcome:
    """Return the outcome of an item whose command failed, as far as it is known."""
    found = _of_item(outcomes_of_failure(failure), item)
    if found is not None:
        return found
    return TableOutcome(item.full_name, error=failure.description or "it failed", checks_unknown=_UNREPORTED)


def _of_item(tables: Iterable[TableOutcome], item: ProjectItem) -> TableOutcome | None:
    name = item.full_name.lower()
    return next((table for table in tables if table.name.lower() == name), None)
