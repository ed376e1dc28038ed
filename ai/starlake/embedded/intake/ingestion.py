"""One ingestion: the files of one job become rows of one table, all of them or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.common.errors import may_retry
from ai.starlake.common.rejects import RejectLimit
from ai.starlake.embedded.areas.area_files import uri
from ai.starlake.embedded.areas.in_place import Standing
from ai.starlake.embedded.areas.journal import Journal
from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.checking.validation import Validator
from ai.starlake.embedded.database.statements import statements_of
from ai.starlake.embedded.intake.accepted import AcceptedRows, require_expressions
from ai.starlake.embedded.intake.adaptive import chosen_strategy
from ai.starlake.embedded.intake.direct import DirectRows
from ai.starlake.embedded.intake.incoming import STAGED_TABLE, StagedRows, empty_rows, staged
from ai.starlake.embedded.intake.load_settings import require_settings
from ai.starlake.embedded.outcome_notes import DONE_BEFORE, OutcomeNotes, ingestion_outcome, row_count
from ai.starlake.embedded.results import JobResult
from ai.starlake.embedded.warehouse.audit import NOT_COUNTED, Entry, Reject
from ai.starlake.embedded.warehouse.duckdb.tables import canonical
from ai.starlake.embedded.warehouse.merge import named
from ai.starlake.embedded.warehouse.once import Once, is_repeatable
from ai.starlake.embedded.warehouse.warehouse import Target
from ai.starlake.embedded.warehouse.write import Change, MergedRows, Rows, TableWrite, record_failure
from ai.starlake.embedded.workspace import Clock, Workspace
from ai.starlake.project import Table, WriteStrategy
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database
    from ai.starlake.embedded.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

_SHOWN_REJECTS = 5
_REASON = 200
"""Maximum characters of a reason in a log line."""


@dataclass(frozen=True)
class Counts:
    """Rows read, accepted and rejected."""

    rows: int
    accepted: int
    rejected: int

    @property
    def as_tuple(self) -> tuple[int, int, int]:
        """The counts as a tuple, for the audit."""
        return self.rows, self.accepted, self.rejected


_Part = tuple[tuple[Path, ...], Counts]
"""Files and their counts."""


class RejectedRowsError(StarlakeError):
    """Rows were rejected and the project allows none.

    Args:
        table: The table.
        counts: The counts.
        limit: Maximum number of rejects; None if none are allowed.
        rejects: The recorded rejects.
    """

    def __init__(
        self, table: str, counts: Counts, limit: RejectLimit | None = None, rejects: Sequence[Reject] = ()
    ) -> None:
        self.counts = counts
        self.rejects = tuple(rejects)
        super().__init__(
            f"{table}: {counts.rejected} of {counts.rows} rows are rejected{first_rejects(rejects, counts.rejected)}",
            cause=f"{'rejectAllOnError is set' if limit is None else f'maxRejected is {limit}'}, so that no row of the "
            "file was loaded; audit.rejected has the reasons",
            fix="correct the file, which is back in the stage area, and load it again",
        )


def first_rejects(rejects: Sequence[Reject], count: int) -> str:
    """Return the first rejected rows with file, line and reason, as a continuation of the message with their number."""
    shown = [
        f"{reject.file.rpartition('/')[2]}{'' if reject.line is None else f' line {reject.line}'}: "
        f"{' '.join(reject.error.removeprefix(f'line {reject.line}: ').split())[:_REASON]}"
        for reject in rejects[:_SHOWN_REJECTS]
    ]
    more = [f"{count - len(shown)} more in audit.rejected"] if shown and count > len(shown) else []
    return "".join(f"; {each}" for each in (*shown, *more))


class Ingestion:
    """The ingestion of files into a table.

    Args:
        workspace: The open databases and the project.
        table: The table.
        files: The files in the stage area; more than one if they are grouped.
        in_place: True if the files are in another folder and stay there.
        replayed: True if they come from the replay area.
    """

    def __init__(
        self,
        workspace: Workspace,
        table: Table,
        files: tuple[Path, ...],
        *,
        in_place: bool = False,
        replayed: bool = False,
    ) -> None:
        self._in_place = in_place
        self._replayed = replayed
        self._workspace = workspace
        self._project = workspace.project
        self._table = table
        self._files = files
        self._native = table.metadata.loads_natively
        self._target = Target(table.domain_final_name, table.final_name)
        self._clock = Clock.start()
        self._warnings: tuple[str, ...] = ()
        self._notes = OutcomeNotes(workspace.project, table) if workspace.outcomes.wanted else None
        self._job_id = workspace.job_id(f"{table.domain}-{table.name}-{files[0].name}")

    def run(self) -> JobResult:
        """Load the files and move them to the archive; on failure move them back to the stage area.

        Returns:
            The result; a failure is a result with an error, so that the other files of a load are loaded.
        """
        warehouse = self._workspace.warehouse_of(self._table)
        try:
            require_settings(self._project, self._table)
        except StarlakeError as error:
            job = self._failed(error, self._standing(warehouse))
        else:
            journal = self._begin(warehouse)
            if self._notes:
                self._notes.reading(journal.files)
            job = self._run(warehouse, journal)
        if self._notes:
            outcome = ingestion_outcome(self._notes, job)
            rows = row_count(warehouse, self._target) if job.error is None else None
            self._workspace.outcomes.add(replace(outcome, row_count=rows))
        return job

    def _run(self, warehouse: Warehouse, journal: Journal) -> JobResult:
        try:
            counts = self._earlier(warehouse, journal) or self._load(warehouse, journal)
        except Exception as error:
            logger.debug("ingestion failed", exc_info=True)
            if journal.settle([warehouse], self._table.matches):
                return self._result(journal, Counts(0, 0, 0), error=f"the rows are loaded, but then: {error}")
            return self._failed(error, journal)
        except BaseException:
            journal.settle([warehouse], self._table.matches)
            raise
        journal.finish(warehouse)
        return self._result(journal, counts)

    def _earlier(self, warehouse: Warehouse, journal: Journal) -> Counts | None:
        """Return the counts of an earlier load of the files in place under this job id."""
        table = self._table
        if not self._in_place or is_repeatable(table.metadata.write_strategy, [*table.presql, *table.postsql]):
            return None
        found = self._once(warehouse, journal).earlier()
        if found is None:
            return None
        if self._notes:
            self._notes.unknown = DONE_BEFORE
        logger.warning("%s is loaded already, under the job id %s", ", ".join(journal.names), self._job_id)
        return Counts(*found)

    def _once(self, warehouse: Warehouse, journal: Journal) -> Once:
        return self._workspace.once(warehouse, self._entry(journal.files), [uri(file) for file in journal.files])

    def _begin(self, warehouse: Warehouse) -> Journal:
        if self._in_place:
            return self._standing(warehouse)
        areas, domain = self._project.areas, self._table.domain
        archive = areas.archive(domain) if self._project.application.archive else None
        ingesting, name = areas.ingesting(domain), self._table.full_name
        return Journal.begin(warehouse, name, self._files, ingesting, archive, replayed=self._replayed)

    def _standing(self, warehouse: Warehouse) -> Journal:
        """Return the journal of files that stay where they are."""
        return Standing.of(warehouse, self._table.full_name, self._files)

    def _load(self, warehouse: Warehouse, journal: Journal) -> Counts:
        strategy = named(chosen_strategy(self._table, journal.files, self._project.application.timezone), self._table)
        validator = Validator(
            self._table,
            self._project.types,
            reject_with_value=self._project.application.reject_with_value,
            keep_records=self._project.application.sink_replay_to_file,
        )
        loaded = None
        if self._suits_direct(warehouse, strategy, validator, journal.files):
            loaded = self._load_directly(warehouse, journal, strategy, validator)
        counts, rejects = loaded or self._load_staged(warehouse, journal, strategy, validator)
        if counts.rejected:
            shown = first_rejects(rejects, counts.rejected)
            table = self._table.full_name
            logger.warning("%s: %d of %d rows are rejected%s", table, counts.rejected, counts.rows, shown)
        return counts

    def _load_staged(
        self, warehouse: Warehouse, journal: Journal, strategy: WriteStrategy, validator: Validator
    ) -> tuple[Counts, list[Reject]]:
        """Read and check all rows before the first is written."""
        database, application = warehouse.database, self._project.application
        with staged(database, validator, self._table, journal.files, located=self._located) as rows:
            self._warnings = tuple(rows.facts.warnings)
            counts = Counts(rows.rows, rows.accepted, rows.rejected)
            rejects = rows.rejects(database, application.audit.max_errors)
            self._note(rejects)
            try:
                self._require_few_rejects(database, rows, counts, rejects)
            except RejectedRowsError:
                self._record_rejection(journal, counts, rejects)
                raise
            parts = self._parts(database, rows)
            require_expressions(database, rows)

            def accepted() -> Rows:
                select = rows.select()
                teach(database, select)
                reads_target = rows.mentions(self._target.name)
                return Rows(warehouse.rows_from(select, rows.columns), rows.columns, reads_target=reads_target)

            self._write(
                warehouse,
                self._content(rows, accepted, strategy),
                within=lambda _written: self._mark(warehouse, journal, counts),
                record=lambda _written: self._record(journal, counts, rejects, parts),
            ).execute()
            if application.sink_replay_to_file and rows.rejected:
                rows.write_rejects(database, self._replay_file())
        return counts, rejects

    def _suits_direct(
        self, warehouse: Warehouse, strategy: WriteStrategy, validator: Validator, files: Sequence[Path]
    ) -> bool:
        """Return True if rows can be written while they are read: all accepted ones, unchanged, and only once."""
        application, table = self._project.application, self._table
        own = {name.lower() for name in self._project.write_strategy_templates}
        if own & {"create", "append", strategy.effective_type.lower()} or table.presql or table.postsql or table.filter:
            return False
        if application.sink_replay_to_file or (len(files) > 1 and application.audit.detailed_load_audit):
            return False
        existing = warehouse.columns(self._target)
        if not existing:
            return strategy.kind.keeps_duplicates
        kinds = {name.lower(): kind for name, kind in existing.items()}
        columns = [column for column in validator.columns if not column.attribute.ignore]
        return strategy.kind.only_inserts and all(
            kinds.get(column.name.lower()) == canonical(warehouse.database, column.type) for column in columns
        )

    def _load_directly(
        self, warehouse: Warehouse, journal: Journal, strategy: WriteStrategy, validator: Validator
    ) -> tuple[Counts, list[Reject]] | None:
        """Write rows while they are read, in one transaction with everything that depends on their number.

        Returns:
            The counts and the first rejected rows; None if DuckDB refuses a file or a row, and nothing is written. The
            staged rows then show the reason, or are read in another way.
        """
        import duckdb

        database = warehouse.database
        rows = DirectRows(database, self._table, validator, journal.files)
        if rows.mentions(self._target.name):
            return None
        if any(text for text, _ in rows.steps()):
            require_expressions(database, empty_rows(database, validator, self._table))
        loaded: list[tuple[Counts, list[Reject]]] = []
        selects = rows.selects()

        def accepted() -> Rows:
            nonlocal selects
            loaded.clear()
            selects = rows.selects()
            return Rows(warehouse.rows_from(next(selects), rows.columns), rows.columns)

        content = self._content(rows, accepted, strategy)
        append = replace(content, strategy=strategy.model_copy(update={"type": DEFAULT_STRATEGY}))

        def within(written: int | None) -> None:
            for select in selects:
                more = Rows(warehouse.rows_from(select, rows.columns), rows.columns)
                sql = append.script(
                    warehouse, self._project, self._target, more, first=False, label=self._table.full_name
                )
                written = (written or 0) + (warehouse.execute(sql) or 0)
            loaded.append(self._counted(database, rows, written or 0))
            self._mark(warehouse, journal, loaded[-1][0])

        write = self._write(
            warehouse, content, within=within, record=lambda _written: self._record(journal, *loaded[-1], [])
        )
        try:
            write.execute()
        except duckdb.Error:
            if loaded:
                raise
            logger.debug("rows are staged first", exc_info=True)
            return None
        except RejectedRowsError as error:
            self._record_rejection(journal, error.counts, error.rejects)
            raise
        finally:
            selects.close()
            self._warnings = tuple(rows.warnings)
            database.execute(f"DROP TABLE IF EXISTS {STAGED_TABLE}")
        return loaded[-1]

    def _counted(self, database: Database, rows: DirectRows, accepted: int) -> tuple[Counts, list[Reject]]:
        """Return the counts, and the first rejected rows.

        Raises:
            StarlakeError: If too many rows are rejected.
        """
        rejected = rows.count_rejected()
        counts = Counts(accepted + rejected, accepted, rejected)
        if not rejected:
            return counts, []
        found = rows.first_rejected(rejected, self._located)
        rejects = found.rejects(database, self._project.application.audit.max_errors)
        self._note(rejects)
        self._require_few_rejects(database, found, counts, rejects)
        return counts, rejects

    def _note(self, rejects: Sequence[Reject]) -> None:
        if self._notes:
            self._notes.rejects = rejects

    @property
    def _located(self) -> int:
        """Number of rejected rows whose lines are searched for."""
        return max(self._project.application.audit.max_errors, 1)

    def _mark(self, warehouse: Warehouse, journal: Journal, counts: Counts) -> None:
        """Record in the transaction that these files are loaded."""
        journal.mark(warehouse)
        if self._in_place:
            self._once(warehouse, journal).note(counts.as_tuple)

    def _require_few_rejects(
        self, database: Database, rows: StagedRows, counts: Counts, rejects: Sequence[Reject]
    ) -> None:
        """Fail the load if more rows are rejected than the project allows."""
        if self._native and counts.rejected:
            raise StarlakeError(rows.first_error(database), cause="the native loader rejects the whole file")
        strict, limit = self._project.application.reject_all_on_error, self._table.metadata.max_rejected
        if counts.rejected and (strict or (limit and not limit.allows(counts.rejected, counts.rows))):
            raise RejectedRowsError(self._table.full_name, counts, None if strict else limit, rejects)

    def _replay_file(self) -> Path:
        """Return a new file in the replay area, named after the table and the time."""
        areas, domain = self._project.areas, self._table.domain
        stem = f"{domain}.{self._table.name}.{datetime.now(timezone.utc):%Y%m%d%H%M%S}"
        names = (f"{stem}{suffix}.replay" for suffix in chain([""], (f"-{number}" for number in count(2))))
        taken = [areas.replay(domain), areas.ingesting(domain), areas.archive(domain)]
        return next(taken[0] / name for name in names if not any((folder / name).exists() for folder in taken))

    def _write(
        self,
        warehouse: Warehouse,
        content: MergedRows,
        *,
        within: Callable[[int | None], None],
        record: Callable[[int | None], None],
    ) -> TableWrite:
        """Return the operation that merges the accepted rows into the table."""
        project, table = self._project, self._table
        return TableWrite(
            warehouse,
            self._workspace.audit,
            project,
            table,
            self._target,
            content,
            entry=lambda: self._entry(()),
            record=record,
            presql=[each for text in table.presql for each in statements_of(project, table, text)],
            postsql=[each for text in table.postsql for each in statements_of(project, table, text)],
            within=within,
            checked=self._notes.checked if self._notes else None,
        )

    def _content(self, rows: AcceptedRows, accepted: Callable[[], Rows], strategy: WriteStrategy) -> MergedRows:
        table, columns = self._table, rows.columns
        replaces = strategy.kind.replaces_table
        change = Change(columns, rows.added_columns, drop=table.metadata.drop_columns, replace=replaces)
        return MergedRows(
            strategy,
            accepted,
            change=lambda _existing, _incoming: change,
            columns=columns,
            file=str(table.file or table.full_name),
            partition=table.metadata.sink.partition,
        )

    def _parts(self, database: Database, rows: StagedRows) -> list[_Part]:
        """Return the files with audit rows of their own: with ``detailedLoadAudit`` each of several."""
        if self._native or len(rows.files) == 1 or not self._project.application.audit.detailed_load_audit:
            return []
        return [((file,), Counts(all_, all_ - bad, bad)) for file, all_, bad in rows.per_file(database)]

    def _record(self, journal: Journal, counts: Counts, rejects: list[Reject], parts: Sequence[_Part]) -> None:
        """Write the audit rows of a success; Starlake's native loader writes one more."""
        audit = self._workspace.audit
        if self._native:
            audit.record(self._entry(journal.files, step="TRANSFORM"))
        else:
            audit.reject(self._entry(journal.files), rejects)
        for files, part in parts or [(journal.files, counts)]:
            audit.record(self._entry(files, counts=part.as_tuple))

    def _record_rejection(self, journal: Journal, counts: Counts, rejects: Sequence[Reject]) -> None:
        message = f"{counts.rejected} invalid records"
        with self._workspace.audit.warehouse.transaction():
            self._workspace.audit.reject(self._entry(journal.files), rejects)
            self._workspace.audit.record(
                self._entry(journal.files, counts=counts.as_tuple, success=False, message=message)
            )

    def _failed(self, error: Exception, journal: Journal) -> JobResult:
        message = str(error)
        if not isinstance(error, RejectedRowsError):  # it is recorded already
            entry = self._entry(journal.files, counts=(0, 0, 0), success=False, message=message)
            record_failure(self._workspace.audit, entry, error)
        counts = getattr(error, "counts", Counts(0, 0, 0))
        return replace(self._result(journal, counts, error=message), permanent=not may_retry(error))

    def _entry(
        self,
        files: tuple[Path, ...],
        *,
        step: str = "LOAD",
        counts: tuple[int, int, int] = (NOT_COUNTED,) * 3,
        success: bool = True,
        message: str = "success",
    ) -> Entry:
        return Entry(
            job_id=self._job_id,
            paths=",".join(uri(file) for file in files),
            domain=self._table.domain,
            table=self._table.name,
            step=step,
            started=self._clock.started,
            duration=self._clock.duration,
            scheduled=self._workspace.scheduled or self._clock.started,
            success=success,
            message=message,
            counts=counts,
        )

    def _result(self, journal: Journal, counts: Counts, error: str | None = None) -> JobResult:
        return JobResult(
            domain=self._table.domain,
            table=self._table.name,
            files=journal.names,
            paths=tuple(uri(file) for file in journal.files),
            job_id=self._job_id,
            input_count=counts.rows,
            accepted_count=counts.accepted,
            rejected_count=counts.rejected,
            duration=self._clock.duration,
            error=error,
            warnings=self._warnings,
        )
