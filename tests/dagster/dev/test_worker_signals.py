"""A run without a server: `dagster job execute` is the process of the run."""

from __future__ import annotations

import signal

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from tests.waiting import PATIENCE

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
slow = pytest.mark.slow


@pytest.fixture
def location(tmp_path, location_of):
    return location_of(tmp_path)


@pytest.fixture
def execute(location, running):
    """Start a job, wait until its command runs, and return the process of the run and the command."""

    def start(job):
        process = location.execute(job)
        return process, running(location, process, job)

    return start


@pytest.mark.parametrize(
    ("executor", "number"),
    [
        ("in_process", TERM),
        ("default", KILL),
        *(pytest.param(*case, marks=slow) for case in [("in_process", INT), ("in_process", KILL)]),
        *(pytest.param(*case, marks=slow) for case in [("default", TERM), ("default", INT)]),
    ],
)
def test_whatever_ends_the_run_ends_its_command(execute, location, executor, number):
    worker, command = execute(f"gentle_{executor}")
    worker.send_signal(number)
    assert worker.wait(PATIENCE) != 0
    assert command.left(location.processes()) == []


@slow
@pytest.mark.parametrize("executor", ["default", "in_process"])
def test_a_killed_run_ends_a_command_that_ignores_sigterm(execute, location, executor):
    worker, command = execute(f"stubborn_{executor}")
    worker.kill()
    worker.wait()
    assert command.left(location.processes()) == []


@slow
def test_a_killed_step_ends_its_command_and_fails_the_run(execute, location):
    worker, command = execute("gentle_default")
    assert command.worker.pid == worker.pid != command.step.pid
    command.step.kill()
    assert worker.wait(PATIENCE) != 0
    assert command.left(location.processes()) == []


@slow
def test_a_step_that_starts_while_its_run_is_cancelled_runs_no_command(location):
    """Dagster's multiprocess executor does not forward the interruption to it."""
    worker = location.execute("gentle_cancelled_early")
    assert worker.wait(PATIENCE) != 0
    assert list((location.root / "pids").iterdir()) == []
    with DagsterInstance.from_config(str(location.home)) as instance:
        (run,) = instance.get_runs()
    assert run.status is DagsterRunStatus.CANCELED
