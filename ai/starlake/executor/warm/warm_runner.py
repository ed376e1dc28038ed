"""Run commands in warm servers, and as processes wherever that is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ai.starlake.executor.process.supervision import CommandContext, OnLine, Runner, run_process
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.warm.warm_server import Owner, WarmStatus
from ai.starlake.executor.warm.warm_settings import WarmSettings


def _of_run(execution: Execution) -> str:
    return execution.run_id


class WarmRunner:
    """Run commands in servers that live on, which the commands of a scope share.

    It is the `runner` of a `ShellExecutor`, which calls `bound` for each command.

    Args:
        settings: How servers are started, and how long they live.
        owner: Returns the process whose end ends the servers; asked when a command runs.
        scope: Returns what names the scope: commands of different scopes never share a server.
        cold: Runs a command as a process, where a server is in doubt.
    """

    def __init__(
        self,
        settings: WarmSettings,
        *,
        owner: Callable[[], Owner] = Owner.of_run,
        scope: Callable[[Execution], str] = _of_run,
        cold: Runner = run_process,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._scope = scope
        self._cold = cold

    def bound(self, context: CommandContext) -> Runner:
        """Return what runs one command, whose circumstances are known."""
        return self._cold if context is None else self

    def prestart(self, context: CommandContext, *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Begin to start a server without waiting for it.

        It never raises an error: the first command that would have used the server tells what went wrong.
        """

    @property
    def status(self) -> WarmStatus | None:
        """The server that ran the last command of this process; None if that was a process."""
        return None

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run a command as a process: without `bound`, nothing is known of it."""
        return self._cold(argv, cwd=cwd, environment=environment, on_line=on_line, death_fd=death_fd)
