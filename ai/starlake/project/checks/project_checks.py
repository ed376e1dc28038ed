"""All findings about a project, not only the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.project.checks.collisions import check_names
from ai.starlake.project.checks.model_checks import check_table, check_task
from ai.starlake.project.checks.schedule_checks import check_schedules
from ai.starlake.project.checks.template_checks import undefined_names
from ai.starlake.project.checks.unread_files import unread_files
from ai.starlake.project.databases.connections import (
    clash_findings,
    connection_findings,
    find_connection,
    require_one_connection,
)
from ai.starlake.project.findings import Finding, Severity, attempt, nearest
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.models import (
    Connection,
    DagConfig,
    Table,
    Task,
)
from ai.starlake.project.models.enums import UnknownKeys
from ai.starlake.project.project import Project
from ai.starlake.project.reading.domain_files import SUFFIX

T = TypeVar("T")


def validate(
    root: Path | str,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Validate everything in a project, and return the findings.

    Args:
        root: Folder that contains ``metadata``.
        environment: The environment; the one of the process by default.
        options: Variables that take precedence over all others.

    Returns:
        The findings in the order of files and lines, errors and warnings; empty for a valid project. A missing project
        and invalid settings are findings too.
    """
    findings: list[Finding] = []
    project = attempt(partial(Project.read, root, environment=environment, options=options), findings)
    if project is not None:
        findings += _Validation(project).run()
    # findings of both reading and checking are reported once
    known = {(str(each.file or ""), each.line, each.severity, each.message): each for each in findings}
    return [known[key] for key in sorted(known)]


