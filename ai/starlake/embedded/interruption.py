"""Ending, from another thread, what the engine is doing.

DuckDB does not return to Python while it works on a query, so that a signal handler which raises (Dagster's do) would
have to wait for the query to end. Whoever needs to react at once runs the engine in a thread of its own, and asks here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Interrupted(BaseException):
    """The engine was asked to end. No `Exception`, so that nothing on the way takes it for a failure of the data."""


class Interruption:
    """A request to end, and the connections that it concerns."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._connections: set[DuckDBPyConnection] = set()
        self._guard = threading.Lock()

    def request(self) -> None:
        """Asks for the end of what is done now and of everything after it.

        A query that begins at this very moment may be missed: ask again until the thread is gone.
        """
        self._requested.set()
        with self._guard:
            for connection in self._connections:
                connection.interrupt()

    @property
    def requested(self) -> bool:
        """Whether the end was asked for."""
        return self._requested.is_set()

    def check(self) -> None:
        """Does nothing, or raises when the end was asked for.

        Raises:
            Interrupted: If it was.
        """
        if self.requested:
            raise Interrupted

    @contextmanager
    def reaching(self, connection: DuckDBPyConnection) -> Iterator[None]:
        """Lets requests reach a connection for as long as it is open."""
        with self._guard:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._guard:
                self._connections.discard(connection)

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Tells the errors of interrupted queries from others.

        Raises:
            Interrupted: If the end was asked for, before or meanwhile.
        """
        self.check()
        try:
            yield
        except Exception as error:
            if self.requested:
                raise Interrupted from error
            raise
