"""Writes of loads and tasks: one transaction with the statements around it, its checks and its audit.

A `TableWrite` defines the target, the statements before and after, and the audit rows. Its content defines what is
written: `MergedRows` for the rows of a load or of a SELECT, `View` for a view, `OwnSql` for SQL that writes by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.statements import Statement
from ai.starlake.embedded.warehouse import expectations
from ai.starlake.embedded.warehouse.merge import Merge, require, require_columns, script
from ai.starlake.embedded.warehouse.warehouse import require_kind
from ai.starlake.project import Project, Table, Task, WriteStrategy

if TYPE_CHECKING:
    from ai.starlake.common.outcomes.table_outcomes import CheckOutcome
    from ai.starlake.embedded.warehouse.audit import AuditLog, Entry
    from ai.starlake.embedded.warehouse.warehouse import Columns, Target, Warehouse

logger = logging.getLogger(__name__)

Put = Callable[[], "int | None"]
"""Writes the content; returns the number of written rows if the warehouse reports it."""


class NotRecordedError(StarlakeError):
    """Rows are committed, but the audit, in another database, could not be written.

    Args:
        label: The table or task.
        error: The error of the audit.
    """

    def __init__(self, label: str, error: Exception) -> None:
        super().__init__(
            f"{label} is written, but not recorded in the audit",
            cause=str(error),
            fix="repair the database of the audit; repeat the work only if it may be done twice",
        )


class Content(Protocol):
    """Content for a target."""

    def begin(self, write: TableWrite) -> Put:
        """Run the part before presql, and return the part after it."""
        ...


@dataclass(frozen=True)
class TableWrite:
    """One write to one table or view, with its statements, checks and audit.

    Args:
        warehouse: The warehouse of the target.
        audit: The audit, in the same warehouse or in another one.
        project: The project, for its templates and macros.
        item: The table or task, whose expectations are checked.
        target: The table or view to write.
        content: Its content.
        entry: Returns the audit row of the job, for the outcomes of its expectations.
        record: Writes the audit rows of a success, given the number of written rows if known: in the same transaction
            if the audit is in the same warehouse, else in one of its own after the commit.
        presql: Statements before the content.
        postsql: Statements after it.
        schema: The schema of unqualified names in all of these; that of the connection by default.
        within: Further work in the transaction.
        checked: Receives the results of the expectations, even if they fail the write; None if they are not wanted.
    """

    warehouse: Warehouse
    audit: AuditLog
    project: Project
    item: Table | Task
    target: Target
    content: Content
    entry: Callable[[], Entry]
    record: Callable[[int | None], None]
    presql: Sequence[Statement] = ()
    postsql: Sequence[Statement] = ()
    schema: str | None = None
    within: Callable[[int | None], None] = lambda _rows: None
    checked: Callable[[Sequence[CheckOutcome]], None] | None = None

    @property
    def is_audited_here(self) -> bool:
        """True if the audit rows are part of the transaction."""
        return self.audit.warehouse is self.warehouse

    def execute(self) -> int | None:
        """Write everything or nothing.

        Returns:
            The number of rows written; None if the strategy's last statement does not report it.

        Raises:
            NotRecordedError: If the rows are committed and the audit in another database fails.
            StarlakeError: If anything else fails; nothing is written then.
        """
        written, outcomes = expectations.attempts(self._transaction)
        self._tell(outcomes)
        if not self.is_audited_here:
            try:
                with self.audit.warehouse.transaction():
                    self.record(written)
            except Exception as error:
                raise NotRecordedError(self.item.full_name, error) from error
        return written

    def _transaction(self, broken: Mapping[int, str]) -> tuple[int | None, Sequence[expectations.Outcome]]:
        with self.warehouse.transaction():
            self.warehouse.create_schema(self.target.schema)
            if self.schema is not None:
                self.warehouse.enter(self.schema)
            put = self.content.begin(self)
            self.run(self.presql)
            written = put()
            self.run(self.postsql)
            self.within(written)
            outcomes = self._check(broken)
            if self.is_audited_here:
                self.record(written)
        return written, outcomes

    def _check(self, broken: Mapping[int, str]) -> Sequence[expectations.Outcome]:
        """Check the table; if that fails the write, report it while the rows exist."""
        if not self.item.expectations:
            return ()
        try:
            return expectations.check(
                self.warehouse, self.audit, self.project, self.target, self.item, entry=self.entry(), broken=broken
            )
        except expectations.ExpectationError as error:
            self._tell(error.outcomes)
            raise

    def _tell(self, outcomes: Sequence[expectations.Outcome]) -> None:
        if self.checked is not None and outcomes:
            self.checked(expectations.as_reported(self.warehouse, self.target, self.item, outcomes))

    def run(self, statements: Sequence[Statement]) -> None:
        """Run statements of the project; their USE has no effect on later statements."""
        for statement in statements:
            self.warehouse.run(statement)
            self.warehouse.enter(self.schema)


def record_failure(audit: AuditLog, entry: Entry, error: Exception) -> None:
    """Record that a job failed, with the outcomes of its expectations if these made it fail."""
    with audit.warehouse.transaction():
        audit.record(entry)
        expectations.record_failures(audit, error)


@dataclass(frozen=True)
class Rows:
    """Rows to write.

    Args:
        select: A SELECT of them, in the warehouse's SQL; it runs once.
        columns: Its columns.
        statement: The project's statement, for errors; None for SQL of the engine.
        reads_target: True if they may be computed from rows of the target.
    """

    select: str
    columns: Columns
    statement: Statement | None = None
    reads_target: bool = False


@dataclass(frozen=True)
class Change:
    """Change of the columns of an existing table before rows are written to it.

    Args:
        wanted: The columns that it should have; None to leave them unchanged.
        added: Types to use when a column is added, where they differ from `wanted`.
        drop: True if other columns are dropped.
        replace: True if other columns are removed with the rows, because all rows are replaced.
        reported: The columns to compare with those of the table, if different from `wanted`.
        source: The source of these columns, for messages.
    """

    wanted: Columns | None = None
    added: Columns = field(default_factory=dict)
    drop: bool = False
    replace: bool = False
    reported: Columns | None = None
    source: str = "the metadata"


@dataclass(frozen=True)
class MergedRows:
    """Rows that are merged into a table by a write strategy.

    Args:
        strategy: The strategy.
        rows: Returns the rows, after presql.
        change: Returns the change of the existing table, given its columns and the incoming ones.
        columns: The incoming columns if they are known before presql, so that presql finds the table; None if not.
        file: The file of the metadata, for messages.
        partition: The partition columns.
        truncate: True if APPEND empties the table first.
        strict: True if a column of fractions may not round a number either.
    """

    strategy: WriteStrategy
    rows: Callable[[], Rows]
    change: Callable[[Columns, Columns], Change]
    columns: Columns | None
    file: str
    partition: tuple[str, ...] = ()
    truncate: bool = False
    strict: bool = True

    def begin(self, write: TableWrite) -> Put:
        """Create or change the table if the columns are known, and return the merge."""
        warehouse, target = write.warehouse, write.target
        require(self.strategy, write.project.write_strategy_templates, self.partition, write.item.full_name)
        require_kind(warehouse, target, view=False)
        first = not warehouse.columns(target)
        if self.columns is not None:
            self._prepare(write, self.columns, first=first)

        def put() -> int | None:
            rows = self.rows()
            require_columns(self.strategy, self.partition, tuple(rows.columns), write.item.full_name)
            if self.columns is None:
                self._prepare(write, rows.columns, first=first)
            return self._merge(write, rows, first=first)

        return put

    def _prepare(self, write: TableWrite, columns: Columns, *, first: bool) -> None:
        """Create the table, or adapt its columns."""
        warehouse, target = write.warehouse, write.target
        if first:
            versions = version_columns(write.project, self.strategy)
            warehouse.execute(warehouse.create_statement(target, {**warehouse.storable(columns), **versions}))
            return
        change = self.change(warehouse.columns(target), columns)
        if change.wanted is not None:
            self._follow(write, change, change.wanted)
        elif self.strategy.kind.keeps_versions:
            warehouse.evolve(target, version_columns(write.project, self.strategy))
        if change.reported is not None:
            self._report(write, change.reported, source=change.source)

    def _follow(self, write: TableWrite, change: Change, columns: Columns) -> None:
        wanted = self._stored(write, columns)
        if change.replace:
            write.warehouse.drop_others(write.target, wanted)
        self._report(write, columns, drop=change.drop)
        write.warehouse.evolve(write.target, wanted, added=change.added, drop=change.drop)

    def _report(self, write: TableWrite, columns: Columns, *, drop: bool = False, source: str = "the metadata") -> None:
        """Log columns with values that do not match the metadata."""
        for loss in write.warehouse.losses(write.target, self._stored(write, columns)):
            dropped = drop and not loss.is_field
            message = loss.message(write.target.label, drop=dropped, source=source)
            logger.warning("%s (%s)", message, loss.hint(drop=dropped))

    def _stored(self, write: TableWrite, columns: Columns) -> dict[str, str]:
        return {**write.warehouse.storable(columns), **version_columns(write.project, self.strategy)}

    def _merge(self, write: TableWrite, rows: Rows, *, first: bool) -> int | None:
        warehouse, select = write.warehouse, rows.select
        if not first:
            select = warehouse.fitted(write.target, select, rows.columns, file=self.file, strict=self.strict)
        fitted = replace(rows, select=select)
        sql = self.script(warehouse, write.project, write.target, fitted, first=first, label=write.item.full_name)
        return warehouse.execute(sql) if rows.statement is None else warehouse.run(rows.statement, sql)

    def script(
        self, warehouse: Warehouse, project: Project, target: Target, rows: Rows, *, first: bool, label: str
    ) -> str:
        """Return the SQL that merges the rows.

        Args:
            warehouse: The warehouse.
            project: The project, for its templates and macros.
            target: The table.
            rows: The rows.
            first: True if the table was just created.
            label: The table or task, for messages.
        """
        start, end = version_names(project, self.strategy)
        merge = Merge(
            target,
            self.strategy,
            tuple(rows.columns),
            rows.select,
            first=first,
            partition=self.partition,
            truncate=self.truncate,
            reads_target=rows.reads_target,
            start=start,
            end=end,
        )

        def render(text: str, variables: Mapping[str, object]) -> str:
            return project.render(text, variables, macros=True, label=f"the write strategy of {label}")

        return script(warehouse, merge, project.write_strategy_templates, render)


@dataclass(frozen=True)
class View:
    """A view.

    Args:
        statement: Returns its SELECT, after presql.
    """

    statement: Callable[[], Statement]

    def begin(self, write: TableWrite) -> Put:
        """Check that the name is not a table's, and return the creation of the view."""
        require_kind(write.warehouse, write.target, view=True)

        def put() -> None:
            statement = self.statement()
            write.warehouse.run(statement, write.warehouse.view_statement(write.target, statement.text))

        return put


@dataclass(frozen=True)
class OwnSql:
    """Statements that write by themselves.

    Args:
        statements: The statements.
    """

    statements: Sequence[Statement]

    def begin(self, write: TableWrite) -> Put:
        """Return the execution of the statements."""
        return lambda: write.run(self.statements)


def version_names(project: Project, strategy: WriteStrategy) -> tuple[str, str]:
    """Return the columns with the start and the end of a version of a row."""
    application = project.application
    return strategy.start_ts or application.scd2_start_timestamp, strategy.end_ts or application.scd2_end_timestamp


def version_columns(project: Project, strategy: WriteStrategy) -> dict[str, str]:
    """Return the columns for the versions of rows; empty if the strategy keeps no versions."""
    if not strategy.kind.keeps_versions:
        return {}
    return dict.fromkeys(version_names(project, strategy), "TIMESTAMP")
