"""Runs under a real `dagster dev`: webserver, daemon, code server, run processes and step processes."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.slow

LOCATION = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"""
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = """mutation($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
  __typename ... on TerminateRunFailure { message } } }"""
STATUS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""
LOG_FILES = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on LogsCapturedEvent { fileKey stepKeys } } } } }"""
OUTPUT = """query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"""


@dataclass(frozen=True)
class Server:
    """A `dagster dev` as its users see it: by GraphQL."""

    process: subprocess.Popen[bytes]
    url: str
    wait_for: Callable[..., Any]

    def ask(self, query, **variables):
        answer = requests.post(self.url, json={"query": query, "variables": variables}, timeout=30)
        answer.raise_for_status()
        assert "errors" not in answer.json(), answer.json()["errors"]
        return answer.json()["data"]

    def repository(self):
        """The only repository, None while it is not loaded."""
        try:
            found = self.ask(LOCATION)["repositoriesOrError"]
        except requests.ConnectionError:
            return None
        assert found["nodes"], "the code location does not load"
        return found["nodes"][0]

    def launch(self, job):
        repository = self.repository()
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": job,
        }
        answer = self.ask(LAUNCH, params={"selector": selector, "runConfigData": {}})["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def status(self, run_id):
        return self.ask(STATUS, run=run_id)["runOrError"]["status"]

    def ended(self, run_id):
        """The status of a run when it has ended."""
        return self.wait_for(
            "the end of the run",
            lambda: status if (status := self.status(run_id)) in ("SUCCESS", "FAILURE", "CANCELED") else None,
        )


@pytest.fixture(scope="module")
def location(tmp_path_factory, location_of):
    return location_of(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="module")
def server(location, dagster_command, wait_for):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with location.log.open("wb") as log:
        process = subprocess.Popen(
            [dagster_command, "dev", "-f", location.file, "-h", "127.0.0.1", "-p", str(port)],
            cwd=location.root,
            env=location.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}/graphql", wait_for)

    def ready():
        assert process.poll() is None, location.log.read_text()[-3000:]
        return server.repository()

    wait_for("dagster dev", ready, patience=120)
    yield server
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def launch(server, location):
    """Launches a run, and waits until its command runs."""

    def start(job):
        run_id = server.launch(job)
        return run_id, location.running(server.process, job, run_id)

    return start


@pytest.mark.parametrize("executor", ["default", "in_process"])
@pytest.mark.parametrize("command", ["gentle", "stubborn"])
def test_terminating_a_run_leaves_nothing_of_its_command(server, launch, command, executor):
    run_id, running = launch(f"{command}_{executor}")
    assert server.ask(TERMINATE, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    assert server.ended(run_id) == "CANCELED"
    assert running.left([running.step, running.worker], within=15) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("executor", ["default", "in_process"])
def test_a_signal_to_the_process_of_a_run_leaves_nothing_of_its_command(launch, executor, number):
    _, running = launch(f"gentle_{executor}")
    running.worker.send_signal(number)
    assert running.left([running.worker, running.step], within=10) == []


def test_a_killed_step_leaves_nothing_of_its_command_and_fails_the_run(server, launch):
    run_id, running = launch("stubborn_default")
    running.step.kill()
    assert running.left([running.step], within=10) == []
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
