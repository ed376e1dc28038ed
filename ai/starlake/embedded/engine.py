"""The engine, callable in process: the functions of the command line, with results instead of output."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ai.starlake.common.extras import require_package
from ai.starlake.common.outcomes.table_outcomes import TableOutcome
from ai.starlake.embedded.areas import stage as landing
from ai.starlake.embedded.intake.load_jobs import load, load_in_place
from ai.starlake.embedded.interruption import Interruption
from ai.starlake.embedded.outcome_log import OutcomeLog
from ai.starlake.embedded.reporting import EngineReporter, Silent
from ai.starlake.embedded.results import LoadResult, PreloadResult, StageResult, TransformResult
from ai.starlake.embedded.selection import Selection
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.embedded.transform.transforms import transform
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Project


class Engine:
    """Runs the verbs of the Starlake command line on the DuckDB databases of a project.

    Each call opens the databases that it needs and closes them at its end, so that other processes get their turn.

    Args:
        project: The project.
        environment: The environment, for ``SL_JOB_ID`` and the like; the one of the process by default.
        reporter: Receives events.
        interruption: Ends the work of the engine on request; see `interrupt`.
        outcomes: Collects the outcomes of tables and tasks.

    Raises:
        MissingExtraError: If DuckDB is not installed.
    """

    def __init__(
        self,
        project: Project,
        *,
        environment: Mapping[str, str] | None = None,
        reporter: EngineReporter | None = None,
        interruption: Interruption | None = None,
        outcomes: OutcomeLog | None = None,
    ) -> None:
        require_package("duckdb", "the embedded engine", "embedded")
        self.project = project
        self._environment = environment
        self._reporter = reporter or Silent()
        self._interruption = interruption or Interruption()
        self._outcomes = outcomes

    def interrupt(self) -> None:
        """End, from another thread, the work of this engine; the call there raises `Interrupted`.

        Nothing is half-written, and files that were being loaded stay where the next load finds them. Repeat the
        request until the call has ended: one request may come just before a query begins.
        """
        self._interruption.request()

    @classmethod
    def open(
        cls,
        root: Path | str | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        reporter: EngineReporter | None = None,
    ) -> Engine:
        """Open the project in a folder.

        Args:
            root: The folder that holds ``metadata``; ``SL_ROOT`` by default, else the working folder.
            environment: The environment; the one of the process by default.
            options: The values of ``--options`` on the command line.
            reporter: Receives events.

        Returns:
            The engine; databases are opened when they are needed.

        Raises:
            StarlakeError: If there is no project, or if it is invalid.
        """
        known = dict(os.environ if environment is None else environment)
        folder = root or known.get("SL_ROOT") or Path.cwd()
        return cls(Project.read(folder, environment=known, options=options), environment=known, reporter=reporter)

    def stage(self, domains: Sequence[str] = (), tables: Sequence[str] = ()) -> StageResult:
        """Move files from the landing areas to the stage areas; see Starlake's `StageCmd.scala`.

        Args:
            domains: Names of domains or of their folders; all by default.
            tables: Names of tables; all of the domains by default.

        Returns:
            The moved files by their new names, and those that match no table.

        Raises:
            StarlakeError: If a selected domain has no landing area, or if a name is unknown.
        """
        return landing.stage(self.project, Selection(tuple(domains), tuple(tables)), self._reporter)

    def preload(
        self, domain: str, tables: Sequence[str] = (), *, strategy: str = "none", ack_file: str | None = None
    ) -> PreloadResult:
        """Return whether there is something to load; see Starlake's `PreLoadCmd.scala`.

        Args:
            domain: Name of the domain, or of its folder.
            tables: Names of tables; all of the domain by default.
            strategy: ``none``, ``imported``, ``pending`` or ``ack``, in any case.
            ack_file: Path or URI of the ack file, for ``ack``; it is deleted if it exists.

        Raises:
            StarlakeError: If the strategy or a name is unknown.
        """
        return landing.preload(self.project, domain, tuple(tables), strategy, ack_file)

    def load(
        self,
        domains: Sequence[str] = (),
        tables: Sequence[str] = (),
        *,
        files: Sequence[str] = (),
        in_place: bool = False,
        scheduled: datetime | None = None,
    ) -> LoadResult:
        """Load the files in the stage areas; see Starlake's `LoadCmd.scala`.

        Args:
            domains: The domains; all if empty.
            tables: The tables; all if empty.
            files: Files from elsewhere, which are copied to the stage area first.
            in_place: True if `files` are loaded in place, into the one table named, and stay there.
            scheduled: The logical date, UTC; the column SCHEDULED_DATE of the audit.

        Returns:
            The ingestions; see `LoadResult.failures`.

        Raises:
            StarlakeError: If the metadata is invalid; no file is moved then.
        """
        with self._workspace(scheduled) as workspace:
            run = load_in_place if in_place else load
            return run(workspace, Selection(tuple(domains), tuple(tables)), files, self._reporter)

    def transform(self, request: TransformRequest, *, scheduled: datetime | None = None) -> TransformResult:
        """Run a task; see Starlake's `TransformCmd.scala`.

        Args:
            request: The task, and how to run it.
            scheduled: The logical date, UTC; the column SCHEDULED_DATE of the audit.

        Returns:
            The tasks that ran, the output of the command, and the error if it failed.

        Raises:
            StarlakeError: If there is no such task, or if its metadata is invalid.
        """
        with self._workspace(scheduled) as workspace:
            return transform(workspace, request, self._reporter)

    def replay(
        self, domains: Sequence[str] = (), tables: Sequence[str] = (), *, scheduled: datetime | None = None
    ) -> LoadResult:
        """Load the rejected rows in the replay area, where ``sinkReplayToFile`` keeps them.

        Args:
            domains: The domains; all if empty.
            tables: The tables; all if empty.
            scheduled: The logical date, UTC; the column SCHEDULED_DATE of the audit.

        Returns:
            The ingestions; see `LoadResult.failures`. The files of failed ones are back in the replay area.

        Raises:
            StarlakeError: If the metadata is invalid; no file is moved then.
        """
        from ai.starlake.embedded.intake.replay import replay

        with self._workspace(scheduled) as workspace:
            return replay(workspace, Selection(tuple(domains), tuple(tables)), self._reporter)

    def rejected_rows(
        self,
        domains: Sequence[str] = (),
        tables: Sequence[str] = (),
        *,
        since: datetime | None = None,
        job_id: str | None = None,
    ) -> tuple[TableOutcome, ...]:
        """Return the rejected rows in the audit, and the files in the replay area.

        Args:
            domains: The domains; all if empty.
            tables: The tables; all if empty.
            since: Earliest start of the loads, UTC.
            job_id: The JOBID of the loads; all by default.

        Returns:
            The outcome of each table that has any: counts, reasons, and the waiting files.

        Raises:
            StarlakeError: If a domain or a table does not exist, or if the database cannot be opened.
        """
        from ai.starlake.embedded.intake.replay import rejected_rows

        with self._workspace(None) as workspace:
            selection = Selection(tuple(domains), tuple(tables))
            outcomes = rejected_rows(workspace, selection, since=since, job_id=job_id)
            for outcome in outcomes:
                workspace.outcomes.add(outcome)
            return outcomes

    def check(self, names: Sequence[str]) -> tuple[TableOutcome, ...]:
        """Evaluate the expectations of existing tables; nothing is written.

        Args:
            names: Tables and tasks, as ``domain.table`` or ``domain.task``.

        Returns:
            The outcome of each, in order. One that cannot be checked has an error.
        """
        from ai.starlake.embedded.table_checks import check_tables

        with self._workspace(None) as workspace:
            outcomes = check_tables(workspace, names)
            for outcome in outcomes:
                workspace.outcomes.add(outcome)
            return outcomes

    def _workspace(self, scheduled: datetime | None) -> Workspace:
        return Workspace(
            self.project,
            environment=self._environment,
            scheduled=scheduled,
            interruption=self._interruption,
            outcomes=self._outcomes,
            reporter=self._reporter,
        )
