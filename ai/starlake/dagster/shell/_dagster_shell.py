"""Processes started by the package dagster-shell, for set-ups that are built around it."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import Stream

_PID = "Command pid: "


class _LineLog:
    """A logger for dagster-shell, which separates the output of the command from dagster-shell's own messages.

    Its own messages are those before the output, the process id the last of them, and one line after it.
    """

    def __init__(self, on_line: Callable[[Stream, str], None]) -> None:
        self.pid: int | None = None
        self._on_line = on_line
        self._held: str | None = None

    def info(self, message: str) -> None:
        if self.pid is None:
            self.pid = int(message.removeprefix(_PID)) if message.startswith(_PID) else None
            return
        if self._held is not None:
            self._on_line("stdout", self._held)
        self._held = message


def run_with_dagster_shell(
    argv: Sequence[str],
    *,
    cwd: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[Stream, str], None],
    death_fd: int | None = None,  # noqa: ARG001  dagster-shell only waits for its process
) -> int:
    """Run a process by `dagster_shell.execute_shell_command`, with every argument quoted.

    Args:
        argv: The executable and its arguments.
        cwd: The working directory.
        environment: All of its environment.
        on_line: Called with each line that it prints; standard error counts as standard output.
        death_fd: Ignored.

    Returns:
        Its exit code.

    Raises:
        StarlakeError: If dagster-shell is not installed.
    """
    try:
        from dagster_shell import execute_shell_command
    except ImportError as error:
        raise StarlakeError(
            "option shell_runner: dagster-shell is not installed",
            cause=str(error),
            fix='pip install "starlake-jobs[dagster-shell]", on Dagster 1.9.13; or leave the option out',
        ) from error
    log = _LineLog(on_line)
    try:
        _, code = execute_shell_command(
            f"exec {shlex.join(argv)}",
            output_logging="STREAM",
            log=log,
            cwd=str(cwd or Path.cwd()),
            env=dict(os.environ if environment is None else environment),
            log_shell_command=False,
        )
    finally:
        if log.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(log.pid, signal.SIGKILL)
    return int(code)
