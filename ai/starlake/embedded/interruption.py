"""Ending, from another thread, the work of the engine.

DuckDB does not return to Python while it runs a query, so a signal handler that raises (as Dagster's does) would have
to wait for the query to end. A caller that needs to react at once runs the engine in a thread of its own, and makes its
request here.
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
"""Seconds after an interruption at which running Python code is ended; its clean-up may take longer."""
_LAST = 5.0
"""Seconds to wait at most."""


class Interrupted(BaseException):
    """The engine was requested to end. Not an `Exception`, so that no handler treats it as a failure of the data."""


class Interruption:
    """A request to end, and its connections."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._connections: set[DuckDBPyConnection] = set()
        self._guard = threading.Lock()

    def request(self) -> None:
        """Request the end of the current work and of everything after it.

        A query that is just starting may be missed: repeat the request until the thread has ended.
        """
        self._requested.set()
        with self._guard:
            for connection in self._connections:
                connection.interrupt()

    @property
    def requested(self) -> bool:
        """True if the end was requested."""
        return self._requested.is_set()

    def check(self) -> None:
        """Raise if the end was requested.

        Raises:
            Interrupted: If it was requested.
        """
        if self.requested:
            raise Interrupted

    @contextmanager
    def reaching(self, connection: DuckDBPyConnection) -> Iterator[None]:
        """Let requests reach a connection for as long as it is open."""
        with self._guard:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._guard:
                self._connections.discard(connection)

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Convert the errors of interrupted queries.

        Raises:
            Interrupted: If the end was requested, before or during the block.
        """
        self.check()
        try:
            yield
        except Exception as error:
            if self.requested:
                raise Interrupted from error
            raise


def run_interruptible(call: Callable[[], T], interruption: Interruption, abandoned: Callable[[], None]) -> T:
    """Make a call in a thread of its own, so that an interruption of this thread ends it.

    Queries notice it at once. Python code, of a task or of the engine, gets an exception between two of its
    instructions. A thread that does not reach the next one, as in a long sleep, is abandoned. It is a daemon thread:
    the process does not wait for it at its end, and DuckDB then rolls back its open transactions.

    Args:
        call: The call.
        interruption: Passes requests on to its queries.
        abandoned: Called if the thread is abandoned.
    """
    work = _Work(call)
    try:
        work.start()
        while not work.ended(within=_POLL):
            pass
    except BaseException:
        _end(work, interruption, abandoned)
        raise
    return work.result()


def _end(work: _Work[T], interruption: Interruption, abandoned: Callable[[], None]) -> None:
    if work.withdrawn():
        return
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
    """A call in a daemon thread.

    An interruption may come while `start` waits for the thread, which may have begun the call. So the call begins only
    if it was not withdrawn, and is withdrawn only if it did not begin.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, args=(call,), name="starlake-embedded", daemon=True)

    def start(self) -> None:
        """Begin the call."""
        self._thread.start()

    def withdrawn(self) -> bool:
        """Return True if the call has not begun; it never does then."""
        return self._future.cancel()

    def _run(self, call: Callable[[], T]) -> None:
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  raised again in `result`
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def ended(self, *, within: float) -> bool:
        """Return True if the call has ended; wait some seconds for that."""
        wait([self._future], timeout=within)
        return self._future.done() or not self._thread.is_alive()

    def result(self) -> T:
        """Return the result of the call, or raise its error."""
        return self._future.result(timeout=0)

    def interrupt(self) -> None:
        """Raise an exception in the thread, at its next Python instruction."""
        import ctypes

        if self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(Interrupted)
            )
