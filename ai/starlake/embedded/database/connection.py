"""DuckDB databases: opening, waiting for another process, transactions."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.common.file_locks import check_range_locks
from ai.starlake.common.redaction import mask_named_values
from ai.starlake.embedded.database.database_file import FileHeldError, make_database_file
from ai.starlake.embedded.database.database_sizes import set_sizes
from ai.starlake.embedded.database.quoting import qualified
from ai.starlake.embedded.interruption import Interruption
from ai.starlake.project.databases.duckdb_plans import Plan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as DuckDBPyConnection  # noqa: PLC0414  for packages that only refer to it
    from tenacity import RetryCallState

logger = logging.getLogger(__name__)

DEFAULT_WAIT = 600.0
"""Seconds to wait for a database that another process has open, unless ``SL_DUCKDB_LOCK_TIMEOUT`` is set."""

_GLANCE = 0.5
"""Seconds between two checks whether a waiting thread has to end."""

_LOCAL_DISK = "put the database on a disk of this machine, or on a share that grants locks (NFS with its lock daemon)"
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")
_EXTENSION = re.compile(r"(?i)\bextension\b[^\"'\n]*[\"'](?:[^\"'\n]*/)?(?P<name>\w+)(?:\.duckdb_extension)?[\"']")
_guards: dict[Path, threading.RLock] = {}
_guards_guard = threading.Lock()


class OpeningError(StarlakeError):
    """A database cannot be opened.

    Args:
        option: The key or option of the connection at fault.
        culprit: The problem.
        cause: The cause.
        fix: The fix.
        permanent: True if a retry cannot help: a file or a server may be back for one.
    """

    def __init__(
        self, option: str, culprit: str, *, cause: str | None = None, fix: str | None = None, permanent: bool = False
    ) -> None:
        self.option = option
        self.permanent = permanent
        super().__init__(culprit, cause=cause, fix=fix)


class Database:
    """A DuckDB file that this process has exclusively, or a database in memory.

    DuckDB lets one process at a time write to a file. Within a process, threads that open the same file take turns, so
    that the files of a load and its rows always belong together.

    Args:
        path: The file to write to; None for a database in memory.
        connection: The open connection.
        interruption: Ends its queries on request.

    Attributes:
        catalog: SQL name of the database to write to; others may be attached.
    """

    def __init__(
        self, path: Path | None, connection: DuckDBPyConnection, interruption: Interruption | None = None
    ) -> None:
        self.path = path
        self.connection = connection
        in_use = connection.execute("SELECT current_database(), current_schema()").fetchall()
        self.catalog, self._schema = (str(name) for name in in_use[0])
        self._interruption = interruption or Interruption()

    def execute(self, query: str, parameters: list[Any] | None = None) -> DuckDBPyConnection:
        """Run a statement. Values are bound to its question marks."""
        logger.debug("%s", query)
        with self._interruption.noticed():
            return self.connection.execute(query, parameters) if parameters else self.connection.execute(query)

    def rows(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; for small results such as those of a catalog, not for tables."""
        result = self.execute(query, parameters)
        with self._interruption.noticed():
            return result.fetchall()

    def value(self, query: str, parameters: list[Any] | None = None) -> Any:
        """Return the first value of the first row of a query; None if there is no row."""
        rows = self.rows(query, parameters)
        return rows[0][0] if rows else None

    def describe(self, select: str) -> dict[str, str]:
        """Return the columns and types of a SELECT, without running it.

        The second column with a name gets another one, as in the table that DuckDB would create from the SELECT.
        """
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE SELECT * FROM ({select}\n)")}

    def enter(self, schema: str | None = None) -> None:
        """Make unqualified names refer to a schema of the database that is written; its first schema by default.

        Names with a schema refer to that database again too, whatever a statement of the project selected before.
        """
        self.execute(f"USE {qualified(self.catalog, schema or self._schema)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end of the block; roll back if it raises."""
        import duckdb

        self.execute("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # a fatal error has ended the transaction already
                self.connection.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


@contextmanager
def open_database(
    plan: Plan | None,
    *,
    wait: float = DEFAULT_WAIT,
    interruption: Interruption | None = None,
    sizes: Mapping[str, str] | None = None,
) -> Iterator[Database]:
    """Open a database for writing; wait while another process or thread has it open.

    Args:
        plan: Plan for opening it; missing files and folders are created. None for a database in memory.
        wait: Seconds to wait before giving up.
        interruption: Ends the wait and the queries on request.
        sizes: Its limits; see `database_sizes`.

    Raises:
        Interrupted: If the wait was ended on request.
        StarlakeError: If another process kept the file for longer, if it cannot be opened, or if its file system
            refuses locks.
    """
    ending = interruption or Interruption()
    with ExitStack() as turns:
        for file in sorted(plan.files) if plan else ():  # in one order, so that no two threads wait for each other
            turns.enter_context(_turn(file, wait, ending))
        connection = _connect(plan, wait, ending)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            set_sizes(connection, sizes or {})
            with ending.reaching(connection):
                yield Database(plan.file if plan else None, connection, ending)
        finally:
            connection.close()


@contextmanager
def _turn(path: Path, wait: float, interruption: Interruption) -> Iterator[None]:
    with _guards_guard:
        guard = _guards.setdefault(path.resolve(), threading.RLock())
    deadline = time.monotonic() + wait
    while not guard.acquire(timeout=min(_GLANCE, max(wait, 0))):
        interruption.check()
        if time.monotonic() >= deadline:
            raise _busy(path, wait, "another thread of this process")
    try:
        yield
    finally:
        guard.release()


def _connect(plan: Plan | None, wait: float, interruption: Interruption) -> DuckDBPyConnection:
    import duckdb
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

    path = plan.file if plan else None
    if plan is None or path is None:
        return _opened(plan)
    attempts = Retrying(
        retry=retry_if_exception(_is_held),
        stop=stop_after_delay(wait),
        wait=wait_random(0.05, 0.25),
        before_sleep=_SayOnce(path, interruption),
        reraise=True,
    )
    try:
        for file in plan.made:
            file.parent.mkdir(parents=True, exist_ok=True)
        return attempts(_opened, plan)
    except (duckdb.Error, FileHeldError) as error:
        check_range_locks(path, fix=_LOCAL_DISK)
        raise _busy(path, wait, _holder(error)) from error
    except OSError as error:
        raise StarlakeError(f"cannot open the DuckDB database {path}", cause=error.strerror or str(error)) from error


def _opened(plan: Plan | None) -> DuckDBPyConnection:
    """Open a database and its attachments; the caller handles files that another process has open."""
    import duckdb

    name = (plan.main if plan else None) or ":memory:"
    try:
        for file in plan.empty if plan else ():
            make_database_file(file, plan.settings if plan else {})
        connection = duckdb.connect(str(name), config=dict(plan.settings) if plan else {})
    except duckdb.Error as error:
        if _is_held(error):
            raise
        raise OpeningError(
            "options",
            f"cannot open the DuckDB database {name}",
            cause=_first_line(error),
            permanent=isinstance(error, duckdb.ProgrammingError),
        ) from error
    try:
        for statement in plan.statements if plan else ():
            _run_before(connection, statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _run_before(connection: DuckDBPyConnection, statement: str) -> None:
    """Run a statement of ``preActions``. It may contain secrets: errors show only its first words."""
    import duckdb

    try:
        connection.execute(statement)
    except duckdb.Error as error:
        if _is_held(error):
            raise
        words = " ".join(statement.split()[:2])
        cause = mask_named_values(_first_line(error))
        extension = _EXTENSION.search(str(error))
        raise OpeningError(
            "preActions",
            f"preActions: {words} failed",
            cause=cause,
            fix=_fix(extension),
            permanent=isinstance(error, duckdb.ProgrammingError),
        ) from None


def _fix(extension: re.Match[str] | None) -> str:
    import duckdb

    if extension is None:
        return "correct the statement"
    name = extension["name"]
    return (
        f"install the DuckDB extension {name} on this machine, for DuckDB {duckdb.__version__}: run INSTALL {name} once"
        f" with access to the network, or INSTALL '/path/{name}.duckdb_extension' with a file that you downloaded"
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


class _SayOnce:
    """Reports once that the command waits, and for whom; ends the wait on request, or if it is useless."""

    def __init__(self, path: Path, interruption: Interruption) -> None:
        self._path = path
        self._interruption = interruption
        self._said = False

    def __call__(self, state: RetryCallState) -> None:
        self._interruption.check()
        if not self._said and state.outcome is not None:
            self._said = True
            check_range_locks(self._path, fix=_LOCAL_DISK)
            logger.warning("waiting for %s, which %s is using", self._path, _holder(state.outcome.exception()))


def _is_held(error: BaseException) -> bool:
    return isinstance(error, FileHeldError) or "Could not set lock on file" in str(error)


def _holder(error: BaseException | None) -> str:
    found = _HOLDER.search(str(error))
    return f"process {found['pid']} ({found['program']})" if found else "another process"


def _busy(path: Path, wait: float, holder: str) -> StarlakeError:
    return StarlakeError(
        f"{path} is in use",
        cause=f"{holder} kept it for more than {wait:g} seconds; DuckDB lets one process at a time write to a file",
        fix="wait for it to end, or raise SL_DUCKDB_LOCK_TIMEOUT (in a job, the option duckdb_lock_timeout)",
    )
