"""Read the items of a project: its tables and tasks, their columns, and their dependencies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.durations import duration
from ai.starlake.project.assets.item_columns import ItemColumns, known_columns
from ai.starlake.project.assets.item_expectations import item_expectations
from ai.starlake.project.assets.parsed_sql import ParsedSql
from ai.starlake.project.assets.project_item import CodePlace, ItemColumn, ItemKind, ProjectItem, Target
from ai.starlake.project.findings import Finding, ProjectError
from ai.starlake.project.lineage.graph import Graph
from ai.starlake.project.lineage.sql_names import may_be_a_table
from ai.starlake.project.models import Format, Materialization, Table, Task, compute_of
from ai.starlake.project.paths import read_text
from ai.starlake.project.project import Project

_FORMATS: Mapping[Format, str] = {Format.DSV: "csv", Format.JSON_FLAT: "json", Format.TEXT_XML: "xml"}
"""Formats of files with another usual name."""
_INTERVAL = "sl_data_interval_"
"""Prefix of the variables with the data interval of a run."""
_SYSTEM_SCHEMAS = frozenset({"information_schema", "pg_catalog", "temp", "system"})
_NOT_SHOWN = frozenset(
    {"name", "domain", "table", "pattern", "attributes", "expectations", "sql", "presql", "postsql", "python"}
)
"""Parts of the metadata that are fields of an item, or code."""
_NOT_CODE = frozenset(
    {
        "comment",
        "compute",
        "tags",
        "schedule",
        "dagRef",
        "freshness",
        "directory",
        "acl",
        "rls",
        "sample",
        "patternSample",
    }
)
"""Parts of the metadata that have no effect on the rows."""


def read_items(project: Project, parsed: ParsedSql) -> tuple[ProjectItem, ...]:
    """Return all items of a project: its tables in the order of their domains, then its tasks by dependency.

    Args:
        project: The project.
        parsed: The results of parsing its SQL.

    Raises:
        StarlakeError: If a file of the project is invalid, if two items write one table, or if tasks have circular
            dependencies.
    """
    return tuple(_ItemReader(project, parsed).items())


class _ItemReader:
    def __init__(self, project: Project, parsed: ParsedSql) -> None:
        self._project = project
        self._graph = Graph(project, parsed.tables)
        self._parsed = parsed
        self._columns = ItemColumns(project.types, project.application, parsed)
        self._known: dict[tuple[str, ...], Sequence[ItemColumn]] = {}
        self._places = _Places(project)

    def items(self) -> Iterator[ProjectItem]:
        """Yield the items, each after its dependencies, whose columns it needs."""
        domains = self._project.domains
        tables = [table for domain in domains for table in domain.tables]
        databases = {domain.name: domain.database for domain in domains}
        _refuse_one_table_twice([*tables, *self._graph.tasks.values()])
        yield from map(partial(self._table, databases), tables)
        yield from map(self._task, self._graph.ordered())  # a parsed tree is only needed until its task has columns

    def _table(self, databases: Mapping[str, str | None], table: Table) -> ProjectItem:
        warehouse, dialect = self._warehouse_of(table)
        target = (table.domain_final_name, table.final_name)
        columns = self._columns.of_table(table, warehouse, dialect)
        self._known |= known_columns(target, columns)
        shown = _dump(table)
        metadata = shown.pop("metadata")
        return ProjectItem(
            kind="table",
            domain=table.domain,
            name=table.name,
            target=target,
            metadata={**_shown(metadata), **_shown(shown)},
            database=databases.get(table.domain) or self._project.application.database,
            warehouse=warehouse,
            format=_FORMATS.get(table.metadata.format, str(table.metadata.format).lower()),
            pattern=table.pattern,
            file_stem=table.file_stem,
            description=table.comment,
            tags=table.tags,
            columns=columns,
            expectations=item_expectations(table, target, self._project.application.expectations),
            cron=self._project.application.cron(table.metadata.schedule),
            warn_after=_age(table.metadata.freshness.warn, table.file),
            fail_after=_age(table.metadata.freshness.error, table.file),
            code_version=_version(*_meaning(table)),
            places=tuple(self._places.of_table(table)),
            compute=compute_of(table),
            compute_place=self._places.of_compute_of_table(table),
        )

    def _task(self, task: Task) -> ProjectItem:
        warehouse, dialect = self._warehouse_of(task)
        references = self._graph.references(task)
        target = (task.domain, task.table)
        columns = self._columns.of_task(
            task, self._graph.sql_of(task), warehouse, dialect, partial(self._resolve, task), self._known
        )
        self._known |= known_columns(target, columns)
        shown = _dump(task)
        made_here = [_target_of(each.item) for each in references if each.item is not None]
        others = [self._external(task, each.text) for each in references if each.item is None]
        python = read_text(task.python_file) if task.python_file else ""
        macros = self._project.macros if "{" in (task.sql or "") else ""
        return ProjectItem(
            kind=_kind_of(task),
            domain=task.domain,
            name=task.name,
            target=target,
            metadata=_shown(shown),
            database=task.database or self._project.application.database,
            warehouse=warehouse,
            format="python" if task.python_file or task.python else "sql",
            description=task.comment,
            tags=task.tags,
            columns=columns,
            upstream=tuple(dict.fromkeys(made_here)),
            externals=tuple(dict.fromkeys(parts for parts in others if parts)),
            expectations=item_expectations(task, target, self._project.application.expectations),
            cron=self._project.application.cron(task.schedule),
            uses_interval=any(_INTERVAL in text for text in (*_sql_texts(task), python)),
            warn_after=_age(task.freshness.warn, task.file),
            fail_after=_age(task.freshness.error, task.file),
            code_version=_version(*_meaning(task), python, macros),
            places=tuple(self._places.of_task(task)),
            compute=compute_of(task),
            compute_place=self._places.of_compute_of_task(task),
            sql_problem=self._sql_problem(task, dialect),
        )

    def _sql_problem(self, task: Task, dialect: str) -> str:
        """Return the syntax error in the SQL of a task, and its file; empty if there is none."""
        sql = self._graph.sql_of(task)
        problem = self._parsed.problem(sql, dialect) if sql else ""
        return f"{task.sql_file or task.file}: {problem}" if problem else ""

    def _warehouse_of(self, item: Table | Task) -> tuple[str, str]:
        """Return the kind of database of an item, empty without a connection, and its SQL dialect."""
        dialect = self._project.dialect_of(item)
        try:
            connection = self._project.connection_of(item)
        except StarlakeError:
            return "", dialect
        parts = (connection.url or "").strip().lower().split(":")
        if connection.is_duckdb:
            return "duckdb", dialect
        if parts[0] == "jdbc" and len(parts) > 1:
            return {"postgresql": "postgres"}.get(parts[1], parts[1]), dialect
        return {"bq": "bigquery", "fs": "spark", "local": "spark"}.get(
            connection.type.lower(), connection.type.lower()
        ), dialect

    def _resolve(self, task: Task, parts: Sequence[str]) -> tuple[str, ...]:
        """Return the parts of the table that a name in a task's SQL refers to."""
        name = ".".join(parts)
        item = self._graph.resolve(name, task)
        if item is not None:
            return _target_of(item)
        return tuple(self._graph.target_of(parts) or parts)[-2:]

    def _external(self, task: Task, name: str) -> tuple[str, ...]:
        """Return the parts of the name of a table that the project does not make; empty if it is not a table."""
        parts = self._resolve(task, name.split("."))
        if not may_be_a_table(name) or parts[0].lower() in _SYSTEM_SCHEMAS:
            return ()
        return parts


