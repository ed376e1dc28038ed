"""One run of one task: its SELECT becomes the rows of a table."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.nested import plain_type
from ai.starlake.embedded.database.statements import SqlError, Statement, statements_of
from ai.starlake.embedded.outcome_notes import DONE_BEFORE, OutcomeNotes, row_count
from ai.starlake.embedded.transform.compilation import column_types, section
from ai.starlake.embedded.transform.pytasks import python_rows
from ai.starlake.embedded.transform.qualification import qualified_sql
from ai.starlake.embedded.warehouse.audit import NOT_COUNTED, Entry
from ai.starlake.embedded.warehouse.merge import require
from ai.starlake.embedded.warehouse.once import Once, is_repeatable
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.embedded.warehouse.write import (
    Change,
    Content,
    MergedRows,
    NotRecordedError,
    OwnSql,
    Rows,
    TableWrite,
    View,
    record_failure,
    version_columns,
)
from ai.starlake.embedded.workspace import Clock, Workspace
from ai.starlake.project import Attribute, Materialization, SyncStrategy, Task, WriteStrategy

if TYPE_CHECKING:
    from ai.starlake.embedded.warehouse.warehouse import Columns, Warehouse
    from ai.starlake.project.lineage.graph import Graph

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransformRequest:
    """A request to the verb ``transform``.

    Args:
        name: ``domain.task``, in any case.
        recursive: True if its dependencies run first.
        compile: True if its SQL is shown instead of run.
        interactive: Show the rows instead of writing them, as ``csv``, ``json``, ``json-array`` or ``table``.
        query: SQL instead of the task's own.
        truncate: True if APPEND empties the table first.
        page_size: Maximum number of rows of an interactive run.
        page_number: Number of the page, from 1.
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
        graph: Resolves unqualified names.
        request: Settings of the run.
    """

    def __init__(self, workspace: Workspace, task: Task, graph: Graph, request: TransformRequest) -> None:
        self._workspace = workspace
        self._project = workspace.project
        self._task = task
        self._graph = graph
        self._request = request
        self._target = Target(task.domain, task.table)
        self._clock = Clock.start()
        self._notes = OutcomeNotes(workspace.project, task) if workspace.outcomes.wanted else None
        self._job_id = workspace.job_id(task.full_name)

    @property
    def _is_view(self) -> bool:
        return self._task.sink.materialized_view is Materialization.VIEW

    @property
    def _strategy(self) -> WriteStrategy:
        """The write strategy; a materialized view, which DuckDB lacks, is a table with the rows of the last run."""
        if self._task.sink.materialized_view is Materialization.MATERIALIZED_VIEW:
            return WriteStrategy(type="OVERWRITE")
        return self._task.write_strategy

    @property
    def _is_repeatable(self) -> bool:
        """True if running the task several times has the same effect."""
        task = self._task
        if self._is_view:
            return not (task.presql or task.postsql)
        plain = task.parse_sql and task.sql is not None and task.table.lower() not in task.sql.lower()
        return plain and is_repeatable(self._strategy, [*task.presql, *task.postsql])

    def run(self) -> Exception | None:
        """Run the task in one transaction with its audit row, once for a job id.

        Returns:
            The error; None if it succeeded.
        """
        warehouse = self._workspace.warehouse_of(self._task)
        error = self._run(warehouse)
        if self._notes:
            text = None if error is None else str(error)
            outcome = self._notes.outcome(job_id=self._job_id, duration=self._clock.duration, error=text)
            rows = row_count(warehouse, self._target) if error is None and self._is_table(warehouse) else None
            self._workspace.outcomes.add(replace(outcome, row_count=rows))
        return error

    def _is_table(self, warehouse: Warehouse) -> bool:
        """Return False for a view, whose query would run to count its rows; a task's own SQL may write to anything."""
        if self._task.parse_sql:
            return not self._is_view
        return bool(warehouse.columns(self._target)) and not warehouse.is_view(self._target)

    def _run(self, warehouse: Warehouse) -> Exception | None:
        try:
            once = self._workspace.once(warehouse, self._entry())
            if once.earlier() is not None and not self._is_repeatable:
                logger.warning("%s is done already, under the job id %s", self._task.full_name, self._job_id)
                if self._notes:
                    self._notes.unknown = DONE_BEFORE
                return None
            self._write(warehouse, once).execute()
        except NotRecordedError as error:
            return error
        except Exception as error:
            logger.debug("task failed", exc_info=True)
            record_failure(self._workspace.audit, self._entry(success=False, message=str(error)), error)
            return error
        return None

    def _write(self, warehouse: Warehouse, once: Once) -> TableWrite:
        """Return the operation that writes the task's rows."""
        audit, task = self._workspace.audit, self._task
        return TableWrite(
            warehouse,
            audit,
            self._project,
            task,
            self._target,
            self._content(warehouse),
            entry=self._entry,
            record=lambda _written: audit.record(self._entry()),
            presql=self._rendered(task.presql),
            postsql=self._rendered(task.postsql),
            schema=task.domain,
            within=lambda _written: once.note((NOT_COUNTED,) * 3),
            checked=self._notes.checked if self._notes else None,
        )

    def _content(self, warehouse: Warehouse) -> Content:
        if not self._task.parse_sql:
            return OwnSql(self._rendered((self._task.sql or "",)))
        if self._is_view:
            return View(lambda: self._checked(warehouse))
        return self._merged(warehouse, self._columns_before_presql(warehouse))

    def _merged(self, warehouse: Warehouse, columns: Columns | None) -> MergedRows:
        """Return the rows of the task, to be merged with those of its table."""
        task = self._task
        return MergedRows(
            self._strategy,
            rows=lambda: self._rows(warehouse),
            change=self._change,
            columns=columns,
            file=str(task.sql_file or task.file or task.full_name),
            partition=task.sink.partition,
            truncate=self._request.truncate,
            strict=False,
        )

    def _rows(self, warehouse: Warehouse) -> Rows:
        statement = self._source(warehouse)
        return self._rows_of(statement, warehouse.describe(statement))

    def _rows_of(self, statement: Statement, columns: Columns) -> Rows:
        reads_target = self._target.name.lower() in statement.text.lower()
        return Rows(statement.text, columns, statement, reads_target=reads_target)

    def compiled(self) -> str:
        """Return the SQL that would run, for a missing target and for an existing one."""
        warehouse = self._workspace.warehouse_of(self._task, writing=False)
        warehouse.enter(self._target.schema, missing_ok=True)
        before, after = (self._plain(texts) for texts in (self._task.presql, self._task.postsql))
        return "\n\n".join(
            section([*before, *self._main_statements(warehouse, first=first), *after], first=first)
            for first in (True, False)
        )

    def _main_statements(self, warehouse: Warehouse, *, first: bool) -> list[str]:
        if not self._task.parse_sql:
            return self._plain((self._task.sql or "",))
        statement = self._checked(warehouse)
        if self._is_view:
            return [warehouse.view_statement(self._target, statement.text)]
        with statement.explained():
            columns = column_types(warehouse.database, statement.text)
        known = {name: kind for name, kind in columns.items() if kind is not None}
        rows = self._rows_of(statement, dict.fromkeys(columns, ""))
        content = self._merged(warehouse, None)
        label = self._task.full_name
        require(self._strategy, self._project.write_strategy_templates, self._task.sink.partition, label)
        merge = content.script(warehouse, self._project, self._target, rows, first=first, label=label)
        stored = {**warehouse.storable(known), **version_columns(self._project, self._strategy)}
        return [*([warehouse.create_statement(self._target, stored)] if first and known else []), merge]

    def shown(self) -> str:
        """Return the rows of the task as text; nothing is written."""
        from ai.starlake.embedded.transform.shown_rows import rows_as_text

        warehouse = self._workspace.warehouse_of(self._task, writing=False)
        warehouse.enter(self._target.schema, missing_ok=True)
        size, page = self._request.page_size, self._request.page_number
        statement = self._source(warehouse)
        query = f"SELECT * FROM ({statement.text}) LIMIT {int(size)} OFFSET {int(size) * (int(page) - 1)}"
        with statement.explained():
            return rows_as_text(warehouse.database, query, str(self._request.interactive))

    def _columns_before_presql(self, warehouse: Warehouse) -> Columns | None:
        """Return the columns of a table that presql uses in the first run; None if it is created after presql."""
        task = self._task
        mentioned = any(task.table.lower() in text.lower() for text in task.presql)
        if task.sql is None or not mentioned:
            return None
        warehouse.create_schema(self._target.schema)
        warehouse.enter(self._target.schema)
        if warehouse.columns(self._target):
            return None
        try:
            return warehouse.describe(self._statement())
        except SqlError:  # the main statement reads what presql creates
            return None

    def _change(self, existing: Columns, incoming: Columns) -> Change:
        """Return the change of the existing table's columns: those that the task's attributes name."""
        reported = {**incoming, **self._named()}
        strategy = self._task.sync_strategy
        if not self._task.attributes or strategy is SyncStrategy.NONE:
            return Change(reported=reported, source="the task")
        known = {name.lower(): kind for name, kind in incoming.items()}
        wanted = {one.final_name: self._kind(one, known.get(one.final_name.lower())) for one in self._task.attributes}
        added = {one.final_name: self._kind(one) for one in self._task.attributes if "type" in one.model_fields_set}
        if strategy is SyncStrategy.ADD:
            wanted = {**{name: kind for name, kind in existing.items() if name not in wanted}, **wanted}
        return Change(wanted, added, drop=strategy is SyncStrategy.ALL, reported=reported, source="the task")

    def _named(self) -> dict[str, str]:
        """Return the columns that the task's attributes name."""
        return {one.final_name: self._kind(one) for one in self._task.attributes}

    def _kind(self, attribute: Attribute, selected: str | None = None) -> str:
        """Return the type of an attribute's column: that of the SELECT, or else that of the attribute."""
        return selected or plain_type(attribute, lambda one: self._project.type(one.type))

    def _source(self, warehouse: Warehouse) -> Statement:
        """Return the statement with the task's rows; a Python task runs here."""
        if self._task.sql is None and self._task.python_file is not None:
            select = python_rows(warehouse.database, self._workspace, self._task, self._task.python_file)
            columns = warehouse.database.describe(select)
            return Statement(warehouse.rows_from(select, columns), self._task.python_file)
        return self._checked(warehouse)

    def _checked(self, warehouse: Warehouse) -> Statement:
        """Return the main statement, which is valid SQL."""
        statement = self._statement()
        warehouse.require_syntax(statement)
        return statement

    def _statement(self) -> Statement:
        """Return the main statement with qualified names."""
        if not self._task.sql:
            raise PermanentError(
                f"the task {self._task.full_name} has no SQL",
                fix=f"write its SELECT into {self._task.name}.sql beside its YAML",
            )
        statements = statements_of(self._project, self._task, self._task.sql)
        if len(statements) != 1:
            place = statements[1].place() if statements else self._task.sql_file or self._task.file
            raise PermanentError(
                f"the task {self._task.full_name} has {len(statements)} main statements ({place})",
                fix="write one SELECT; statements before and after it go below --SL_PRESQL and --SL_POSTSQL",
            )
        statement = statements[0]
        if self._task.sql == self._request.query:
            statement = replace(statement, file=None, lines=())
        qualified = qualified_sql(statement.text, self._task, self._graph)
        return replace(statement, text=f"{qualified}\n")  # the last line may end with a comment

    def _rendered(self, texts: Sequence[str]) -> list[Statement]:
        return [each for text in texts for each in statements_of(self._project, self._task, text)]

    def _plain(self, texts: Sequence[str]) -> list[str]:
        return [statement.text for statement in self._rendered(texts)]

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
