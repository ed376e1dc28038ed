"""The workspace of a command: the project, its open databases, the audit, the time and id of the job."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from types import TracebackType

from ai.starlake.common import PermanentError
from ai.starlake.common.lazy_frames import RUN_ID, LazySession
from ai.starlake.embedded.areas.turns import turns
from ai.starlake.embedded.database.connection import DEFAULT_WAIT, Database, OpeningError, open_database
from ai.starlake.embedded.database.database_sizes import database_sizes
from ai.starlake.embedded.interruption import Interruption
from ai.starlake.embedded.outcome_log import OutcomeLog
from ai.starlake.embedded.reporting import EngineReporter, Silent
from ai.starlake.embedded.transform.lazy_engines import LazyEngines
from ai.starlake.embedded.warehouse.audit import AuditLog, Entry
from ai.starlake.embedded.warehouse.duckdb.duckdb_warehouse import DuckDBWarehouse
from ai.starlake.embedded.warehouse.once import Once
from ai.starlake.embedded.warehouse.warehouse import Warehouse
from ai.starlake.project import Connection, Project, Table, Task
from ai.starlake.project.databases.connections import (
    connection_error,
    find_connection,
    require_one_connection,
    usable_plan,
)
from ai.starlake.project.databases.duckdb_plans import ONE_CONNECTION, Plan, clash


class Workspace:
    """The open databases of one command; a context manager.

    Databases are opened on first use and kept open until the command ends, like Starlake's connections.

    Args:
        project: The project.
        environment: The environment; the one of the process by default.
        scheduled: The logical date of the command, UTC; the start of each job if not given.
        interruption: Ends the command on request.
        outcomes: Collects the outcomes of tables and tasks.
        reporter: Receives the progress of tasks.
    """

    def __init__(
        self,
        project: Project,
        *,
        environment: Mapping[str, str] | None = None,
        scheduled: datetime | None = None,
        interruption: Interruption | None = None,
        outcomes: OutcomeLog | None = None,
        reporter: EngineReporter | None = None,
    ) -> None:
        self.project = project
        self.outcomes = outcomes or OutcomeLog()
        self.environment = dict(os.environ if environment is None else environment)
        self.scheduled = scheduled
        self._interruption = interruption
        self._reporter = reporter or Silent()
        self._stack = ExitStack()
        self._warehouses: dict[Path | None, tuple[Connection, Plan, DuckDBWarehouse]] = {}

    def __enter__(self) -> Workspace:
        """Return the workspace; nothing is opened yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the databases."""
        self._warehouses.clear()
        self._stack.close()

    def warehouse_of(self, item: Table | Task, *, writing: bool = True) -> Warehouse:
        """Return the warehouse that a table or task is written to.

        Args:
            item: The table or task.
            writing: True if rows are written; a database in memory is enough to read some.

        Raises:
            StarlakeError: If its connection is not DuckDB, if one of its options is not supported, or if the database
                cannot be opened.
        """
        require_one_connection(self.project.settings, item)
        return self._open(self.project.connection_of(item), item.full_name, writing=writing)

    def warehouse_at(self, file: Path) -> Warehouse:
        """Return the DuckDB database in a file that no connection of the project may name any more.

        Raises:
            StarlakeError: If it cannot be opened.
        """
        if file not in self._warehouses:
            plan = Plan(file, {}, (), file, files=(file,), made=(), empty=(), problems=())
            opening = self._opening(plan)
            connection = Connection(name=file.name, type="jdbc", options={"url": f"jdbc:duckdb:{file}"})
            self._warehouses[file] = (connection, plan, DuckDBWarehouse(self._stack.enter_context(opening)))
        return self._warehouses[file][2]

    @contextmanager
    def turns(self, ingesting: Path, tables: Sequence[Table]) -> Iterator[None]:
        """Open the databases of tables of a domain, and wait until no other load of the tables is running.

        Args:
            ingesting: The ingesting area of the domain.
            tables: The tables.

        Raises:
            StarlakeError: If a database cannot be opened, or if another command runs for too long.
        """
        for table in tables:
            self.warehouse_of(table)
        names = [table.full_name for table in tables]
        with turns(ingesting, names, wait=self._patience(), interruption=self._interruption or Interruption()):
            yield

    @cached_property
    def lazy_engines(self) -> LazyEngines:
        """Engines for lazy frames of Python tasks; their machines are stopped when the command ends."""
        interruption = self._interruption or Interruption()
        run_id = self.environment.get(RUN_ID) or self.job_id("starlake")
        engines = LazyEngines(
            LazySession(self.environment, run_id, tell=self._reporter.progressing, check=interruption.check)
        )
        self._stack.callback(engines.close)
        return engines

    @property
    def audit(self) -> AuditLog:
        """The audit, in the database of ``audit.sink.connectionRef``, else in the project's own."""
        application = self.project.application
        settings = application.audit
        connection = find_connection(application, self.project.areas, *application.audit_refs)
        warehouse = self._open(connection, "the audit")
        elsewhere = {"rejected": settings.domain_rejected, "expectations": settings.domain_expectation}
        return AuditLog(
            warehouse, settings.domain, active=settings.active, tenant=application.tenant, elsewhere=elsewhere
        )

    def once(self, warehouse: Warehouse, entry: Entry, files: Sequence[str] = ()) -> Once:
        """Return the record of whether a job is done already.

        Args:
            warehouse: The warehouse of its rows.
            entry: Its audit row.
            files: PATHS of parts of the job.
        """
        given = self._given_job_id is not None
        return Once(self.audit, warehouse, entry, files, given=given, scheduled=self.scheduled)

    @property
    def _given_job_id(self) -> str | None:
        """Job id from the environment, if set."""
        names = ("SL_JOB_ID", self.project.application.job_id_env_name)
        given = (self.environment.get(name) for name in names if name)
        return next(filter(None, given), None)

    def job_id(self, default: str) -> str:
        """Return the audit's JOBID: ``SL_JOB_ID``, else the variable that the project names, else the time."""
        return self._given_job_id or f"{default}-{time.time_ns() // 1_000_000}"

    def _open(self, connection: Connection, user: str, *, writing: bool = True) -> DuckDBWarehouse:
        if not connection.is_duckdb:
            raise PermanentError(
                f"{user} uses the connection {connection.name!r}, which is not a DuckDB database",
                cause=f"its type is {connection.type}; the embedded engine writes to DuckDB only",
                fix="name a connection with a jdbc:duckdb: url, or set SL_DUCKDB_MODE=true to use datasets/duckdb.db",
            )
        plan = usable_plan(self.project.settings, connection, writing=writing)
        known = self._warehouses.get(plan.file)
        if known is not None and known[1] == plan:
            return known[2]
        self._require_free(connection, plan)
        try:
            database = self._stack.enter_context(self._opening(plan))
        except OpeningError as error:
            message = ": ".join(part for part in (error.culprit, error.cause) if part)
            settings = self.project.settings
            failed = connection_error(settings, connection, error.option, message, error.fix or "")
            failed.permanent = error.permanent
            raise failed from error
        warehouse = DuckDBWarehouse(database)
        self._warehouses[plan.file] = (connection, plan, warehouse)
        return warehouse

    def _opening(self, plan: Plan) -> AbstractContextManager[Database]:
        sizes = database_sizes(self.environment)
        return open_database(plan, wait=self._patience(), interruption=self._interruption, sizes=sizes)

    def _require_free(self, connection: Connection, plan: Plan) -> None:
        """Refuse a connection to a file that another connection has open."""
        for other, taken, _ in self._warehouses.values():
            message = clash(other, taken, plan)
            if message:
                raise connection_error(self.project.settings, connection, "options", message, ONE_CONNECTION)

    def _patience(self) -> float:
        text = self.environment.get("SL_DUCKDB_LOCK_TIMEOUT", "")
        try:
            return float(text) if text else DEFAULT_WAIT
        except ValueError:
            raise PermanentError(
                f"SL_DUCKDB_LOCK_TIMEOUT is {text!r}", fix="set it to a number of seconds, such as 60"
            ) from None


@dataclass(frozen=True)
class Clock:
    """Start time of a job.

    Args:
        started: The timestamp, UTC, without a time zone, as in the audit.
        origin: Value of the monotonic clock.
    """

    started: datetime
    origin: float

    @classmethod
    def start(cls) -> Clock:
        """Return a clock that starts now."""
        return cls(datetime.now(timezone.utc).replace(tzinfo=None), time.monotonic())

    @property
    def duration(self) -> int:
        """Milliseconds since the start."""
        return round((time.monotonic() - self.origin) * 1000)