class _Places:
    """Finds the source files and lines of items."""

    def __init__(self, project: Project) -> None:
        self._store = project.settings.store

    def of_table(self, table: Table) -> Iterator[CodePlace]:
        if table.file is not None:
            line = self._store.read(table.file, "table").document.line(("table",))
            yield CodePlace(str(table.file), line, f"metadata of {table.full_name}")

    def of_task(self, task: Task) -> Iterator[CodePlace]:
        for file, label in ((task.sql_file, "SQL"), (task.python_file, "Python")):
            if file is not None:
                yield CodePlace(str(file), 1, f"{label} of {task.full_name}")
        if task.file is not None and task.file not in (task.sql_file, task.python_file):
            yield CodePlace(str(task.file), self._line(task, task.file), f"metadata of {task.full_name}")

    def of_compute_of_table(self, table: Table) -> str:
        """Return the file and line with the compute profile of a table: in its own file, or in that of its domain."""
        if table.file is None or not compute_of(table):
            return ""
        own = self._store.read(table.file, "table").document
        path = ("table", "compute") if table.compute else ("table", "metadata", "compute")
        config = table.file.parent / "_config.sl.yml"
        if path in own.lines or not config.is_file():
            return f"{table.file}:{own.line(path)}"
        return f"{config}:{self._store.read(config, 'load').document.line(('load', 'metadata', 'compute'))}"

    def of_compute_of_task(self, task: Task) -> str:
        """Return the file and line with the compute profile of a task."""
        if task.file is None or not task.compute:
            return ""
        if task.file.name.startswith("_config") or task.file in (task.sql_file, task.python_file):
            return str(task.file)
        return f"{task.file}:{self._store.read(task.file, 'task').document.line(('task', 'compute'))}"

    def _line(self, task: Task, file: Path) -> int:
        if not file.name.startswith("_config"):
            return self._store.read(file, "task").document.line(("task",))
        content = self._store.read(file, "transform")
        inline = [each.get("name") for each in content.mapping().get("tasks", [])]
        place = ("transform", "tasks", inline.index(task.name)) if task.name in inline else ("transform",)
        return content.document.line(place)


