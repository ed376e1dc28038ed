"""Facts about a Starlake project that executors need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from ai.starlake.common.storage import Files
from ai.starlake.executor.outcomes import TableOutcome


class ProjectFacts(Protocol):
    """Answers about a project. Each method raises a `StarlakeError` if the project cannot be read."""

    @property
    def files(self) -> Files:
        """The file layer for the files of the project and of its areas."""
        ...

    def duckdb_file(
        self, domain: str | None = None, table: str | None = None, *, task: str | None = None
    ) -> Path | None:
        """Return the DuckDB file that a load, or a task ``domain.task``, writes to; None for another database.

        Args:
            domain: Domain of a load; None with `task`.
            table: Table of a load; None for all of the domain.
            task: Task instead of a load, ``domain.task``.
        """
        ...

    def table_pattern(self, domain: str, table: str) -> re.Pattern[str]:
        """Return the regular expression that the whole name of a file of a table matches.

        Args:
            domain: Name of the domain, or of its folder.
            table: Name of the table.
        """
        ...

    def area(self, name: str, domain: str) -> str:
        """Return the folder of a domain in an area such as ``stage`` or ``ingesting``: a path or a URI.

        Args:
            name: ``incoming``, ``stage``, ``ingesting``, ``archive``, ``unresolved`` or ``replay``.
            domain: Name of the domain, or of its folder.
        """
        ...


@runtime_checkable
class AuditReader(Protocol):
    """Optional ability of facts about a project: read the outcomes that Starlake recorded in its audit.

    The facts of this package read audits in DuckDB files of this machine. Other implementations may read others.
    """

    def recorded_outcomes(self, names: Sequence[str], *, verb: str, job_id: str | None) -> tuple[TableOutcome, ...]:
        """Return the outcomes of tables and tasks from the audit.

        Args:
            names: The tables and tasks, as commands take them; empty for all that are recorded.
            verb: ``load``, ``transform`` or ``job``; ``check`` for the last results of expectations alone.
            job_id: The JOBID of the command; None for the last one.

        Raises:
            StarlakeError: If the audit cannot be reached from here; its culprit is one sentence.
        """
        ...


FactsFactory = Callable[[str, Mapping[str, str]], ProjectFacts]
"""Creates the facts of a project from its root folder and the environment of the command."""


class FactsOfRun:
    """Reads a project once for all commands of a run in this process.

    Args:
        factory: Creates the facts.
    """

    def __init__(self, factory: FactsFactory) -> None:
        self._factory = factory
        self._last: tuple[tuple[object, ...], ProjectFacts] | None = None

    def read(self, run_id: str, root: str, environment: Mapping[str, str], *, again: bool) -> ProjectFacts:
        """Return the facts of a project.

        Args:
            run_id: The run.
            root: The root of the project.
            environment: The environment of the command. The job id in it, which differs between commands, does not
                matter.
            again: True to read the project again, as before a repeated attempt: it may have been corrected.
        """
        key = (run_id, root, frozenset(item for item in environment.items() if item[0] != "SL_JOB_ID"))
        last = self._last
        if again or last is None or last[0] != key:
            self._last = last = (key, self._factory(root, environment))
        return last[1]
