"""The session of a command, and its outcome."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import require_package
from ai.starlake.embedded.interruption import Interruption

if TYPE_CHECKING:
    from ai.starlake.embedded.engine import Engine
    from ai.starlake.embedded.outcome_log import OutcomeLog
    from ai.starlake.embedded.reporting import EngineReporter, Tell
    from ai.starlake.embedded.results import LoadResult
    from ai.starlake.project import Finding, Project


@dataclass(frozen=True)
class VerbOutcome:
    """Outcome of a verb.

    Args:
        text: Its answer, for standard output; empty for none.
        load: Result of a load.
        error: The error.
        permanent: True if a retry cannot help against the error.
        negative: Reason of a negative answer, such as "nothing to load": the exit code is 1, but nothing failed.
    """

    text: str = ""
    load: LoadResult | None = None
    error: str | None = None
    permanent: bool = False
    negative: str | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 or 1."""
        return int(self.error is not None or self.negative is not None)


class Session:
    """The project, the engine, and the streams of one command; a context manager.

    Args:
        environment: The environment of the command.
        tell: Receives the output of the command.
        reporter: Creates the reporter of the engine's events; by default one that prints like Starlake.
        folder: Base of relative paths on the command line; by default the working folder.
        interruption: Ends the work of the engine on request.
        outcomes: Collects the outcomes of tables and tasks.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        tell: Tell,
        *,
        reporter: Callable[[], EngineReporter] | None = None,
        folder: Path | None = None,
        interruption: Interruption | None = None,
        outcomes: OutcomeLog | None = None,
    ) -> None:
        self.environment = environment
        self._tell = tell
        self._make_reporter = reporter
        self._folder = folder
        self._interruption = interruption
        self._outcomes = outcomes
        self._opened: list[Project] = []

    def __enter__(self) -> Session:
        """Start without an open project."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Print the warnings about the files of the opened projects."""
        for project in self._opened:
            for finding in (each for each in project.findings if not each.is_error):
                self._tell("stderr", f"WARNING {finding}")
        self._opened.clear()

    def note(self, text: str) -> None:
        """Print something other than the answer of the verb, to standard error."""
        self._tell("stderr", text)

    @property
    def root(self) -> str:
        """Folder of the project: SL_ROOT, else the working folder."""
        return self.environment.get("SL_ROOT") or str(self._folder or Path.cwd())

    def path(self, text: str) -> str:
        """Return an absolute path for a path of the command line."""
        if self._folder is None:
            return text
        return os.path.join(self._folder, text.removeprefix("file:"))  # noqa: PTH118  a string, unchanged

    def project(self, options: Mapping[str, str]) -> Project:
        """Read the project.

        Args:
            options: The values of ``--options``.

        Raises:
            StarlakeError: If it is invalid.
        """
        from ai.starlake.project import Project

        return Project.read(self.root, environment=self.environment, options=options)

    def engine(self, options: Mapping[str, str]) -> Engine:
        """Open the engine on the project; with ``SL_VALIDATE_ON_LOAD``, first print the findings.

        Args:
            options: The values of ``--options``.

        Raises:
            StarlakeError: If the project is invalid.
        """
        from ai.starlake.embedded.engine import Engine

        project = self.project(options)
        self._opened.append(project)
        engine = Engine(
            project,
            environment=self.environment,
            reporter=self._reporter,
            interruption=self._interruption,
            outcomes=self._outcomes,
        )
        if project.application.validate_on_load:
            from ai.starlake.embedded.cli.console import findings_text

            self._tell("stdout", findings_text(self.findings(options)))
        return engine

    def findings(self, options: Mapping[str, str]) -> list[Finding]:
        """Return the findings in metadata and SQL; without errors, also those in the columns of the database.

        Args:
            options: The values of ``--options``.
        """
        require_package("duckdb", "the check of SQL", "embedded")
        from ai.starlake.embedded.intake.load_settings import settings_findings
        from ai.starlake.embedded.transform.sql_checks import sql_findings
        from ai.starlake.embedded.warehouse.duckdb.stored_columns import stored_findings
        from ai.starlake.project.checks.project_checks import validate

        findings = validate(self.root, environment=self.environment, options=options)
        usable = not any(finding.is_error for finding in findings)
        try:
            project = self.project(options)
        except StarlakeError:
            return findings
        findings += settings_findings(project)
        findings += sql_findings(project, names=usable)
        findings += stored_findings(project) if usable else []
        return sorted(set(findings), key=lambda each: (str(each.file or ""), each.line, each.severity, each.message))

    @cached_property
    def _reporter(self) -> EngineReporter:
        from ai.starlake.embedded.cli.console import Console

        return self._make_reporter() if self._make_reporter else Console(self._tell)