def _refuse_one_table_twice(items: Iterable[Table | Task]) -> None:
    """Refuse items that write one table; databases treat names as case-insensitive.

    Raises:
        ProjectError: If there are such items; the error has the names and files of both.
    """
    owners: dict[str, Table | Task] = {}
    findings = []
    for item in items:
        other = owners.setdefault(item.target.lower(), item)
        if other is not item:
            same = other.target == item.target
            how = f"the table {item.target}" if same else f"{other.target} and {item.target}, which differ by case only"
            message = f"{_label(other)} and {_label(item)} make {how}; the first is in {other.file}"
            hint = "let each make a table of its own: rename one, or give the task another table"
            findings.append(Finding(item.file, 1, message, hint))
    if findings:
        raise ProjectError(findings)


def _label(item: Table | Task) -> str:
    return f"the {'table' if isinstance(item, Table) else 'task'} {item.full_name}"


def _target_of(item: Table | Task) -> Target:
    return (item.domain_final_name, item.final_name) if isinstance(item, Table) else (item.domain, item.table)


def _kind_of(task: Task) -> ItemKind:
    return "view" if task.sink.materialized_view is Materialization.VIEW else "task"


def _age(text: str | None, file: Path | None) -> float | None:
    """Return the freshness limit of an item in seconds.

    Raises:
        ProjectError: If it is not a duration.
    """
    try:
        return duration(text).total_seconds() if text else None
    except StarlakeError as problem:
        raise ProjectError([Finding(file, 1, f"freshness: {problem.culprit}", problem.fix or "")]) from problem


def _dump(item: Table | Task) -> dict[str, Any]:
    """Return the metadata of an item, with Starlake's keys."""
    return item.model_dump(mode="json", by_alias=True, exclude_none=True)


def _sql_texts(task: Task) -> Iterator[str]:
    """Yield the SQL of a task as written, and its Python."""
    yield from (*task.presql, task.sql or "", *task.postsql, task.python or "")


def _shown(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _without_options(value) for name, value in data.items() if name not in {*_NOT_SHOWN, "options"}}


def _without_options(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_options(each) for name, each in value.items() if name != "options"}
    return value


def _meaning(item: Table | Task) -> Iterator[dict[str, Any]]:
    """Yield what determines the rows of an item; defaults are left out, so that a new one changes nothing."""
    data = item.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    for part in (data, data.pop("metadata", {})):
        yield {name: value for name, value in part.items() if name not in _NOT_CODE}


def _version(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
