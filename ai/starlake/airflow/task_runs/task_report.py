"""Routing of a command's output to the log of its task."""

from __future__ import annotations

from typing import Protocol

from ai.starlake.executor.failures import is_error, is_warning
from ai.starlake.executor.protocol import Stream


class TaskLog(Protocol):
    """The log of a task, such as `BaseOperator.log`."""

    def info(self, event: str, /) -> object:
        """Log a message."""
        ...

    def warning(self, event: str, /) -> object:
        """Log a warning."""
        ...

    def error(self, event: str, /) -> object:
        """Log an error."""
        ...


class AirflowReporter:
    """Reports to the log of a task: each line immediately, with its own level.

    Args:
        log: The log of the task.
    """

    def __init__(self, log: TaskLog) -> None:
        self._log = log

    def output(self, stream: Stream, line: str) -> None:  # noqa: ARG002  the log of a task has one stream
        """Receive one line of the command's output."""
        if is_error(line):
            self._log.error(line)
        elif is_warning(line):
            self._log.warning(line)
        else:
            self._log.info(line)

    def info(self, message: str) -> None:
        """Receive a progress message."""
        self._log.info(message)

    def warning(self, message: str) -> None:
        """Receive a warning."""
        self._log.warning(message)
