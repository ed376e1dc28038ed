"""A code location whose loads run wrapper scripts that have children, and what is needed to see that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

# As Starlake's own launcher: a script that starts the real program without `exec`, so that it has a child.
_WRAPPER = """#!/bin/sh
echo "starting $1 with $SL_JOB_ID"
echo $$ > "$SL_ROOT/pids/$SL_JOB_ID.tmp"
mv "$SL_ROOT/pids/$SL_JOB_ID.tmp" "$SL_ROOT/pids/$SL_JOB_ID"
sh -c '{child}'
"""
_WRAPPERS = {
    "gentle": _WRAPPER.format(child="sleep 600 & wait"),
    "stubborn": _WRAPPER.format(child='trap "" TERM INT; sleep 600 & wait'),
    "talking": '#!/bin/sh\necho "said to stdout: $*"\necho "said to stderr" >&2\n',
}
_DAGSTER_YAML = """\
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
"""
_MARK = "STARLAKE_TEST_MARK"
PATIENCE = 60
"""Seconds until a slow machine must have done what a test waits for."""

T = TypeVar("T")


def wait_for(what: str, ask: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Asks until the answer is true."""
    deadline = time.monotonic() + patience
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"waited {patience:g} s for {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Running:
    """A command that a step runs: a wrapper, its child and its grandchild, in one process group."""

    group: int
    step: psutil.Process
    """The process that runs the step, and started the command."""
    worker: psutil.Process
    """The process of the run; with Dagster's in-process executor it is that of the step."""

    def members(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _runs_in(process, self.group)]

    def left(self, others: list[psutil.Process], within: float) -> list[str]:
        """What is left of the command, and of other processes, after some seconds."""
        _, alive = psutil.wait_procs([*self.members(), *others], timeout=within)
        return [str(process) for process in {*alive, *self.members()}]


@dataclass(frozen=True)
class Location:
    """A folder with a code location, the scripts that its jobs run, and a home of Dagster."""

    root: Path
    mark: str

    @property
    def file(self) -> Path:
        return self.root / "dag.py"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
        home = str(self.root / "home")
        return {**kept, "DAGSTER_HOME": home, "TEST_ROOT": str(self.root), _MARK: self.mark}

    @property
    def log(self) -> Path:
        """What the process that was started prints."""
        return self.root / "log"

    def running(self, starter: subprocess.Popen[bytes], job: str, run_id: str | None = None) -> Running:
        """Waits until the command of a run, the only one by default, runs with its child and grandchild."""

        def note_of_wrapper() -> Path | None:
            assert starter.poll() is None, self.log.read_text()[-3000:]
            return next((self.root / "pids").glob(f"{run_id or '*'}.*[!p]"), None)

        note = wait_for("the wrapper", note_of_wrapper)
        group = int(note.read_text())
        step = psutil.Process(group).parent()
        assert step is not None
        worker = step if job.endswith("in_process") else step.parent()
        assert worker is not None
        running = Running(group, step, worker)
        wait_for("the wrapper's child and grandchild", lambda: len(running.members()) >= 3)
        return running

    def processes(self) -> list[psutil.Process]:
        """Everything that was started from here, however it detached itself."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def _runs_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


@pytest.fixture(scope="module")
def location_of() -> Iterator[Callable[[Path], Location]]:
    """Makes locations; whatever was started from them is gone in the end, tests failed or not."""
    made: list[Location] = []

    def make(root: Path) -> Location:
        location = Location(root, uuid.uuid4().hex)
        made.append(location)
        for name, script in _WRAPPERS.items():
            (root / name).write_text(script)
            (root / name).chmod(0o755)
        (root / "pids").mkdir()
        (root / "home").mkdir()
        (root / "home" / "dagster.yaml").write_text(_DAGSTER_YAML)
        location.file.write_text(Path(__file__).with_name("dag.py.txt").read_text())
        return location

    yield make
    for location in made:
        while left := location.processes():
            for process in left:
                process.send_signal(signal.SIGKILL)
            psutil.wait_procs(left, 1)


@pytest.fixture(scope="session", name="wait_for")
def wait_for_fixture() -> Callable[..., object]:
    return wait_for


@pytest.fixture(scope="session")
def dagster_command() -> Path:
    return Path(sys.executable).with_name("dagster")
