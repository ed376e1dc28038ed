"""The end of a task before its command is done: what Airflow's handler of signals calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


class TaskEndedError(BaseException):
    """Airflow ends the task: its supervisor sent SIGTERM, and kills it with SIGKILL five seconds later.

    No `Exception`: whatever handles errors of a command must not take it for one.
    """


class InterruptibleBlock:
    """The part of `execute` that `on_kill` ends.

    Airflow's handler of SIGTERM calls `on_kill` in the main thread, and lets `execute` go on: what is raised there is
    raised in `execute`, wherever that is. It happens once, so that a second signal does not disturb the cleaning up. A
    signal that comes before the block lets it end where it begins; one after it finds nothing to end.
    """

    def __init__(self) -> None:
        self._state: Literal["ahead", "open", "ended"] = "ahead"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let a block be interrupted.

        Raises:
            TaskEndedError: If it has been before it began.
        """
        if self._state == "ended":
            raise TaskEndedError
        self._state = "open"
        try:
            yield
        finally:
            self._state = "ended"

    def interrupt(self) -> None:
        """Interrupt the block, unless it is over.

        Raises:
            TaskEndedError: If it is being executed.
        """
        before, self._state = self._state, "ended"
        if before == "open":
            raise TaskEndedError
