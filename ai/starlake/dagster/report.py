"""Routing of a command's output: all of it to the compute log, important lines to the event log."""

from __future__ import annotations

import logging
import sys

from ai.starlake.executor.protocol import Stream

_MOST_LINES = 100


class DagsterReporter:
    """Reports to Dagster.

    Dagster captures the standard streams of a step as the compute log, which the UI shows under stdout and stderr. The
    event log is a database: each line there costs a transaction, so only warnings, errors and our own messages go there
    by default.

    Args:
        log: The log of the op.
        everything: True if every line goes to the event log.
    """

    def __init__(self, log: logging.Logger, *, everything: bool = False) -> None:
        self._log = log
        self._everything = everything
        self._left = _MOST_LINES

    def output(self, stream: Stream, line: str) -> None:
        """Receive one line of the command's output."""
        from ai.starlake.executor.failures import is_error, is_warning

        target = sys.stdout if stream == "stdout" else sys.stderr
        try:
            target.write(f"{line}\n")
        except UnicodeEncodeError:  # the locale of the process cannot encode it; that must not end the command
            target.write(f"{line.encode('ascii', 'backslashreplace').decode()}\n")
        target.flush()
        failed = is_error(line)
        if failed or is_warning(line):
            self._important(line, is_error=failed)
        elif self._everything:
            self._log.info(line)

    def info(self, message: str) -> None:
        """Receive a progress message."""
        self._log.info(message)

    def warning(self, message: str) -> None:
        """Receive a warning."""
        self._log.warning(message)

    def _important(self, line: str, *, is_error: bool) -> None:
        if self._left == 0 and not self._everything:
            return
        self._left -= 1
        (self._log.error if is_error else self._log.warning)(line)
        if self._left == 0 and not self._everything:
            self._log.warning(f"{_MOST_LINES} warnings and errors so far; the further ones are in the compute log only")
