"""What an executor asks about the Starlake project whose commands it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from ai.starlake.common.storage import Files
from ai.starlake.executor.outcomes import TableOutcome


class ProjectFacts(Protocol):
    """Answers about a project. Each raises a `StarlakeError` when the project cannot be read."""

    @property
    def files(self) -> Files:
        """How the files of the project, and those in its areas, are reached."""
        ...

    def duckdb_file(
        self, domain: str | None = None, table: str | None = None, *, task: str | None = None
    ) -> Path | None:
        """Return the DuckDB file that a load, or a task ``domain.task``, writes into; None if elsewhere."""
        ...

    def table_pattern(self, domain: str, table: str) -> re.Pattern[str]:
        """Return what the name of a file must match, as a whole, to be a file of a table."""
        ...

    def area(self, name: str, domain: str) -> str:
        """Return the folder of a domain in an area such as ``stage`` or ``ingesting``: a path or a URI."""
        ...


@runtime_checkable
class AuditReader(Protocol):
    """An optional ability of facts about a project: to tell what Starlake recorded in its audit.

    The facts that come with this package read audits in DuckDB files of this machine. Your own may read others.
    """

    def recorded_outcomes(self, names: Sequence[str], *, verb: str, job_id: str | None) -> tuple[TableOutcome, ...]:
        """Return what the audit says of tables and tasks.

        Args:
            names: The tables and tasks, as commands take them; empty for all that is on record.
            verb: ``load``, ``transform`` or ``job``; ``check`` for the last results of expectations alone.
            job_id: The JOBID of the command; None for the last one.

        Raises:
            StarlakeError: If the audit cannot be reached from here; the culprit is one sentence.
        """
        ...


FactsFactory = Callable[[str, Mapping[str, str]], ProjectFacts]
"""Makes the facts of a project from its root folder and the environment of the command."""


class FactsOfRun:
    """Reads a project once for the commands of a run that this process runs, however many there are.

    Args:
        factory: Makes the facts.
    """

    def __init__(self, factory: FactsFactory) -> None:
        self._factory = factory
        self._last: tuple[tuple[object, ...], ProjectFacts] | None = None

    def read(self, run_id: str, root: str, environment: Mapping[str, str], *, again: bool) -> ProjectFacts:
        """Return the facts of a project.

        Args:
            run_id: The run.
            root: The root of the project.
            environment: The environment of the command. The id of the job in it, which differs from command to
                command, says nothing about the project.
            again: Whether to read the project anew, as before a repeated attempt: somebody may have mended it.
        """
        key = (run_id, root, frozenset(item for item in environment.items() if item[0] != "SL_JOB_ID"))
        last = self._last
        if again or last is None or last[0] != key:
            self._last = last = (key, self._factory(root, environment))
        return last[1]
