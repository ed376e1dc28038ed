"""The session in which a command runs, and its outcome."""

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
    """How a verb ended.

    Args:
        text: Its answer, for standard output; empty for none.
        load: What a load did.
        error: Why it failed.
        negative: Why its answer is negative, such as "nothing to load": the exit code is 1, and nothing failed.
    """

    text: str = ""
    load: LoadResult | None = None
    error: str | None = None
    negative: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 or 1."""
        return int(self.error is not None or self.negative is not None)


class Session:
    """The project, the engine, and the streams of one command; a context manager.

    Args:
        environment: The environment of the command.
        tell: Takes what the command prints.
        reporter: Makes what is told about the work of the engine; by default it prints what Starlake does.
        folder: What relative paths on the command line are relative to; by default the working folder.
        interruption: Ends the work of the engine when asked to.
        outcomes: Collects what becomes of tables and tasks.
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
        """Create an empty reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Tell the warnings about the files of the projects that were opened."""
        for project in self._opened:
            for finding in (each for each in project.findings if not each.is_error):
                self._tell("stderr", f"WARNING {finding}")
        self._opened.clear()

    def note(self, text: str) -> None:
        """Print something that is not the answer of the verb, to standard error."""
        self._tell("stderr", text)

    @property
    def root(self) -> str:
        """The folder of the project: SL_ROOT, else the working folder."""
        return self.environment.get("SL_ROOT") or str(self._folder or Path.cwd())

    def path(self, text: str) -> str:
        """Return a path of the command line as this process finds it."""
        if self._folder is None:
            return text
        return os.path.join(self._folder, text.removeprefix("file:"))  # noqa: PTH118  a string, as it came

    def project(self, options: Mapping[str, str]) -> Project:
        """Read the project.

        Args:
            options: What ``--options`` gives.

        Raises:
            StarlakeError: If it cannot be used.
        """
        from ai.starlake.project import Project

        return Project.read(self.root, environment=self.environment, options=options)

    def engine(self, options: Mapping[str, str]) -> Engine:
        """Open the engine on the project; with ``SL_VALIDATE_ON_LOAD``, tell first what is wrong with it.

        Args:
            options: What ``--options`` gives.

        Raises:
            StarlakeError: If the project cannot be used.
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
        """Return the mistakes in metadata and SQL; without errors, also the columns of the database that they lack.

        Args:
            options: What ``--options`` gives.
        """
        require_package("duckdb", "the check of SQL", "embedded")
        from ai.starlake.embedded.transform.sql_checks import sql_findings
        from ai.starlake.embedded.warehouse.duckdb.stored_columns import stored_findings
        from ai.starlake.project.checks.project_checks import validate

        findings = validate(self.root, environment=self.environment, options=options)
        usable = not any(finding.is_error for finding in findings)
        try:
            project = self.project(options)
        except StarlakeError:
            return findings
        findings += sql_findings(project, names=usable)
        findings += stored_findings(project) if usable else []
        return sorted(set(findings), key=lambda each: (str(each.file or ""), each.line, each.severity, each.message))

    @cached_property
    def _reporter(self) -> EngineReporter:
        from ai.starlake.embedded.cli.console import Console

        return self._make_reporter() if self._make_reporter else Console(self._tell)
