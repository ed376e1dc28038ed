"""Tables that the SQL of a task reads and that nothing creates."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.project import Finding, Project, Severity, Table, Task
from ai.starlake.project.databases.duckdb_plans import plan_of
from ai.starlake.project.databases.pre_actions import read_pre_actions
from ai.starlake.project.lineage.sql_names import may_be_a_table
from ai.starlake.project.reading.domain_files import SUFFIX

if TYPE_CHECKING:
    from ai.starlake.embedded.database.statements import Statement
    from ai.starlake.embedded.transform.catalog import Catalog
    from ai.starlake.project.lineage.graph import Graph

_CLOSE = 0.7
"""Minimum similarity of two names for one to be a misspelling of the other."""
_SCHEMAS = frozenset({"information_schema", "pg_catalog", "temp", "system", "main"})


class UnknownTables:
    """All names that a task may read.

    Args:
        project: The project.
        graph: Resolves the names in tasks.
        catalog: The tables in the databases.
        tables: The tables of the project.
        tasks: Its tasks.
    """

    def __init__(
        self, project: Project, graph: Graph, catalog: Catalog, tables: Sequence[Table], tasks: Sequence[Task]
    ) -> None:
        self._project = project
        self._graph = graph
        self._catalog = catalog
        items: list[Table | Task] = [*tables, *tasks]
        self._names = {each.target.lower() for each in items}
        self._external = set(_external(project))
        scripts = [task.sql for task in tasks if task.sql and not task.parse_sql]
        before_and_after = [text for each in items for text in (*each.presql, *each.postsql)]
        self._other_sql = "\n".join(filter(None, (*scripts, *before_and_after, project.macros))).lower()
        audit = project.application.audit
        own = (audit.domain, audit.domain_rejected, audit.domain_expectation)
        self._silent = _SCHEMAS | {name.lower() for name in own if name}

    def of(self, task: Task, statement: Statement) -> Iterator[Finding]:
        """Return the unknown tables of a task.

        Args:
            task: The task.
            statement: Its main statement.
        """
        names = [each.text for each in self._graph.references(task) if each.item is None]
        names = [name for name in names if not self._is_known(name, task)]
        if not names or not _is_understood(statement.text, self._project.dialect_of(task)):
            return
        for name in names:
            close = self._close(name, task)
            severity = self._severity(name, task, close)
            if severity is not None:
                hint = f"did you mean {close}?" if close else "correct the name, or describe it below metadata/external"
                message = f"{task.full_name} reads {name}, which neither the project nor its database has"
                yield Finding(statement.file, statement.line(_line(statement.text, name)), message, hint, severity)

    def _severity(self, name: str, task: Task, close: str) -> Severity | None:
        """Return True if a name is an error: a probable misspelling, or a name in the task's own domain.

        Other tables may be created by others. The project does not know the contents of databases other than DuckDB.
        """
        if self._project.dialect_of(task) == "duckdb":
            if self._catalog.stored(task) is None:
                return None
            return Severity.ERROR if close or "." not in name else Severity.WARNING
        return Severity.WARNING if close and "." in name else None

    def _close(self, name: str, task: Task) -> str:
        """Return the table of the domain with a similar name, or the same table of a similarly named domain."""
        schema, _, last = name.lower().rpartition(".")
        own = f"{schema or task.domain}.".lower()
        tables = {each.rpartition(".")[2]: each for each in self._names if each.startswith(own)}
        domains = {each.partition(".")[0]: each for each in self._names if each.endswith(f".{last}")}
        found = difflib.get_close_matches(last, tables, n=1, cutoff=_CLOSE)
        found_domain = difflib.get_close_matches(schema, domains, n=1, cutoff=_CLOSE)
        return tables[found[0]] if found else domains[found_domain[0]] if found_domain else ""

    def _is_known(self, name: str, task: Task) -> bool:
        database_and_schema, _, last = name.lower().rpartition(".")
        database, _, schema = database_and_schema.rpartition(".")
        if database or not may_be_a_table(name):
            return True
        if schema in self._silent or schema in self._attached(task) or self._graph.target_of(name.split(".")):
            return True
        if re.search(rf"\b{re.escape(last)}\b", self._other_sql):
            return True
        places = (schema,) if schema else (task.domain.lower(), "main")
        stored = self._catalog.stored(task) or {}
        return any((place, last) in stored or (place, last) in self._external for place in places)

    def _attached(self, task: Task) -> set[str]:
        try:
            connection = self._project.connection_of(task)
        except StarlakeError:
            return set()
        text = next((value for name, value in connection.options.items() if name.lower() == "preactions"), "")
        plan = plan_of(connection, self._project.areas) if connection.is_duckdb else None
        own = {plan.main.name.partition(".")[0].lower()} if plan is not None and plan.main else set()
        return own | set(read_pre_actions(text, str).attachments)


def _external(project: Project) -> Iterable[tuple[str, str]]:
    """Return the tables below ``metadata/external``, by schema and name in lower case."""
    folder = project.settings.metadata / "external"
    for file in sorted(folder.glob(f"*/*{SUFFIX}")):
        yield file.parent.name.lower(), file.name.removesuffix(SUFFIX).lower()


def _is_understood(sql: str, dialect: str) -> bool:
    """Return True if the names in SQL were read by a parser, not guessed."""
    from sqlglot import ErrorLevel, parse
    from sqlglot.errors import SqlglotError

    try:
        parse(sql, read=dialect, error_level=ErrorLevel.RAISE)
    except (SqlglotError, RecursionError):
        return False
    return True


def _line(sql: str, name: str) -> int:
    """Return the line of SQL that first names a table."""
    quote = '["`\\[\\]]?'
    pattern = rf"{quote}\s*\.\s*{quote}".join(re.escape(part) for part in name.split("."))
    found = re.search(rf"(?i)(?<!\w){pattern}(?!\w)", sql)
    return sql.count("\n", 0, found.start()) + 1 if found else 1
