"""A code location whose loads run wrapper scripts that have children, and what is needed to see that none is left."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.dagster.dev.machinery import Location
from tests.waiting import PATIENCE, wait_for, whole_lines

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

    def left(self, others: list[psutil.Process]) -> list[str]:
        """Return what is left of the command, and of other processes, after a while; they would run for longer."""
        _, alive = psutil.wait_procs([*self.members(), *others], timeout=PATIENCE)
        return [str(process) for process in {*alive, *self.members()}]


def running(location: Location, starter: subprocess.Popen[bytes], job: str, run_id: str | None = None) -> Running:
    """Wait until the command of a run, the only one by default, runs with its child and grandchild."""

    def note_of_wrapper() -> Path | None:
        assert starter.poll() is None, location.log.read_text()[-3000:]
        return next((location.root / "pids").glob(f"{run_id or '*'}.*[!p]"), None)

    note = wait_for("the wrapper", note_of_wrapper)
    (line,) = whole_lines(note)
    group = int(line)
    step = psutil.Process(group).parent()
    assert step is not None
    worker = step if job.endswith("in_process") else step.parent()
    assert worker is not None
    found = Running(group, step, worker)
    wait_for("the wrapper's child and grandchild", lambda: len(found.members()) >= 3)
    return found


def _runs_in(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


@pytest.fixture(scope="module")
def location_of() -> Iterator[Callable[[Path], Location]]:
    """Yield a function that makes locations; whatever was started from them is gone in the end, tests failed or not."""
    made: list[Location] = []

    def make(root: Path) -> Location:
        for name, script in _WRAPPERS.items():
            (root / name).write_text(script)
            (root / name).chmod(0o755)
        (root / "pids").mkdir()
        source = Path(__file__).with_name("dag.py.txt").read_text()
        made.append(Location.make(root, uuid.uuid4().hex, source))
        return made[-1]

    yield make
    for location in made:
        location.end_all()


@pytest.fixture(scope="session", name="running")
def running_fixture() -> Callable[..., Running]:
    return running
