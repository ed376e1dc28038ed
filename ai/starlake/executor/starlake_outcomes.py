"""Outcomes of a command of Starlake itself, which reports counts only: read from its audit, if possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from ai.starlake.common import StarlakeError
from ai.starlake.executor.outcomes import StarlakeCounts, TableOutcome
from ai.starlake.executor.project_facts import AuditReader, ProjectFacts
from ai.starlake.executor.recovery import names_of
from ai.starlake.job import StarlakeCommand

_VERBS = frozenset({"load", "transform", "job"})
_NO_FACTS = "the executor knows no audit of the project"
_UNMET = "its expectations are not met"


def outcomes_on_record(
    command: StarlakeCommand,
    facts: Callable[[], ProjectFacts] | None,
    job_id: str,
    counts: StarlakeCounts | None = None,
    *,
    failure: str | None = None,
) -> tuple[TableOutcome, ...]:
    """Return the outcomes of a command that has ended; none if its tables are unknown.

    Args:
        command: The command.
        facts: The facts about its project, which may be an `AuditReader`.
        job_id: Its JOBID in the audit.
        counts: The counts that it printed.
        failure: The error that it failed with.
    """
    if command.verb not in _VERBS:
        return ()
    names = _names(command)
    try:
        found = _reader(facts).recorded_outcomes(names, verb=command.verb, job_id=job_id)
    except StarlakeError as error:
        return _unread(command, names, counts, failure, error.culprit)
    return found if failure is None else _of_failure(found, names, failure)


def last_checks(command: StarlakeCommand, facts: Callable[[], ProjectFacts] | None) -> tuple[TableOutcome, ...]:
    """Return the last recorded results of expectations, because Starlake cannot evaluate them alone.

    Args:
        command: ``check --names domain.table,...``.
        facts: The facts about its project, which may be an `AuditReader`.
    """
    names = [*names_of(command, "--names")]
    try:
        return _reader(facts).recorded_outcomes(names, verb="check", job_id=None)
    except StarlakeError as error:
        why = f"Starlake evaluates expectations only when it loads a table or runs a task, and {error.culprit}"
        return tuple(TableOutcome(name, checks_unknown=why) for name in names)


def _reader(facts: Callable[[], ProjectFacts] | None) -> AuditReader:
    known = facts() if facts else None
    if not isinstance(known, AuditReader):
        raise StarlakeError(_NO_FACTS)
    return known


def _names(command: StarlakeCommand) -> list[str]:
    """Return the tables or the task that a command names; none if it names none."""
    if command.verb != "load":
        name = command.value_of("--name")
        return [name] if name and "--recursive" not in command.arguments else []
    domains, tables = names_of(command, "--domains", "--include"), names_of(command, "--tables", "--schemas")
    return [f"{domain}.{table}" for domain, table in product(domains, tables)]


def _unread(
    command: StarlakeCommand, names: Sequence[str], counts: StarlakeCounts | None, failure: str | None, why: str
) -> tuple[TableOutcome, ...]:
    """Return what is known without the audit: the outcome of a single table only."""
    if len(names) != 1 or (command.verb == "load" and counts is not None and counts.read_nothing):
        return ()
    return (TableOutcome(names[0], counts, failure, checks_unknown=why),)


def _of_failure(found: Sequence[TableOutcome], names: Sequence[str], failure: str) -> tuple[TableOutcome, ...]:
    """Return the outcomes of a command that failed; none if the audit does not tell which table failed.

    Starlake records the load of a table as a success even if it fails because of its expectations.
    """
    if not any(table.error for table in found):
        found = [replace(table, error=_UNMET) if _is_unmet(table) else table for table in found]
    if any(table.error for table in found):
        return tuple(found)
    if len(names) != 1:
        return ()
    (table,) = found or (TableOutcome(names[0], checks_unknown="the audit has no record of it"),)
    return (replace(table, error=failure),)


def _is_unmet(table: TableOutcome) -> bool:
    return any(check.success is False for check in table.checks or ())
