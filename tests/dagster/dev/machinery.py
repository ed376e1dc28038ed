"""Code locations under a real Dagster: servers, runs, and a mark by which all that they start is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from tests.waiting import PATIENCE, end, reserved_port, wait_for

DAGSTER_YAML = """\
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
"""
_MARK = "STARLAKE_TEST_MARK"

REPOSITORY = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"""
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
REEXECUTE = """mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = """mutation($run: String!) { terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
  __typename ... on TerminateRunFailure { message } } }"""
STATUS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"""


@dataclass(frozen=True)
class Location:
    """A folder with a DAG file and a home of Dagster."""

    root: Path
    mark: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, mark: str, source: str, dagster_yaml: str = DAGSTER_YAML, **variables: str) -> Location:
        """Write its files."""
        location = cls(root, mark, variables)
        (root / "home").mkdir()
        (root / "home" / "dagster.yaml").write_text(dagster_yaml)
        location.file.write_text(source)
        return location

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def file(self) -> Path:
        return self.root / "dag.py"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
        own = {"DAGSTER_HOME": str(self.home), "TEST_ROOT": str(self.root), _MARK: self.mark}
        return {**kept, **own, **self.variables}

    @property
    def log(self) -> Path:
        """Output of the started process."""
        return self.root / "log"

    def start(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start `dagster` with some arguments and further variables, in a session of its own."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [dagster_command(), *arguments],
                cwd=self.root,
                env={**self.environment, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def execute(self, job: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a run without a server: `dagster job execute` is the process of the run."""
        return self.start("job", "execute", "-f", self.file, "-j", job, *arguments)

    def processes(self) -> list[psutil.Process]:
        """Everything that was started from here, however it detached itself."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def end_all(self) -> None:
        """Kills it."""
        while left := self.processes():
            end(*(process.pid for process in left))
            psutil.wait_procs(left, 1)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Server:
    """A `dagster dev` as its users see it: by GraphQL."""

    process: subprocess.Popen[bytes]
    url: str

    def ask(self, query, **variables):
        answer = requests.post(self.url, json={"query": query, "variables": variables}, timeout=PATIENCE)
        answer.raise_for_status()
        assert "errors" not in answer.json(), answer.json()["errors"]
        return answer.json()["data"]

    def repository(self):
        """Return the only repository, None while it is not loaded."""
        try:
            found = self.ask(REPOSITORY)["repositoriesOrError"]
        except requests.ConnectionError:
            return None
        assert found["nodes"], "the code location does not load"
        return found["nodes"][0]

    def launch(self, job, config=None):
        """Launch a run; return its id."""
        repository = self.repository()
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": job,
        }
        answer = self.ask(LAUNCH, params={"selector": selector, "runConfigData": config or {}})["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def reexecute(self, run_id):
        """Launch a run that continues one from where it failed."""
        params = {"parentRunId": run_id, "strategy": "FROM_FAILURE"}
        answer = self.ask(REEXECUTE, params=params)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def terminate(self, run_id):
        answer = self.ask(TERMINATE, run=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def status(self, run_id):
        return self.ask(STATUS, run=run_id)["runOrError"]["status"]

    def ended(self, run_id):
        """Return the status of a run when it has ended."""
        return wait_for(
            "the end of the run",
            lambda: status if (status := self.status(run_id)) in ("SUCCESS", "FAILURE", "CANCELED") else None,
        )


@contextmanager
def dev_server(location: Location, *target: str | Path) -> Iterator[Server]:
    """Run `dagster dev` on a location: webserver, daemon and code server. Its port is the variable TEST_PORT.

    Args:
        location: The location.
        target: The options that name what it opens; by default its file.
    """
    with reserved_port() as port:
        yield from _dev_server(location, port, target or ("-f", location.file))


def _dev_server(location: Location, port: int, target: tuple[str | Path, ...]) -> Iterator[Server]:
    process = location.start("dev", *target, "-h", "127.0.0.1", "-p", str(port), TEST_PORT=str(port))
    server = Server(process, f"http://127.0.0.1:{port}/graphql")

    def ready():
        assert process.poll() is None, location.log.read_text()[-3000:]
        return server.repository()

    try:
        wait_for("dagster dev", ready)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def dagster_command() -> Path:
    return Path(sys.executable).with_name("dagster")
