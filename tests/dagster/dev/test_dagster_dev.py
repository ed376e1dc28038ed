"""Runs under a real `dagster dev`: webserver, daemon, code server, run processes and step processes."""

from __future__ import annotations

import signal

import pytest

from tests.dagster.dev.machinery import dev_server

pytestmark = pytest.mark.slow

LOG_FILES = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on LogsCapturedEvent { fileKey stepKeys } } } } }"""
OUTPUT = """query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"""


@pytest.fixture(scope="module")
def location(tmp_path_factory, location_of):
    return location_of(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="module")
def server(location):
    with dev_server(location) as server:
        yield server


@pytest.fixture
def launch(server, location, running):
    """Launch a run, and wait until its command runs."""

    def start(job):
        run_id = server.launch(job)
        return run_id, running(location, server.process, job, run_id)

    return start


@pytest.mark.parametrize("executor", ["default", "in_process"])
@pytest.mark.parametrize("command", ["gentle", "stubborn"])
def test_terminating_a_run_leaves_nothing_of_its_command(server, launch, command, executor):
    run_id, running = launch(f"{command}_{executor}")
    server.terminate(run_id)
    assert server.ended(run_id) == "CANCELED"
    assert running.left([running.step, running.worker]) == []


@pytest.mark.parametrize(
    ("executor", "number"), [("default", signal.SIGTERM), ("in_process", signal.SIGINT), ("default", signal.SIGKILL)]
)
def test_a_signal_to_the_process_of_a_run_leaves_nothing_of_its_command(launch, executor, number):
    """Each signal once: test_worker_signals.py has all of them with both executors."""
    _, running = launch(f"gentle_{executor}")
    running.worker.send_signal(number)
    assert running.left([running.worker, running.step]) == []


def test_a_killed_step_leaves_nothing_of_its_command_and_fails_the_run(server, launch):
    run_id, running = launch("stubborn_default")
    running.step.kill()
    assert running.left([running.step]) == []
    assert server.ended(run_id) == "FAILURE"


@pytest.mark.parametrize("executor", ["default", "in_process"])
def test_the_output_of_a_command_is_in_the_compute_log(server, executor):
    run_id = server.launch(f"talking_{executor}")
    assert server.ended(run_id) == "SUCCESS"
    events = server.ask(LOG_FILES, run=run_id)["logsForRun"]["events"]
    key = next(event["fileKey"] for event in events if "talking_load" in (event.get("stepKeys") or []))
    output = server.ask(OUTPUT, key=[run_id, "compute_logs", key])["capturedLogs"]
    assert "said to stdout: load --domains sales --tables orders" in output["stdout"]
    assert "said to stderr" not in output["stdout"]
    assert "said to stderr" in output["stderr"]
