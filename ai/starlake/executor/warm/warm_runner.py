"""Run commands in warm servers, and as processes in case of doubt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from ai.starlake.executor.executable import is_embedded_engine
from ai.starlake.executor.process.interrupts import interrupts_held
from ai.starlake.executor.process.supervision import CommandContext, OnLine, Runner, require_wanted, run_process
from ai.starlake.executor.protocol import Execution
from ai.starlake.executor.warm.discovery import ScopeFolder, ServerSlot
from ai.starlake.executor.warm.launch import WarmLaunch
from ai.starlake.executor.warm.warm_client import SILENCE
from ai.starlake.executor.warm.warm_frames import WarmRequest
from ai.starlake.executor.warm.warm_server import (
    Owner,
    WarmDoubtError,
    WarmServer,
    WarmStatus,
    doubting,
    end_servers,
    last_lines,
)
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.executor.warm.warm_turn import WarmTurn

_log = logging.getLogger(__name__)
_POLL = 0.1
_TELL_AFTER = 10.0
"""Seconds after which a waiting command reports that it waits."""
_SERVERS = 2
"""Maximum number of servers of one key, if commands do not wait for a database file anyway."""

_told: set[tuple[str, str]] = set()
"""Warnings of this process, if no folder has those of all processes of the scope."""


def _of_run(execution: Execution) -> str:
    return execution.run_id


class WarmRunner:
    """Runs commands in servers, which the commands of a scope share.

    It is the `runner` of a `ShellExecutor`, which calls `bound` for each command.

    Args:
        settings: Start-up and lifetime of servers.
        owner: Returns the process whose end ends the servers; called when a command runs.
        scope: Returns the name of the scope: commands of different scopes never share a server.
        cold: Runs a command as a process, in case of doubt.
        silence: Seconds without a heartbeat after which a server counts as dead.
    """

    def __init__(
        self,
        settings: WarmSettings,
        *,
        owner: Callable[[], Owner],
        scope: Callable[[Execution], str] = _of_run,
        cold: Runner = run_process,
        silence: float = SILENCE,
    ) -> None:
        self.settings = settings
        self.owner = owner
        self.scope = scope
        self.cold = cold
        self.silence = silence
        self.status: WarmStatus | None = None
        """The server that ran the last command of this process; None if that was a process."""
        self._ends: set[str] = set()

    @property
    def is_warm(self) -> bool:
        """True if the last command of this process ran in a server."""
        return self.status is not None

    def bound(self, context: CommandContext) -> Runner:
        """Return the runner of one command, with its context."""
        return _WarmCommand(self, context)

    def prestart(self, context: CommandContext, *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Begin to start a server without waiting for it.

        It never raises an error: the first command that would have used the server reports the problem.
        """
        try:
            _WarmCommand(self, context).prestart(cwd, environment)
        except Exception as error:  # noqa: BLE001  the first command, which finds the same problem, reports it
            _log.debug("no warm server was started: %s", error)

    def end_with_run(self, execution: Execution, scope: ScopeFolder) -> None:
        """End the servers of a run with it, if this process continues after the run."""
        if self.settings.scope == "run" and execution.at_end_of_run is not None and execution.run_id not in self._ends:
            self._ends.add(execution.run_id)
            execution.at_end_of_run(partial(end_servers, scope))

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run a command as a process: without `bound`, its context is unknown."""
        return self.cold(argv, cwd=cwd, environment=environment, on_line=on_line, death_fd=death_fd)


class _WarmCommand:
    """One command.

    Args:
        runner: The runner.
        context: The context of the command.
    """

    def __init__(self, runner: WarmRunner, context: CommandContext) -> None:
        self._runner = runner
        self._context = context
        self._report = context.execution.report
        self._scope = runner.scope(context.execution)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_line: OnLine,
        death_fd: int | None = None,
    ) -> int:
        """Run the command in a server; as a process if there is any doubt before it has begun."""
        require_wanted(death_fd)
        self._runner.status = None
        scope: ScopeFolder | None = None
        try:
            arguments = self._arguments(argv)
            launch = self._launch(cwd, environment)
            with doubting():
                owner = self._runner.owner()
                scope = ScopeFolder.of(self._scope, owner)
            self._runner.end_with_run(self._context.execution, scope)
            request = WarmRequest(arguments, launch.of_command(environment), str(cwd))
            with self._turn(scope, launch, death_fd) as slot:
                turn = WarmTurn(
                    self._context, self._runner.settings, scope, slot, launch, owner, death_fd, self._runner.silence
                )
                exit_code = turn.run(request, on_line)
                self._runner.status = turn.status
                return exit_code
        except WarmDoubtError as doubt:
            self._warn(scope, doubt)
        return self._runner.cold(argv, cwd=cwd, environment=environment, on_line=on_line, death_fd=death_fd)

    def prestart(self, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start a server, unless there is one, or another process is about to start it."""
        self._arguments(self._context.executable)
        launch, owner = self._launch(cwd, environment), self._runner.owner()
        scope = ScopeFolder.of(self._scope, owner)
        self._runner.end_with_run(self._context.execution, scope)
        with ExitStack() as stack:
            slot = _take_one([scope.slot(launch.fingerprint, 0)], stack)
            # a server that did not start is left for the first command, which reports it
            if slot is None or slot.read() is not None or scope.remembered(launch.fingerprint, time.time()):
                return
            WarmServer.start(slot, launch, owner, self._runner.settings)

    def _arguments(self, argv: Sequence[str]) -> Sequence[str]:
        executable = self._context.executable
        if is_embedded_engine(executable):
            raise WarmDoubtError(f"{executable[0]} is the embedded engine, which has no virtual machine")
        if tuple(argv[: len(executable)]) != executable:
            raise WarmDoubtError(
                "its compute profile limits the process (section process), and the commands of a server share one"
            )
        return argv[len(executable) :]

    def _launch(self, cwd: Path, environment: Mapping[str, str]) -> WarmLaunch:
        with doubting():
            return WarmLaunch.of(self._context.executable, environment, self._runner.settings, folder=cwd)

    @contextmanager
    def _turn(self, scope: ScopeFolder, launch: WarmLaunch, death_fd: int | None) -> Iterator[ServerSlot]:
        """Wait for a slot, and hold its lock."""
        from ai.starlake.executor.database_lock import note_holder

        with ExitStack() as stack:
            slot = self._wait_for_slot(stack, scope, launch.fingerprint, death_fd)
            stack.callback(note_holder, slot.holder, None)
            note_holder(slot.holder, self._context.execution)
            yield slot

    def _wait_for_slot(
        self, stack: ExitStack, scope: ScopeFolder, fingerprint: str, death_fd: int | None
    ) -> ServerSlot:
        from ai.starlake.executor.database_lock import REMIND_EVERY, name_of_holder

        slots = [scope.slot(fingerprint, number) for number in range(self._runner.settings.servers or 1)]
        tell_at = time.monotonic() + _TELL_AFTER
        while True:
            with doubting():
                taken = _take_one(slots, stack)
            if taken is not None:
                return taken
            if self._runner.settings.servers is None and len(slots) == 1 and not self._writes_one_file():
                slots = [scope.slot(fingerprint, number) for number in range(_SERVERS)]
                continue
            require_wanted(death_fd)
            if time.monotonic() >= tell_at:
                holders = ", ".join(dict.fromkeys(name_of_holder(slot.holder) for slot in slots))
                self._report.info(f"waiting for a warm server, which {holders} uses")
                tell_at = time.monotonic() + REMIND_EVERY
            time.sleep(_POLL)

    def _writes_one_file(self) -> bool:
        """Return False if commands do not wait for each other at a DuckDB file anyway; True if unknown."""
        facts = self._context.facts
        if facts is None:
            return True
        try:
            return facts().duckdb_file() is not None
        except Exception:  # noqa: BLE001  the real CLI may be able to run a project that we cannot read
            return True

    def _warn(self, scope: ScopeFolder | None, doubt: WarmDoubtError) -> None:
        """Report why the command runs as a process, once per run for each reason."""
        reason = self._context.mask(doubt.reason)
        if self._is_first(scope, reason):
            said = [self._context.mask(line) for line in last_lines(doubt.details)]
            more = "\n".join(["; it said:", *said]) if said else ""
            self._report.warning(f"the command runs as a process, not in a warm server: {reason}{more}")

    def _is_first(self, scope: ScopeFolder | None, reason: str) -> bool:
        key = (self._context.execution.run_id, reason)
        if scope is not None:
            with suppress(OSError):
                return scope.is_first("\0".join(key))
        known = key in _told
        _told.add(key)
        return not known


def _take_one(slots: Sequence[ServerSlot], stack: ExitStack) -> ServerSlot | None:
    """Take the lock of a free slot, of one with a server if possible; the stack releases it."""
    for slot in sorted(slots, key=lambda one: not one.server_file.exists()):
        lock = slot.lock()
        with interrupts_held():  # an unreleased lock would stop all later commands of this process
            if lock.acquire():
                stack.callback(lock.release)
                return slot
    return None
