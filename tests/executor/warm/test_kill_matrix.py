"""Kills of each process: no server is left, no file lost, no false report.

The trial `warm_kills` of `make soak` kills any of them at any time; `tests/benchmarks/soak` tries it a few times.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.dagster.dev.machinery import dev_server
from tests.executor.warm.fake_starlake import FakeStarlake
from tests.executor.warm.warm_runs import WarmRuns

pytestmark = pytest.mark.slow

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
HELD = {"during": "first", "between": "pause"}
"""Commands that wait, so that a kill hits a command, or the time between two."""


@pytest.fixture
def warm_runs(tmp_path: Path, fake_starlake: FakeStarlake) -> Iterator[WarmRuns]:
    with WarmRuns.started(tmp_path, fake_starlake) as runs:
        yield runs


@pytest.fixture
def begun(warm_runs: WarmRuns):
    """Deliver files, start a run, and wait until it reaches the requested state."""

    def start(job: str, moment: str) -> subprocess.Popen[bytes]:
        warm_runs.deliver()
        warm_runs.hold(HELD[moment])
        run = warm_runs.execute(job)
        warm_runs.wait_until(HELD[moment], run)
        assert len(warm_runs.jvms()) == 1, warm_runs.log()
        return run

    return start


def assert_it_leaves_nothing(warm_runs: WarmRuns, run: subprocess.Popen[bytes]) -> None:
    """Check that a run fails, and that the next one loads its files."""
    assert run.wait(60) != 0
    assert warm_runs.left(warm_runs.processes) == []
    warm_runs.assert_no_file_is_lost()
    warm_runs.assert_nothing_is_told_that_is_not()
    warm_runs.assert_loaded_by_another_run()


def kill_and_let_go(warm_runs: WarmRuns, victim: str) -> None:
    """Kill the server or its guard, and let the run continue when the server is gone."""
    before = warm_runs.jvms()
    for process in getattr(warm_runs, victim)():
        process.kill()
    assert warm_runs.left(lambda: [one for one in warm_runs.jvms() if one in before]) == []
    warm_runs.let_go()


@pytest.mark.parametrize(
    ("job", "number", "moment"),
    [
        ("default", TERM, "between"),
        ("default", KILL, "during"),
        ("in_process", INT, "during"),
        ("in_process", KILL, "between"),
    ],
)
def test_the_process_of_a_run(warm_runs: WarmRuns, begun, job, number, moment):
    run = begun(job, moment)
    run.send_signal(number)
    assert_it_leaves_nothing(warm_runs, run)


@pytest.mark.parametrize("moment", HELD)
def test_the_process_of_a_step(warm_runs: WarmRuns, begun, moment):
    run = begun("default", moment)
    (step,) = warm_runs.steps(run.pid)
    step.kill()
    assert_it_leaves_nothing(warm_runs, run)


@pytest.mark.parametrize(
    ("job", "victim"), [("default", "guards"), ("in_process", "jvms"), ("retried", "guards"), ("retried", "jvms")]
)
def test_a_server_or_its_guard_during_a_command(warm_runs: WarmRuns, begun, job, victim):
    """The command fails, as that of a process that is killed; it is not begun again but by a retry."""
    run = begun(job, "during")
    kill_and_let_go(warm_runs, victim)
    succeeds = job == "retried"
    assert (run.wait(120) == 0) is succeeds, warm_runs.log()
    assert warm_runs.left(warm_runs.processes) == []
    warm_runs.assert_nothing_is_told_that_is_not()
    if succeeds:
        warm_runs.assert_all_is_loaded()
    else:
        warm_runs.assert_loaded_by_another_run()


@pytest.mark.parametrize(("job", "victim"), [("default", "jvms"), ("in_process", "guards")])
def test_a_server_or_its_guard_between_commands(warm_runs: WarmRuns, begun, job, victim):
    """The next command starts another server."""
    run = begun(job, "between")
    kill_and_let_go(warm_runs, victim)
    assert run.wait(120) == 0, warm_runs.log()
    assert warm_runs.left(warm_runs.processes) == []
    warm_runs.assert_all_is_loaded()


# -- under `dagster dev` ---------------------------------------------------------------------------------------------


def test_terminated_runs_and_then_dagster_dev_alone(warm_runs: WarmRuns):
    """The run of a `dagster dev` that is killed continues, or ends with the code server; its server ends with it."""
    with dev_server(warm_runs.location) as server:
        for job, moment in {"default": "during", "in_process": "between"}.items():
            warm_runs.deliver()
            warm_runs.hold(HELD[moment])
            run_id = server.launch(job)
            warm_runs.wait_until(HELD[moment])
            assert len(warm_runs.jvms()) == 1
            server.terminate(run_id)
            assert server.ended(run_id) == "CANCELED"
            assert warm_runs.left(warm_runs.jvms) == []
            warm_runs.assert_no_file_is_lost()
            warm_runs.assert_nothing_is_told_that_is_not()
            warm_runs.let_go()
            assert server.ended(server.launch("in_process")) == "SUCCESS"
            warm_runs.assert_all_is_loaded()
        warm_runs.deliver()
        warm_runs.hold("pause")
        server.launch("default")
        warm_runs.wait_until("pause")
        assert len(warm_runs.jvms()) == 1
        os.kill(server.process.pid, KILL)
        warm_runs.let_go()
        assert warm_runs.left(warm_runs.jvms, within=60) == []
    warm_runs.assert_no_file_is_lost()
    warm_runs.assert_nothing_is_told_that_is_not()
    warm_runs.assert_loaded_by_another_run(exactly=False)


def test_dagster_dev_and_all_that_it_started(warm_runs: WarmRuns):
    """This resembles the end of its container, except for servers and their guards, which have own sessions."""
    with dev_server(warm_runs.location) as server:
        warm_runs.deliver()
        warm_runs.hold("first")
        server.launch("default")
        warm_runs.wait_until("first")
        assert len(warm_runs.jvms()) == 1
        own = {*warm_runs.jvms(), *warm_runs.guards()}
        for process in [one for one in warm_runs.processes() if one not in own]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert warm_runs.left(warm_runs.processes) == []
    warm_runs.assert_no_file_is_lost()
    warm_runs.assert_nothing_is_told_that_is_not()
    warm_runs.assert_loaded_by_another_run()
