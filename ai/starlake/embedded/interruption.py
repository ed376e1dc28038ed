"""Ending, from another thread, what the engine is doing.

DuckDB does not return to Python while it works on a query, so that a signal handler which raises (Dagster's do) would
have to wait for the query to end. Whoever needs to react at once runs the engine in a thread of its own, and asks here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

_POLL = 0.5
_BLOWS = (1.0, 3.0)
"""Seconds after an interruption at which Python code that goes on is ended; what it cleans up then takes its time."""
_LAST = 5.0
"""Seconds after which it is no longer waited for."""


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
        """True if the end was asked for."""
        return self._requested.is_set()

    def check(self) -> None:
        """Do nothing, or raise when the end was asked for.

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


def run_interruptible(call: Callable[[], T], interruption: Interruption, abandoned: Callable[[], None]) -> T:
    """Make a call in a thread of its own, so that what interrupts this thread ends it.

    Queries notice it at once. Python code, of a task or of the engine, gets an exception between two of its own
    instructions. A thread that does not get there, as in a long sleep, is left behind. It is a daemon thread: the
    process does not wait for it at its end, and DuckDB then rolls back what it had open.

    Args:
        call: The call.
        interruption: Reaches its queries.
        abandoned: Called when the thread is left behind.
    """
    work = _Work(call)
    try:
        while not work.ended(within=_POLL):
            pass
    except BaseException:
        _end(work, interruption, abandoned)
        raise
    return work.result()


def _end(work: _Work[T], interruption: Interruption, abandoned: Callable[[], None]) -> None:
    started = time.monotonic()
    blows = list(_BLOWS)
    while not work.ended(within=0):
        passed = time.monotonic() - started
        if passed >= _LAST:
            abandoned()
            return
        interruption.request()
        if blows and passed >= blows[0]:
            blows.pop(0)
            work.interrupt()
        work.ended(within=_POLL)


class _Work(Generic[T]):
    """A call in a thread that no process waits for at its end."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, args=(call,), name="starlake-embedded", daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  raised again where the result is wanted
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def ended(self, *, within: float) -> bool:
        """Return whether the call ended; wait some seconds for that."""
        wait([self._future], timeout=within)
        return self._future.done() or not self._thread.is_alive()

    def result(self) -> T:
        """Return what the call returned, or raise what it raised."""
        return self._future.result(timeout=0)

    def interrupt(self) -> None:
        """Raise an exception in the thread, when it next runs an instruction of Python."""
        import ctypes

        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(Interrupted)
            )
