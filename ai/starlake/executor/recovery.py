"""Brings back the files that a failed load left in the ingesting area.

The real `starlake load` moves the files of a table from the stage area to the ingesting area, and leaves them there
when it fails. The next attempt would find nothing to load, and succeed: its rows would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ai.starlake.common import StarlakeError
from ai.starlake.executor.facts import ProjectFacts
from ai.starlake.executor.protocol import RecoveryError, Reporter
from ai.starlake.executor.storage import Location
from ai.starlake.job import StarlakeCommand

_BY_HAND = (
    "look into the ingesting area of the domain, move the files that are to be loaded to its stage area, and launch a "
    "new run"
)


def stranded_files(facts: ProjectFacts, domain: str) -> list[str]:
    """The files in the ingesting area of a domain: a load works on them now, or failed and left them.

    Raises:
        StarlakeError: If the project or the area cannot be read.
    """
    folder = Location.of(facts.area("ingesting", domain))
    return [str(folder.child(name)) for name in folder.list_files()]


def recover_files(command: StarlakeCommand, facts: Callable[[], ProjectFacts] | None, report: Reporter) -> None:
    """Brings the files of a load back to the stage area before the load is repeated.

    Args:
        command: The load. Without tables, it loads all files of its domains.
        facts: Finds out where the areas are and what the files of a table are called.
        report: Told which files were brought back.

    Raises:
        RecoveryError: If it cannot be decided which files these are, or one cannot be moved.
    """
    if "--inPlace" in command.arguments:  # loads files where they are, and moves none
        return
    domains = names_of(command, "--domains", "--include")
    if facts is None or not domains:
        missing = "the project is not known here" if facts is None else "the command names no domain"
        raise RecoveryError(
            f"`starlake {command.verb}` cannot be repeated safely",
            cause=f"files of the failed attempt may be in the ingesting area, but {missing}",
            fix=_BY_HAND,
        )
    tables = names_of(command, "--tables", "--schemas")
    for domain in domains:
        _recover_or_explain(domain, tables, facts, report)


def _recover_or_explain(
    domain: str, tables: Sequence[str], facts: Callable[[], ProjectFacts], report: Reporter
) -> None:
    try:
        _recover_domain(domain, tables, facts(), report)
    except RecoveryError:
        raise
    except StarlakeError as error:
        raise RecoveryError(
            f"the load of {domain} cannot be repeated safely",
            cause=f"files of the failed attempt may be in the ingesting area, but: {error}",
            fix=_BY_HAND,
        ) from error


def names_of(command: StarlakeCommand, *flags: str) -> list[str]:
    """The names that stand, between commas, behind any of some flags."""
    values = [command.value_of(flag) or "" for flag in flags]
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _recover_domain(domain: str, tables: Sequence[str], facts: ProjectFacts, report: Reporter) -> None:
    ingesting = Location.of(facts.area("ingesting", domain))
    there = ingesting.list_files()
    if not there:
        return
    patterns = [facts.table_pattern(domain, table) for table in tables] or [re.compile(".*", re.DOTALL)]
    names = [name for name in there if any(pattern.fullmatch(name) for pattern in patterns)]
    if not names:
        return
    stage = Location.of(facts.area("stage", domain))
    moved: list[str] = []
    try:
        for name in names:
            _move_back(ingesting.child(name), stage)
            moved.append(name)
    finally:
        if moved:
            report.warning(
                f"brought back from {ingesting} to {stage} what an attempt that failed left there: {', '.join(moved)}"
            )


def _move_back(file: Location, stage: Location) -> None:
    try:
        file.move_into(stage)
    except FileExistsError:
        raise RecoveryError(
            f"{file}, which an attempt that failed left, cannot go back to the stage area",
            cause=f"{stage.child(file.name)} arrived meanwhile and has the same name",
            fix="load them one after the other: move one of them away, run again, move it back, run once more",
        ) from None
