"""One run of one task: its SELECT becomes the rows of a table (contract 1.5, 3.6)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.nested import plain_type
from ai.starlake.embedded.database.statements import Statement, run_statements, statements_of
from ai.starlake.embedded.transform.compilation import column_types, section
from ai.starlake.embedded.transform.pytasks import python_rows
from ai.starlake.embedded.transform.qualification import qualified_sql
from ai.starlake.embedded.warehouse import expectations
from ai.starlake.embedded.warehouse.audit import NOT_COUNTED, Entry
from ai.starlake.embedded.warehouse.duckdb.evolution import evolve, fitted, report
from ai.starlake.embedded.warehouse.merge import Merge, require, require_columns, script
from ai.starlake.embedded.warehouse.once import Once, is_repeatable
from ai.starlake.embedded.warehouse.targets import (
    Target,
    create,
    create_schema,
    create_statement,
    describe,
    require_kind,
    view_statement,
)
from ai.starlake.embedded.workspace import Clock, Workspace
from ai.starlake.project import Attribute, Materialization, SyncStrategy, Task, WriteStrategy, WriteStrategyType

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.project.lineage.graph import Graph

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransformRequest:
    """What ``transform`` is asked for.

    Args:
        name: ``domain.task``, in any case.
        recursive: Whether the tasks that it depends on run first.
        compile: Whether its SQL is shown instead of run.
        interactive: Show the rows instead of writing them, as ``csv``, ``json``, ``json-array`` or ``table``.
        query: SQL instead of the task's own.
        truncate: Whether APPEND empties the table first.
        page_size: How many rows an interactive run shows at most.
        page_number: Which page of them, from 1.
    """

    name: str
    recursive: bool = False
    compile: bool = False
    interactive: str | None = None
    query: str | None = None
    truncate: bool = False
    page_size: int = 1000
    page_number: int = 1


class TaskRun:
    """One run of one task.

    Args:
        workspace: The open databases and the project.
        task: The task.
        graph: Knows what unqualified names mean.
        request: How to run it.
    """

    def __init__(self, workspace: Workspace, task: Task, graph: Graph, request: TransformRequest) -> None:
        self._workspace = workspace
        self._project = workspace.project
        self._task = task
        self._graph = graph
        self._request = request
        self._target = Target(task.domain, task.table)
        self._clock = Clock.start()
        self._job_id = workspace.job_id(task.full_name)

    @property
    def _is_view(self) -> bool:
        return self._task.sink.materialized_view is Materialization.VIEW

    @property
    def _strategy(self) -> WriteStrategy:
        """The write strategy; a materialized view, which DuckDB has not, is a table with the rows of the last run."""
        if self._task.sink.materialized_view is Materialization.MATERIALIZED_VIEW:
            return WriteStrategy(type=WriteStrategyType.OVERWRITE)
        return self._task.write_strategy

    @property
    def _is_repeatable(self) -> bool:
        """Whether it makes no difference how often the task runs."""
        task = self._task
        if self._is_view:
            return not (task.presql or task.postsql)
        plain = task.parse_sql and task.sql is not None and task.table.lower() not in task.sql.lower()
        return plain and is_repeatable(self._strategy, [*task.presql, *task.postsql])

    def run(self) -> str | None:
        """Runs the task in one transaction with its audit row, once for a job id; returns why it failed."""
        database = self._workspace.database_of(self._task)
        try:
            once = Once(self._workspace, database, self._entry())
            if once.earlier() is not None and not self._is_repeatable:
                logger.warning(
                    "%s is done: it succeeded before under the job id %s", self._task.full_name, self._job_id
                )
                return None
            first_columns = self._columns_before_presql(database)

            def transaction(broken: Mapping[int, str]) -> None:
                with database.transaction():
                    self._write(database, first_columns)
                    expectations.check(
                        self._workspace, database, self._target, self._task, entry=self._entry(), broken=broken
                    )
                    once.note((NOT_COUNTED,) * 3)
                    if self._workspace.audit.database is database:
                        self._workspace.audit.record(self._entry())

            expectations.attempts(transaction)
            if self._workspace.audit.database is not database:
                self._workspace.audit.record(self._entry())
        except Exception as error:
            logger.debug("task failed", exc_info=True)
            with self._workspace.audit.database.transaction():
                self._workspace.audit.record(self._entry(success=False, message=str(error)))
                expectations.record_failures(self._workspace.audit, error)
            return str(error)
        return None

    def compiled(self) -> str:
        """The SQL that would run, for a target that does not exist and for one that does."""
        database = self._workspace.database_of(self._task, writing=False)
        self._look(database)
        before, after = (self._plain(texts) for texts in (self._task.presql, self._task.postsql))
        return "\n\n".join(
            section([*before, *self._main_statements(database, first=first), *after], first=first)
            for first in (True, False)
        )

    def _main_statements(self, database: Database, *, first: bool) -> list[str]:
        if not self._task.parse_sql:
            return self._plain((self._task.sql or "",))
        statement = self._statement()
        statement.require_syntax(database)
        select = statement.text
        if self._is_view:
            return [view_statement(self._target, select)]
        with statement.explained():
            columns = column_types(database, select)
        merge = script(
            self._merge(select, tuple(columns), first=first), self._project.write_strategy_templates, self._render
        )
        known = {name: kind for name, kind in columns.items() if kind is not None}
        created = [create_statement(self._target, self._all_columns(known))] if first and known else []
        return [*created, merge]

    def shown(self) -> str:
        """The rows of the task as text; nothing is written."""
        from ai.starlake.embedded.cli.display import rows_as_text

        database = self._workspace.database_of(self._task, writing=False)
        self._look(database)
        size, page = self._request.page_size, self._request.page_number
        statement = self._source(database)
        query = f"SELECT * FROM ({statement.text}) LIMIT {int(size)} OFFSET {int(size) * (int(page) - 1)}"
        with statement.explained():
            return rows_as_text(database, query, str(self._request.interactive))

    def _write(self, database: Database, first_columns: dict[str, str] | None) -> None:
        self._enter(database)
        if self._task.parse_sql:
            require_kind(database, self._target, view=self._is_view)
        existed = bool(self._target.columns(database))
        if first_columns is not None:
            create(database, self._target, first_columns)
        self._statements(database, self._task.presql)
        if not self._task.parse_sql:
            self._statements(database, (self._task.sql or "",))
        elif self._is_view:
            statement = self._statement()
            statement.require_syntax(database)
            with statement.explained():
                database.execute(view_statement(self._target, statement.text))
        else:
            self._merge_rows(database, first=not existed, created=first_columns is not None)
        self._statements(database, self._task.postsql)

    def _merge_rows(self, database: Database, *, first: bool, created: bool) -> None:
        statement = self._source(database)
        with statement.explained():
            columns = describe(database, statement.text)
        require_columns(self._strategy, self._task.sink.partition, tuple(columns), self._task.full_name)
        if first and not created:
            create(database, self._target, self._all_columns(columns))
        select = statement.text
        if not first:
            self._sync(database, columns)
            file = str(self._task.sql_file or self._task.file or self._task.full_name)
            report(database, self._target, self._all_columns({**columns, **self._named()}), source="the task")
            select = fitted(database, self._target, select, columns, file=file, strict=False)
        merge = self._merge(select, tuple(columns), first=first)
        sql = script(merge, self._project.write_strategy_templates, self._render)
        with statement.explained(sql):
            database.execute(sql)

    def _columns_before_presql(self, database: Database) -> dict[str, str] | None:
        """The columns of a target that presql already uses in the first run, None when it is not to be made first."""
        import duckdb

        task = self._task
        plain = task.sql is not None and task.parse_sql and not self._is_view
        mentioned = any(task.table.lower() in text.lower() for text in task.presql)
        if not plain or not mentioned:
            return None
        self._enter(database)
        if self._target.columns(database):
            return None
        try:
            return self._all_columns(describe(database, self._select()))
        except duckdb.Error:  # the main statement reads what presql makes
            return None

    def _sync(self, database: Database, columns: Mapping[str, str]) -> None:
        """Adds to an existing target the columns that the task's attributes name (contract 5)."""
        strategy = self._task.sync_strategy
        if not self._task.attributes or strategy is SyncStrategy.NONE:
            return
        existing = self._target.columns(database)
        known = {name.lower(): kind for name, kind in columns.items()}
        wanted = {one.final_name: self._kind(one, known.get(one.final_name.lower())) for one in self._task.attributes}
        added = {one.final_name: self._kind(one) for one in self._task.attributes if "type" in one.model_fields_set}
        if strategy is SyncStrategy.ADD:
            wanted = {**{name: kind for name, kind in existing.items() if name not in wanted}, **wanted}
        evolve(database, self._target, self._all_columns(wanted), added=added, drop=strategy is SyncStrategy.ALL)

    def _named(self) -> dict[str, str]:
        """The columns that the task's attributes name."""
        return {one.final_name: self._kind(one) for one in self._task.attributes}

    def _kind(self, attribute: Attribute, selected: str | None = None) -> str:
        """The type of an attribute's column: that of the SELECT, else the one that the attribute names."""
        return selected or plain_type(attribute, lambda one: self._project.type(one.type))

    def _all_columns(self, columns: Mapping[str, str]) -> dict[str, str]:
        merge = self._merge("", ())
        if self._strategy.builtin is not WriteStrategyType.SCD2:
            return _storable(columns)
        return {**_storable(columns), merge.start: "TIMESTAMP", merge.end: "TIMESTAMP"}

    def _merge(self, select: str, columns: tuple[str, ...], *, first: bool = False) -> Merge:
        strategy, application = self._strategy, self._project.application
        require(strategy, self._project.write_strategy_templates, self._task.sink.partition, self._task.full_name)
        return Merge(
            self._target,
            strategy,
            columns,
            select,
            first=first,
            partition=self._task.sink.partition,
            truncate=self._request.truncate,
            reads_target=self._target.name.lower() in select.lower(),
            start=strategy.start_ts or application.scd2_start_timestamp,
            end=strategy.end_ts or application.scd2_end_timestamp,
        )

    def _source(self, database: Database) -> Statement:
        """The statement that gives the task's rows; a Python task runs here."""
        if self._task.sql is None and self._task.python_file is not None:
            rows = python_rows(database, self._project, self._task, self._task.python_file)
            return Statement(rows, self._task.python_file)
        statement = self._statement()
        statement.require_syntax(database)
        return statement

    def _select(self) -> str:
        return self._statement().text

    def _statement(self) -> Statement:
        """The main statement, its names qualified."""
        if not self._task.sql:
            raise StarlakeError(
                f"the task {self._task.full_name} has no SQL",
                fix=f"write its SELECT into {self._task.name}.sql beside its YAML",
            )
        statements = statements_of(self._project, self._task, self._task.sql)
        if len(statements) != 1:
            place = statements[1].place() if statements else self._task.sql_file or self._task.file
            raise StarlakeError(
                f"the task {self._task.full_name} has {len(statements)} main statements ({place})",
                fix="write one SELECT; statements before and after it go below --SL_PRESQL and --SL_POSTSQL",
            )
        statement = statements[0]
        if self._task.sql == self._request.query:
            statement = replace(statement, file=None, lines=())
        qualified = qualified_sql(statement.text, self._task, self._graph)
        return replace(statement, text=f"{qualified}\n")  # the last line may end with a comment

    def _enter(self, database: Database) -> None:
        """Unqualified names mean tables of the task's own schema (contract 8)."""
        create_schema(database, self._target.schema)
        database.enter(self._target.schema)

    def _look(self, database: Database) -> None:
        """The same without making the schema: nothing is written."""
        query = "SELECT count(*) FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?"
        if database.value(query, [database.catalog, self._target.schema]):
            database.enter(self._target.schema)

    def _rendered(self, texts: tuple[str, ...]) -> list[Statement]:
        return [each for text in texts for each in statements_of(self._project, self._task, text)]

    def _plain(self, texts: tuple[str, ...]) -> list[str]:
        return [statement.text for statement in self._rendered(texts)]

    def _statements(self, database: Database, texts: tuple[str, ...]) -> None:
        run_statements(database, self._rendered(texts), self._target.schema)

    def _render(self, text: str, variables: Mapping[str, object]) -> str:
        return self._project.render(text, variables, label=f"the write strategy of {self._task.full_name}")

    def _entry(self, *, success: bool = True, message: str = "success") -> Entry:
        return Entry(
            job_id=self._job_id,
            paths=self._task.full_name,
            domain=self._task.domain,
            table=self._task.table,
            step="TRANSFORM",
            started=self._clock.started,
            duration=self._clock.duration,
            scheduled=self._workspace.scheduled or self._clock.started,
            success=success,
            message=message,
        )


def _storable(columns: Mapping[str, str]) -> dict[str, str]:
    """Column types that a table can have; DuckDB stores an untyped null as INTEGER."""
    return {name: kind.replace('"NULL"', "INTEGER") for name, kind in columns.items()}
