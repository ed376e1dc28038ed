"""Owner and scope of warm servers on Dagster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.executor.shell import ShellExecutor
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.orchestration.command_runs.executor_factories import warm_executor

if TYPE_CHECKING:
    from ai.starlake.executor.protocol import Execution
    from ai.starlake.executor.warm.warm_options import WarmOptions

_CODE_SERVER = "grpc"
_RUN_WORKERS = ("execute_run", "execute_step")
"""Arguments after ``dagster api`` in command lines: of code servers, and of the runs and the steps that some launchers
start without one."""


def executor_of(settings: WarmOptions) -> ShellExecutor:
    """Return the executor that runs commands in warm servers."""
    shared = settings.warm_scope == "code_location"
    return warm_executor(
        settings,
        owner=code_server if shared else _run_process,
        scope=_of_code_location if shared else _of_run,
        death_fd=_compat.run_process_sentinel,
    )


def _of_run(execution: Execution) -> str:
    return execution.run_id


def _of_code_location(execution: Execution) -> str:
    return execution.code_location


def _run_process() -> Owner:
    return Owner.of_process(_compat.run_process_id())


def code_server() -> Owner:
    """Return the code server that launched the run; the process of the run if only that loads the definitions.

    Raises:
        StarlakeError: If the run was launched into a process of its own, whose code server is out of reach.
    """
    run_process = _compat.run_process_id()
    for process in _lineage(os.getpid()):
        kind = _kind(process.arguments)
        if kind == _CODE_SERVER:
            return Owner.of_process(process.pid)
        if kind in _RUN_WORKERS:
            raise StarlakeError(
                "option warm_scope: code_location has no code location here",
                cause=f"process {process.pid} runs `dagster api {kind}`: no code server on this machine started it",
                fix="leave the option out, so that each run has its own servers",
            )
    return Owner.of_process(run_process)


class _Ancestor(NamedTuple):
    """A process, and how it was started."""

    pid: int
    parent: int
    arguments: list[str]


def _lineage(pid: int) -> Iterator[_Ancestor]:
    """Yield a process, its parent, and so on, as far as the system shows them."""
    while pid > 0 and (process := _process(pid)) is not None:
        yield process
        pid = process.parent


def _process(pid: int) -> _Ancestor | None:
    folder = Path(f"/proc/{pid}")
    with suppress(OSError):
        parent = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        return _Ancestor(pid, int(parent), (folder / "cmdline").read_text("utf-8", "replace").split("\0"))
    if Path("/proc/self/stat").exists():
        return None
    asked = subprocess.run(
        ["/bin/ps", "-o", "ppid=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    parent, *arguments = asked.stdout.split() or [""]
    return _Ancestor(pid, int(parent), arguments) if parent.isdigit() else None


def _kind(arguments: list[str]) -> str | None:
    """Return the argument after ``dagster api`` in a command line; None for another command."""
    for first, second, third in zip(arguments, arguments[1:], arguments[2:], strict=False):
        if Path(first).name == "dagster" and second == "api":
            return third
    return None
