"""A resource for user assets that use the DuckDB file of a project."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import ConfigurableResource
from pydantic import Field

from ai.starlake.dagster import _compat
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.executor.database_lock import lock_file_of, writer_locks
from ai.starlake.executor.protocol import Execution

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import DuckDBPyConnection

_BY_HAND = "outside of a run"


class StarlakeDuckDB(ConfigurableResource[Any]):
    """A DuckDB file that Starlake commands and user code write to, one after the other.

    DuckDB lets one process at a time open a file for writing. Another one fails at once, whether it is a Starlake
    command or a step of yours.
    """

    database: str = Field(description="the path of the DuckDB file, as in the url of the project's connection")
    timeout: float = Field(default=3600, description="seconds to wait for the file")

    @contextmanager
    def get_connection(self) -> Iterator[DuckDBPyConnection]:
        """Open the file when no other process writes to it; others wait until the block ends.

        The file is created if it is missing. Its time zone is UTC.

        Yields:
            The connection, for a ``with`` statement, which closes it.

        Raises:
            WriterBusyError: If a command of Starlake writes to it for longer than `timeout`.
            StarlakeError: If another process keeps it open for longer than `timeout`, or if it cannot be opened.
        """
        from ai.starlake.embedded.database.connection import open_database
        from ai.starlake.project.databases.duckdb_plans import plan_of_file

        plan = plan_of_file(self._path)
        with self.turn(), open_database(plan, wait=self.timeout) as opened:
            yield opened.connection

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep Starlake commands away from the file, for code that opens it in another way.

        The embedded engine and `get_connection` wait for any process that has the file open; they need no turn.

        Yields:
            Nothing: the turn lasts as long as the ``with`` statement.

        Raises:
            WriterBusyError: If a command of Starlake writes to it for longer than `timeout`.
        """
        with writer_locks([lock_file_of(self._path)], _execution(), self.timeout):
            yield

    @property
    def _path(self) -> Path:
        return Path(self.database).expanduser().absolute()


def _execution() -> Execution:
    """Return the holder of the lock: the running step, for the messages of waiting commands."""
    context = _compat.current_context()
    if context is None:
        return Execution(_BY_HAND, _BY_HAND, DagsterReporter(logging.getLogger(__name__)))
    return Execution(context.run.run_id, _compat.step_key_of(context), DagsterReporter(context.log))
