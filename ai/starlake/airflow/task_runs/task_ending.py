"""End of a task before its command is done: Airflow's signal handler calls this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


class TaskEndedError(BaseException):
    """Airflow ends the task: its supervisor sent SIGTERM, and kills it with SIGKILL five seconds later.

    Not an `Exception`: handlers of a command's errors must not catch it.
    """


class InterruptibleBlock:
    """The part of `execute` that `on_kill` ends.

    Airflow's handler of SIGTERM calls `on_kill` in the main thread, and lets `execute` continue: an exception raised
    there is raised in `execute`. This happens once, so that a second signal does not disturb the clean-up. A signal
    before the block ends it at its start; one after it has no effect.
    """

    def __init__(self) -> None:
        self._state: Literal["ahead", "open", "ended"] = "ahead"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let a block be interrupted.

        Raises:
            TaskEndedError: If it was interrupted before it began.
        """
        if self._state == "ended":
            raise TaskEndedError
        self._state = "open"
        try:
            yield
        finally:
            self._state = "ended"

    def interrupt(self) -> None:
        """Interrupt the block, unless it has ended.

        Raises:
            TaskEndedError: If it is being executed.
        """
        before, self._state = self._state, "ended"
        if before == "open":
            raise TaskEndedError
