"""Where a command's output goes: into the log of its task."""

from __future__ import annotations

from typing import Protocol

from ai.starlake.executor.failures import is_error, is_warning
from ai.starlake.executor.protocol import Stream


class TaskLog(Protocol):
    """The log of a task, such as `BaseOperator.log`."""

    def info(self, event: str, /) -> object:
        """Log something."""
        ...

    def warning(self, event: str, /) -> object:
        """Log something that a person should look at."""
        ...

    def error(self, event: str, /) -> object:
        """Log that something failed."""
        ...


class AirflowReporter:
    """Reports to the log of a task: each line once, at once, with the level that its text has.

    Args:
        log: The log of the task.
    """

    def __init__(self, log: TaskLog) -> None:
        self._log = log

    def output(self, stream: Stream, line: str) -> None:  # noqa: ARG002  the log of a task has one stream
        """Take one line that the command printed."""
        if is_error(line):
            self._log.error(line)
        elif is_warning(line):
            self._log.warning(line)
        else:
            self._log.info(line)

    def info(self, message: str) -> None:
        """Take something that a person who watches the run wants to know."""
        self._log.info(message)

    def warning(self, message: str) -> None:
        """Take something that a person should look at."""
        self._log.warning(message)
