"""Warm servers of runs end with them, those of a code location with its code server, however that was started."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from dagster import DagsterInstance

from tests.dagster.dev.machinery import DAGSTER_YAML, LAUNCH, Location, Server, dev_server
from tests.executor.warm.fake_starlake import FakeStarlake
from tests.executor.warm.warm_commands import alive, gone
from tests.waiting import reserved_port, wait_for

DAG_FILE = """
from dagster import Definitions, GraphDefinition, in_process_executor, multiprocess_executor
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob


def counting(name, executor, what="fake.count", variables={{}}, **options):
    places = {{"SL_STARLAKE_PATH": {starlake!r}, "sl_env_var": {{"SL_ROOT": {root!r}, **variables}}}}
    sl_job = StarlakeDagsterWarmJob(options={{**places, "event_log_lines": "all", **options}})
    count = sl_job.sl_job(f"count_{{name}}", ["transform", "--name", what])
    graph = GraphDefinition(name=name, node_defs=[count])
    return graph.to_job(executor_def=executor, tags={{"dagster/max_retries": 1}})


fails_once = {{"FAKE_STARLAKE_RUNS": {script!r}}}
defs = Definitions(
    jobs=[
        counting("retried", in_process_executor, warm_scope="code_location", what="once", variables=fails_once),
        counting("own_server", in_process_executor),
        counting("shared_in_process", in_process_executor, warm_scope="code_location"),
        counting("shared_in_steps", multiprocess_executor, warm_scope="code_location"),
    ]
)
"""


FAILS_ONCE = """\
#!/bin/sh
echo "command 0 of process $PPID"
test -e '{folder}/failed' && exit 0
touch '{folder}/failed'
exit 1
"""
RETRIES = "run_retries:\n  enabled: true\n  max_retries: 0\n"
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
RELOAD = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename ... on WorkspaceLocationEntry { loadStatus } } }"""


@pytest.fixture
def location(tmp_path, fake_starlake: FakeStarlake) -> Iterator[Location]:
    script = tmp_path / "fails-once"
    script.write_text(FAILS_ONCE.format(folder=tmp_path))
    script.chmod(0o755)
    source = DAG_FILE.format(starlake=str(fake_starlake.starlake), root=str(tmp_path), script=str(script))
    made = Location.make(tmp_path, uuid.uuid4().hex, source, DAGSTER_YAML + RETRIES)
    yield made
    made.end_all()


def ran(server: Server, location: Location, run_id: str, expected: str = "SUCCESS") -> tuple[int, int]:
    """Wait for the end of a run, and tell which command of which virtual machine it ran."""
    status = server.ended(run_id)
    with DagsterInstance.from_config(str(location.home)) as instance:
        text = "\n".join(entry.user_message for entry in instance.all_logs(run_id))
    assert status == expected, text
    found = re.search(r"command (\d+) of process (\d+)", text)
    assert found, text
    return int(found[1]), int(found[2])


def launched(server: Server, location: Location) -> Callable[[str], tuple[int, int]]:
    """Return what launches a job, and tells which command of which virtual machine it ran."""
    return lambda job: ran(server, location, server.launch(job))


@pytest.mark.slow
def test_servers_belong_to_runs_or_to_the_code_server(location: Location) -> None:
    with dev_server(location) as server:
        launch = launched(server, location)
        first, shared = launch("shared_in_steps")
        assert first == 1
        number, own = launch("own_server")
        assert (number, own == shared) == (1, False)
        gone(own)
        assert launch("shared_in_process") == (2, shared)
        assert alive(shared)
    gone(shared)


def launch_in(server: Server, name: str, job: str) -> str:
    """Launch a job of one of several code locations."""
    (repository,) = [one for one in repositories(server) if one["location"]["name"] == name]
    selector = {"repositoryName": repository["name"], "repositoryLocationName": name, "jobName": job}
    answer = server.ask(LAUNCH, params={"selector": selector, "runConfigData": {}})["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def repositories(server: Server) -> list[dict]:
    return server.ask(REPOSITORIES)["repositoriesOrError"].get("nodes", [])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_servers_of_a_code_server_live_as_long_as_it_when_its_location_is_reloaded(location: Location) -> None:
    """`dagster code-server start` starts a new code server at each reload, `dagster api grpc` continues."""
    with reserved_port() as restarted_port, reserved_port() as kept_port:
        at = {"restarted": restarted_port, "kept": kept_port}
        entries = [
            f"- grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}" for name, port in at.items()
        ]
        (location.root / "workspace.yaml").write_text("load_from:\n" + "\n".join(entries) + "\n")
        where = ("-h", "127.0.0.1", "-f", location.file)
        DagsterInstance.from_config(str(location.home)).dispose()  # creates the databases: not three processes at once
        restarted = location.start("code-server", "start", *where, "-p", str(restarted_port))
        kept = location.start("api", "grpc", *where, "-p", str(kept_port))
        with dev_server(location, "-w", location.root / "workspace.yaml") as server:
            wait_for("both code locations", lambda: len(repositories(server)) == len(at))
            first = {name: ran(server, location, launch_in(server, name, "shared_in_process")) for name in at}
            assert [number for number, _ in first.values()] == [1, 1]
            for name in at:
                answer = server.ask(RELOAD, name=name)["reloadRepositoryLocation"]
                assert answer == {"__typename": "WorkspaceLocationEntry", "loadStatus": "LOADED"}
            old, used_on = first["restarted"][1], first["kept"][1]
            gone(old)
            number, new = ran(server, location, launch_in(server, "restarted", "shared_in_process"))
            assert (number, new == old) == (1, False)
            assert ran(server, location, launch_in(server, "kept", "shared_in_process")) == (2, used_on)
            assert_a_retry_of_a_run_uses_it(server, location, used_on)
            assert alive(new)
        for process in (restarted, kept):
            process.terminate()
            process.wait(60)
        gone(new, used_on)


def assert_a_retry_of_a_run_uses_it(server: Server, location: Location, machine: int) -> None:
    failed = launch_in(server, "kept", "retried")
    assert ran(server, location, failed, "FAILURE") == (0, machine)

    def retry() -> str | None:
        with DagsterInstance.from_config(str(location.home)) as instance:
            return next((run.run_id for run in instance.get_runs() if run.parent_run_id == failed), None)

    assert ran(server, location, wait_for("the retry of the run", retry)) == (0, machine)
