"""Waiting in tests: for an event, with a deadline that a busy machine keeps; never for a number of seconds.

- `wait_for` asks until the answer is true, and says at the deadline what it saw last.
- `meanwhile` and `all_at_once` run functions in threads; what those raise, the test raises.
- `interrupt_when` signals the main thread at an event, and also when the event cannot come any more.
- `is_alive`, `wait_until_gone` and `end` check processes that may vanish meanwhile.
- `whole_lines` reads a file that a process still appends to.
- `reserved_port` is a free port that no other test gets.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

PATIENCE = 120.0
"""Seconds until a busy machine must have done what a test waits for."""
_SHORTEST, _LONGEST = 0.02, 0.5
"""Between two questions. To ask may be costly, and other tests need the processor."""

T = TypeVar("T")


def wait_for(what: str, ask: Callable[[], T | None], patience: float = PATIENCE, *, seen: Callable[[], Any] = str) -> T:
    """Ask until the answer is true, and return it.

    Args:
        what: What is waited for, in words.
        ask: Returns something true when it has happened.
        patience: Seconds after which the test fails.
        seen: Returns what to show then.
    """
    begun = time.monotonic()
    while True:
        answer = ask()
        if answer:
            return answer
        waited = time.monotonic() - begun
        if waited > patience:
            pytest.fail(f"waited {patience:g} s for {what}; the last answer is {answer!r} {seen()}")
        time.sleep(min(max(_SHORTEST, waited / 10), _LONGEST))


@contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Run a function in a thread during a block; the block ends when it has ended, and raises what it raised."""
    with ThreadPoolExecutor(1, "meanwhile") as pool:
        future = pool.submit(work)
        try:
            yield future
        except BaseException as error:
            if future.done() and future.exception() is not None:
                raise error from future.exception()
            raise
        future.result(PATIENCE)


def all_at_once(*works: Callable[[], T]) -> list[T]:
    """Run functions in a thread each; return what they return, or raise what the first of them raises."""
    with ThreadPoolExecutor(len(works), "at once") as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


@contextmanager
def interrupt_when(ready: Callable[[], object], number: int = signal.SIGINT) -> Iterator[None]:
    """Send the main thread a signal when something is the case; if that cannot be seen any more, too.

    So the block, which waits for the signal, always ends. What went wrong is raised after it.

    Args:
        ready: Returns something true when it is time.
        number: The signal.
    """
    over = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def watch() -> None:
        try:
            wait_for("the time to interrupt", lambda: over.is_set() or ready())
        finally:
            if not over.is_set():
                signal.pthread_kill(main, number)

    with ThreadPoolExecutor(1, "interrupts") as pool:
        watching = pool.submit(watch)
        try:
            yield
        finally:
            over.set()
            failed = watching.exception()
            if failed is not None:
                raise failed


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that nobody waited for yet does not."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def wait_until_gone(*pids: int, patience: float = PATIENCE) -> None:
    """Wait until none of some processes runs; whichever does in the end is killed, and the test fails."""
    try:
        wait_for(f"the end of {pids}", lambda: not any(map(is_alive, pids)), patience)
    finally:
        end(*pids)


def end(*pids: int) -> None:
    """Kill some processes, which may have ended before."""
    for pid in filter(is_alive, pids):
        with suppress(psutil.Error):
            psutil.Process(pid).kill()


def whole_lines(file: Path) -> list[str]:
    """Return the lines of a file without one that is still being written; none if there is no file."""
    with suppress(FileNotFoundError):
        return file.read_text("utf-8").rpartition("\n")[0].splitlines()
    return []


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a free port for a server of the block: until the end of the block, nobody else is given it.

    The port is bound and not listened at. A server, which sets `SO_REUSEADDR`, may bind it all the same.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
