"""Delay interrupts, and clean up after them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of a block, because their handlers may raise anywhere.

    Handlers are replaced instead of signals being blocked: a process started in the block would inherit blocked signals
    and never receive a SIGTERM. For the same reason ignored signals get a handler: a Dagster process that a script
    started in the background ignores SIGINT, and treats SIGTERM like SIGINT. Handlers run in the main thread only; in
    other threads there is nothing to delay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    handlers = {number: signal.getsignal(number) for number in _INTERRUPTS}
    held = {number: handler for number, handler in handlers.items() if handler is not None}
    try:
        for number in held:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(came):
            signal.raise_signal(late)


@contextmanager
def cleaning_up(
    clean_up: Callable[[], object], *, unless: tuple[type[BaseException], ...] | type[BaseException] = ()
) -> Iterator[None]:
    """Clean up if a block raises, with interrupts delayed, and raise the same error again.

    Args:
        clean_up: Cleans up.
        unless: Errors that need no clean-up. With ``unless=Exception`` only an interruption counts: SIGINT, SIGTERM, a
            run that is cancelled.
    """
    try:
        yield
    except unless:
        raise
    except BaseException:
        with interrupts_held():
            clean_up()
        raise
