"""Commands of warm servers, run without Dagster, against a server whose faults a test chooses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from ai.starlake.executor import Execution
from ai.starlake.executor.process.groups import kill_marked
from ai.starlake.executor.process.supervision import CommandContext
from ai.starlake.executor.process.watchdog import MARK
from ai.starlake.executor.warm.discovery import ServerFile, UntrustedFileError
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.executor.warm.warm_settings import WarmSettings

REPOSITORY = Path(__file__).parents[3]
FAULTY_JAVA = Path(__file__).with_name("faulty_java.py")
PATIENCE = 60.0
"""Seconds after which a test gives up; a loaded machine takes some of them."""


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def output(self, stream, line):
        pass

    def info(self, message):
        self.infos.append(message)

    def warning(self, message):
        self.warnings.append(message)


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {what or condition}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def gone(*pids: int) -> None:
    """Wait until processes are gone."""
    wait_for(lambda: not any(map(alive, pids)), f"the end of {pids}")


def _install(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text)
        path.chmod(0o755)


class WarmCommands:
    """Runs commands of one scope.

    The executable prints `cold`: a line without it comes from a server.
    """

    def __init__(
        self,
        folder: Path,
        runtime: Path,
        *faults: str,
        silence: float = 60.0,
        owner: int | None = None,
        **settings: object,
    ) -> None:
        self.folder = folder
        self.runtime = runtime
        self.executable, java = folder / "starlake", folder / "java"
        _install(self.executable, '#!/bin/sh\necho cold "$@"\n')
        _install(java, f"#!{sys.executable} -S\n{FAULTY_JAVA.read_text()}")
        options = tuple(f"-Dfault={fault}" for fault in faults)
        self.settings = WarmSettings(
            **{
                "java": str(java),
                "class_path": (str(REPOSITORY),),
                "jvm_options": options,
                "start_timeout": 60.0,
                **settings,
            }
        )
        self.owner = partial(Owner.of_process, owner or os.getpid())
        self.runner = WarmRunner(self.settings, silence=silence, owner=self.owner)
        self.report = Recorder()
        self.job_id = f"{uuid.uuid4().hex}.step-1"  # other tests that run meanwhile have theirs

    def context(self, run_id: str = "run-1", step: str = "step-1", at_end=None, **more: object) -> CommandContext:
        execution = Execution(run_id, step, self.report, at_end_of_run=at_end)
        return CommandContext(execution, (str(self.executable),), **more)

    def environment(self, **variables: str) -> dict[str, str]:
        return {"PATH": os.defpath, "SL_ROOT": str(self.folder), "SL_JOB_ID": self.job_id, **variables}

    def run(
        self,
        *arguments: str,
        context: CommandContext | None = None,
        argv: tuple[str, ...] = (),
        on_line: Callable[[str, str], None] | None = None,
        death_fd: int | None = None,
        **variables: str,
    ) -> tuple[int, list[tuple[str, str]]]:
        """Run a command; return its exit code and its lines."""
        lines: list[tuple[str, str]] = []

        def take(stream, line):
            lines.append((stream, line))
            if on_line is not None:
                on_line(stream, line)

        code = self.runner.bound(context or self.context())(
            argv or (str(self.executable), *arguments),
            cwd=self.folder,
            environment=self.environment(**variables),
            on_line=take,
            death_fd=death_fd,
        )
        return code, lines

    def prestart(self) -> None:
        self.runner.prestart(self.context(), cwd=self.folder, environment=self.environment())

    def process(self) -> int:
        """Return the process that runs commands."""
        code, lines = self.run("process")
        assert code == 0
        return int(lines[0][1])

    def files(self) -> list[Path]:
        return sorted(self.runtime.glob("starlake-warm/*/*-*.json"))

    def servers(self) -> list[ServerFile]:
        """Return what is written down about servers."""
        found = [ServerFile.read(path) for path in self.files()]
        return [server for server in found if server is not None]


class Client:
    """A process that runs commands of its own, like a step, controlled by its standard input.

    Each line is the arguments of a command; the answer is what that printed. `limited` begins a command that runs as a
    process.
    """

    CODE = """
import sys
from pathlib import Path
from ai.starlake.executor.warm import warm_server
from tests.executor.warm.warm_commands import WarmCommands

folder, runtime, owner, grace, *faults = sys.argv[1:]
warm_server._GUARD_GRACE = float(grace)
warm = WarmCommands(Path(folder), Path(runtime), *faults, owner=int(owner) or None)
for line in sys.stdin:
    arguments = tuple(line.split())
    argv = ("/usr/bin/env", str(warm.executable), *arguments) if arguments[0] == "limited" else ()
    code, lines = warm.run(*arguments, argv=argv, on_line=lambda _, text: print(text, flush=True))
print("end", flush=True)
"""

    def __init__(self, warm: WarmCommands, *faults: str, owner: int = 0, grace: float = 5.0) -> None:
        arguments = [str(warm.folder), str(warm.runtime), str(owner), str(grace), *faults]
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, *arguments: str) -> None:
        self.process.stdin.write(" ".join(arguments) + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the next line that a command printed."""
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, *arguments: str) -> str:
        self.tell(*arguments)
        return self.hear()

    def end(self, number: int | None = None) -> None:
        """End it by a signal, or by the end of its input."""
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)


@contextmanager
def nothing_left(runtime: Path) -> Iterator[None]:
    """End the servers that are known in a folder."""
    try:
        yield
    finally:
        for path in runtime.glob("starlake-warm/*/*-*.json"):
            server = None
            with suppress(UntrustedFileError):
                server = ServerFile.read(path)
            if server is not None:
                kill_marked(f"{MARK}={server.mark}")
        shutil.rmtree(runtime / "starlake-warm", ignore_errors=True)  # guards end without it
