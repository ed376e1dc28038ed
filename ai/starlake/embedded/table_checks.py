"""The verb ``check``: expectations of existing tables, without loading anything. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.errors import may_retry
from ai.starlake.common.outcomes.table_outcomes import CheckOutcome, TableOutcome
from ai.starlake.embedded.outcome_notes import OutcomeNotes, row_count
from ai.starlake.embedded.warehouse import expectations
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.embedded.workspace import Clock, Workspace
from ai.starlake.project import Project, Table, Task
from ai.starlake.project.databases.connections import usable_plan


def check_tables(workspace: Workspace, names: Sequence[str]) -> tuple[TableOutcome, ...]:
    """Evaluate the expectations of tables and tasks on the existing tables.

    Args:
        workspace: The project and its databases.
        names: The tables and tasks, as ``domain.table`` or ``domain.task``.

    Returns:
        The outcome of each, in order. One that cannot be checked has an error.
    """
    return tuple(_checked(workspace, name) for name in names)


def _checked(workspace: Workspace, name: str) -> TableOutcome:
    try:
        return _of_item(workspace, find_item(workspace.project, name))
    except StarlakeError as error:
        return TableOutcome(name, error=str(error), checks_unknown=error.culprit)


def _of_item(workspace: Workspace, item: Table | Task) -> TableOutcome:
    clock, project = Clock.start(), workspace.project
    notes = OutcomeNotes(project, item)
    rows = None
    if item.expectations and project.application.expectations.active:
        target = target_of(item)
        _require_database(project, item, target)
        warehouse = workspace.warehouse_of(item)
        if not warehouse.columns(target):
            raise _missing(item, target)
        warehouse.enter(item.domain if isinstance(item, Task) else None)

        def answers(broken: Mapping[int, str]) -> tuple[CheckOutcome, ...]:
            outcomes = expectations.evaluated(warehouse, project, target, item, broken=broken)
            return expectations.as_reported(warehouse, target, item, outcomes)

        notes.checked(expectations.attempts(answers))
        rows = None if warehouse.is_view(target) else row_count(warehouse, target)
    return replace(notes.outcome(job_id=None, duration=clock.duration, error=None), row_count=rows)


def find_item(project: Project, name: str) -> Table | Task:
    """Return the table, or else the task, with a name.

    Raises:
        StarlakeError: If there is neither, or if it is invalid.
    """
    domain, _, rest = name.rpartition(".")
    try:
        return project.table(domain, rest)
    except StarlakeError as no_table:
        try:
            return project.task(name)
        except StarlakeError as no_task:
            why = [f"{error.culprit} ({error.fix})" if error.fix else error.culprit for error in (no_table, no_task)]
            cause = f"as a table: {why[0]}; as a task: {why[1]}"
            kind = StarlakeError if may_retry(no_table) or may_retry(no_task) else PermanentError
            raise kind(f"{name} is neither a table nor a task that can be used", cause=cause) from no_task


def target_of(item: Table | Task) -> Target:
    """Return the target of the rows of a table or task."""
    if isinstance(item, Task):
        return Target(item.domain, item.table)
    return Target(item.domain_final_name, item.final_name)


def _require_database(project: Project, item: Table | Task, target: Target) -> None:
    """Refuse to create the database of a table that does not exist."""
    connection = project.connection_of(item)
    if connection.is_duckdb:
        file = usable_plan(project.settings, connection).file
        if file is not None and not file.exists():
            raise _missing(item, target)


def _missing(item: Table | Task, target: Target) -> StarlakeError:
    verb = "transform" if isinstance(item, Task) else "load"
    return StarlakeError(
        f"the table {target.label} does not exist", fix=f"run `starlake-embedded {verb}` for {item.full_name} first"
    )