class _Validation:
    """One pass over a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._findings: list[Finding] = []
        self._foreign = False

    def run(self) -> list[Finding]:
        types = self._try(lambda: self._project.types)
        tables = list(self._tables()) if types is not None else []
        tasks = list(self._tasks())
        self._dags(tables, tasks)
        self._findings += [*check_schedules(self._project, [*tables, *tasks]), *check_names([*tables, *tasks])]
        self._overlaps(tables)
        self._connections([*tables, *tasks])
        self._try(lambda: self._project.table_refs)
        self._unread_files()
        self._profile()
        self._findings += undefined_names(self._project, [*tables, *tasks])
        self._try(lambda: self._project.write_strategy_templates)
        if not any(finding.is_error for finding in self._findings):
            self._graph()
        if not any(finding.is_error for finding in self._findings):
            self._try(self._dag_files)
        return [*self._findings, *self._project.findings]

    def _try(self, call: Callable[[], T]) -> T | None:
        return attempt(call, self._findings)

    def _tables(self) -> Iterator[Table]:
        reader = self._project.domain_reader
        for folder in reader.folders:
            files = self._try(partial(reader.folder, folder))
            if files is None or self._try(partial(reader.config, folder)) is None:
                continue
            for file in files.files.values():
                built = self._try(partial(reader.build_table, folder, file))
                if built is not None:
                    table, document = built
                    self._findings += check_table(table, document, self._project.types, self._project.write_strategies)
                    yield table

    def _tasks(self) -> Iterator[Task]:
        reader = self._project.task_reader
        for files in reader.all(self._findings):
            built = self._try(partial(reader.build_task, files))
            if built is not None:
                task, document, root = built
                if files.sql is not None and (*root, "sql") in document.lines:
                    message = f"sql of {task.full_name} is not read: {files.sql.name} takes precedence"
                    finding = document.finding((*root, "sql"), message, "remove one of the two", Severity.WARNING)
                    self._findings.append(finding)
                self._findings += check_task(task, document, root, self._project.write_strategies)
                yield task

    def _overlaps(self, tables: Iterable[Table]) -> None:
        """Yield two tables of a domain that share a pattern, or a name in the database."""
        by_domain: dict[str, list[Table]] = {}
        for table in tables:
            by_domain.setdefault(table.domain_final_name.lower(), []).append(table)
        for group in by_domain.values():
            seen: dict[tuple[str, str], Table] = {}
            for table in group:
                for kind, value in (("name", table.final_name.lower()), ("pattern", table.pattern)):
                    first = seen.setdefault((kind, value), table)
                    if first is not table:
                        message = f"{table.full_name} has the same {kind} as {first.full_name}"
                        self._add(table.file, message, f"give one of them another {kind}")

    def _dags(self, tables: Iterable[Table], tasks: Iterable[Task]) -> None:
        configs = self._try(lambda: self._project.dag_configs)
        if configs is None:
            return
        application = self._project.application
        refs = [(table.file, table.metadata.dag_ref) for table in tables]
        refs += [(task.file, task.dag_ref or application.dag_ref.transform) for task in tasks]
        for name in dict.fromkeys(ref.removesuffix(SUFFIX) for _, ref in refs if ref):
            if name in configs:
                self._template(configs[name])
        for file, ref in refs:
            if ref and ref.removesuffix(SUFFIX) not in configs:
                hint = nearest(ref, configs) or f"add metadata/dags/{ref}{SUFFIX}"
                self._add(file, f"dagRef: there is no DAG configuration {ref}", hint)

    def _unread_files(self) -> None:
        policy = self._project.application.unknown_keys
        if policy is not UnknownKeys.IGNORE:
            severity = Severity.ERROR if policy is UnknownKeys.ERROR else Severity.WARNING
            self._findings += [replace(each, severity=severity) for each in unread_files(self._project.settings)]

    def _profile(self) -> None:
        """Warn of a profile without a file in a project whose other profiles have one."""
        settings = self._project.settings
        names = [file.name.split(".")[1] for file in settings.metadata.glob(f"env.*{SUFFIX}")]
        if settings.profile and names and settings.profile not in names:
            file = settings.metadata / f"env.{settings.profile}{SUFFIX}"
            message = f"SL_ENV is {settings.profile}, and this file does not exist: only env{SUFFIX} is read"
            self._add(file, message, nearest(settings.profile, names), Severity.WARNING)

    def _dag_files(self) -> None:
        """Generate the DAG files, like ``dag-generate``, unless some are for another orchestrator."""
        from ai.starlake.project.dag_generation import generate

        if not self._foreign:
            generate(self._project)

    def _template(self, config: DagConfig) -> None:
        """Check that the template of a DAG configuration exists: here, or in Starlake for another orchestrator."""
        from ai.starlake.project.dag_generation import Templates, why_missing

        try:
            Templates(self._project).path(config)
        except StarlakeError as error:
            if why_missing(config.template):
                self._foreign = True
                return
            content = self._project.settings.store.read(config.file or Path(), "dag", rendered=False)
            message = f"{error.culprit}: {error.cause}"
            self._findings.append(content.document.finding(("dag", "template"), message, error.fix or ""))

    def _connections(self, items: Iterable[Table | Task]) -> None:
        """Check that the connections of sinks exist, and that all of their options are supported."""
        settings, application, areas = self._project.settings, self._project.application, self._project.areas
        found: dict[str, Connection] = {}
        refs = application.audit_refs
        audit = None
        if any(refs):
            audit = self._located(application.file, partial(find_connection, application, areas, *refs))
        for item in items:
            chosen = self._located(item.file, partial(self._project.connection_of, item))
            found |= {chosen.name: chosen} if chosen else {}
            self._located(item.file, partial(require_one_connection, settings, item))
        if audit is not None:
            self._findings += clash_findings(settings, audit, found.values())
            found |= {audit.name: audit} if application.audit.sink.connection_ref else {}
        for connection in found.values():
            if connection.is_duckdb:
                self._findings += connection_findings(settings, connection)

    def _graph(self) -> None:
        graph = Graph(self._project)
        tasks = self._try(lambda: self._project.tasks) or ()
        readable = [task for task in tasks if self._located(task.file, partial(graph.references, task)) is not None]
        if len(readable) == len(tasks):
            self._try(graph.order)

    def _located(self, file: Path | None, call: Callable[[], T]) -> T | None:
        """Call a function whose errors have no file."""
        found: list[Finding] = []
        result = attempt(call, found)
        self._findings += [each if each.file else replace(each, file=file) for each in found]
        return result

    def _add(self, file: Path | None, message: str, hint: str, severity: Severity = Severity.ERROR) -> None:
        self._findings.append(Finding(file, 0, message, hint, severity))
