"""Findings of ``validate`` in the SQL of a project: syntax errors, unknown tables, unknown columns.

DuckDB itself parses and binds SQL for DuckDB, against empty tables with the known columns; so there is only one
interpretation of its SQL. SQL for other databases is parsed by sqlglot. If the columns of a table are not known for
certain, SQL that reads it is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.validation import Validator
from ai.starlake.embedded.database.connection import Database
from ai.starlake.embedded.database.quoting import qualified
from ai.starlake.embedded.database.statements import (
    SqlError,
    Statement,
    origin,
    place_in,
    statements_of,
)
from ai.starlake.embedded.intake.accepted import require_expressions
from ai.starlake.embedded.intake.incoming import empty_rows
from ai.starlake.embedded.transform.catalog import Catalog, Columns
from ai.starlake.embedded.transform.qualification import qualified_sql
from ai.starlake.embedded.transform.unknown_tables import UnknownTables
from ai.starlake.embedded.warehouse.expectations import question_sql
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.project import Finding, Project, Table, Task
from ai.starlake.project.lineage.graph import Graph

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

_COLUMN = re.compile(
    r'Referenced (column|table) "[^\n]*" (was )?not found|does not have a column named|'
    r"(EXCLUDE|REPLACE|RENAME) list not found|does not exist on (left|right) side of join|Ambiguous reference to column"
)
_HINT = "correct the SQL"


def sql_findings(project: Project, *, names: bool = True) -> list[Finding]:
    """Check the SQL of a project.

    Args:
        project: The project.
        names: True if tables and columns are checked too; the metadata must be valid then.

    Returns:
        The findings. SQL with an invalid template is not included, because that is a finding already.
    """
    import duckdb

    with duckdb.connect(":memory:") as connection:
        return list(_Checks(project, connection).run(names=names))


class _Checks:
    """One pass over the SQL of a project."""

    def __init__(self, project: Project, connection: DuckDBPyConnection) -> None:
        self._project = project
        self._database = Database(None, connection)
        self._graph = Graph(project)
        self._catalog = Catalog(project, self._database)
        self._wrong: set[str] = set()
        self._main: dict[str, Statement] = {}

    def run(self, *, names: bool) -> Iterator[Finding]:
        tables, tasks = self._items()
        items: list[Table | Task] = [*tables, *tasks]
        for item in items:
            yield from self._syntax(item)
        if not names:
            return
        for table in tables:
            yield from self._expressions(table)
            if table.expectations:
                yield from self._expectations(table, self._catalog.of_table(table))
        unknown = UnknownTables(self._project, self._graph, self._catalog, tables, tasks)
        for task in self._graph.order(tasks):
            if task.full_name not in self._wrong and task.sql and task.parse_sql:
                yield from self._names(task, unknown)

    def _items(self) -> tuple[list[Table], list[Task]]:
        """Return the valid tables and tasks."""
        tables: list[Table] = []
        tasks: list[Task] = []
        reader, found = self._project.domain_reader, self._project.task_reader
        for folder in reader.all():
            domain = _attempt(partial(reader.domain, folder))
            tables += domain.tables if domain is not None else ()
        for files in found.all([]):
            task = _attempt(partial(found.task, files.folder, files.name))
            tasks += [task] if task is not None else []
        return tables, tasks

    def _syntax(self, item: Table | Task) -> Iterator[Finding]:
        main = [item.sql] if isinstance(item, Task) and item.sql else []
        dialect = self._project.dialect_of(item)
        for text in (*item.presql, *main, *item.postsql):
            is_main = text in main
            statements = _attempt(partial(statements_of, self._project, item, text, planned=True)) or []
            if is_main and statements:
                self._main[item.full_name] = statements[0]
            if isinstance(item, Task) and is_main and item.parse_sql and len(statements) > 1:
                message = f"the task {item.full_name} has {len(statements)} main statements"
                hint = "write one SELECT; other statements go below --SL_PRESQL and --SL_POSTSQL"
                yield self._found(item, statements[1], statements[1].line(1), message, hint)
            if dialect == "duckdb" or is_main:
                for each in statements:
                    for line, message in self._wrong_in(dialect, each):
                        yield self._found(item, each, each.line(line), message)

    def _wrong_in(self, dialect: str, statement: Statement) -> Iterator[tuple[int, str]]:
        """Yield the line and message of a syntax error of a statement."""
        import duckdb
        import sqlglot
        from sqlglot.errors import ParseError, SqlglotError

        try:
            if dialect == "duckdb":
                self._database.connection.extract_statements(statement.text)
            else:
                sqlglot.parse(statement.text, read=dialect, error_level=sqlglot.ErrorLevel.IMMEDIATE)
        except duckdb.ParserException as error:
            message, line = statement.located(str(error))
            yield line or 1, message
        except ParseError as error:
            first = error.errors[0] if error.errors else {}
            message = f"syntax error ({dialect}): {first.get('description', 'it cannot be parsed')}"
            yield int(first.get("line") or 1), message
        except (SqlglotError, RecursionError):
            return

    def _found(self, item: Table | Task, statement: Statement, line: int, message: str, hint: str = _HINT) -> Finding:
        self._wrong.add(item.full_name)
        first, *rest = (part.strip() for part in message.splitlines() if part.strip())
        return Finding(statement.file, line, " - ".join([first, *rest[:1]]), hint)

    def _names(self, task: Task, unknown: UnknownTables) -> Iterator[Finding]:
        """Check the tables and columns of a task, and record the columns of its own table."""
        statement = self._main.get(task.full_name, Statement("", None))
        strangers = list(unknown.of(task, statement))
        yield from strangers
        if strangers or self._project.dialect_of(task) != "duckdb" or not statement.text:
            return
        references = self._graph.references(task)
        if not all(self._catalog.make(reference, task) for reference in references):
            return
        text = statement.text
        if self._project.table_refs or any("." not in reference.text for reference in references):
            text = qualified_sql(text, task, self._graph)
        self._catalog.make_own(task)
        columns: Columns = None
        try:
            columns = self._database.describe(f"{text}\n")
        except Exception as error:  # noqa: BLE001  any message of DuckDB about what is not certain
            yield from self._column(task, statement, str(error))
        self._catalog.note(task, columns)
        yield from self._expectations(task, self._catalog.of_task(task))

    def _column(self, item: Table | Task, statement: Statement, error: str) -> Iterator[Finding]:
        message, line = place_in(error)
        if _COLUMN.search(message):
            yield self._found(item, statement, statement.line(line or 1), message)

    def _expressions(self, table: Table) -> Iterator[Finding]:
        """Check the scripts and the filter of a table."""
        if not table.filter and not any(each.expression for each in table.attributes):
            return
        try:
            require_expressions(
                self._database, empty_rows(self._database, Validator(table, self._project.types), table)
            )
        except SqlError as error:
            statement = Statement("", error.file, (error.line,) if error.line else ())
            yield from self._column(table, statement, error.message)
        except Exception:  # noqa: BLE001  types and functions that only a load can check
            return

    def _expectations(self, item: Table | Task, columns: Columns) -> Iterator[Finding]:
        if not item.expectations or self._project.dialect_of(item) != "duckdb":
            return
        names = (item.domain_final_name, item.final_name) if isinstance(item, Table) else (item.domain, item.table)
        target = Target(*names)
        known = columns is not None and self._catalog.create(target.schema, target.name, columns)
        for each in item.expectations:
            file, line = origin(item, each.expect)
            statement = Statement("", file, (line,) if line else ())
            try:
                sql = question_sql(qualified, self._project, target, each, item.file, planned=True)
                self._database.connection.extract_statements(sql)
                if known:
                    self._database.describe(sql)
            except StarlakeError:
                continue  # an undefined macro or variable is a finding of its own
            except Exception as error:  # noqa: BLE001  only syntax errors and unknown columns are certain
                if type(error).__name__ == "ParserException":
                    yield self._found(item, statement, line, place_in(str(error))[0])
                else:
                    yield from self._column(item, statement, str(error))


def _attempt(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except StarlakeError:
        return None
