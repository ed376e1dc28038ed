"""The deployment of samples/deploy without its containers: PostgreSQL, code server, web server and daemon, one load."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml
from dagster import AssetKey, DagsterInstance

from tests.bakery import CONTENTS, SAMPLE
from tests.dagster.dev.machinery import LAUNCH, Server, wait_for
from tests.dagster.run_configs import IN_PROCESS
from tests.postgres_server import PASSWORD, USER, shared_server
from tests.samples.deploy.test_deploy_files import DEPLOY, DOCKERFILE, SERVICES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PATIENCE = 300
"""Seconds until a loaded machine must have done what the test waits for: four Pythons start here."""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Machine:
    """One machine in place of all containers: a folder, the variables, and the ports that are free."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, str]

    @contextmanager
    def service(self, name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run what a container runs, on this machine and on free ports."""
        places = {"0.0.0.0": "127.0.0.1", **self.ports}
        program, *arguments = command
        argv = [str(Path(sys.executable).with_name(program)), *(places.get(each, each) for each in arguments)]
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(
            argv, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, number)
                    try:
                        process.wait(20)
                    except subprocess.TimeoutExpired:
                        continue
            log.close()

    def healthy(self, name: str, process: subprocess.Popen[bytes]) -> bool:
        """Return True once a service listens on its port; the daemon has none."""
        assert process.poll() is None, self.log_of(name)
        port = {"code_location": "4000", "webserver": "3000"}.get(name)
        if port is None:
            return True
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.ports[port]))) == 0

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-4000:]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return the files of the deployment in a folder; only hosts, ports and the folder of logs are of this machine."""
    shutil.copytree(SAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns("datasets"))
    shutil.copy(DEPLOY / "definitions.py", tmp_path)
    ports = {"4000": str(free_port()), "3000": str(free_port())}
    workspace = (DEPLOY / "workspace.yaml").read_text("utf-8").replace("host: code_location", "host: 127.0.0.1")
    (tmp_path / "workspace.yaml").write_text(workspace.replace("4000", ports["4000"]))
    instance = (DEPLOY / "dagster.yaml").read_text("utf-8").replace("/opt/dagster/logs", str(tmp_path / "logs"))
    (tmp_path / "dagster.yaml").write_text(instance)
    server = shared_server()
    database = server.database().rpartition("/")[2]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_"))}
    environment = {
        **kept,
        "DAGSTER_HOME": str(tmp_path),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(server.port),
        "DAGSTER_PG_DATABASE": database,
        "DAGSTER_PG_USERNAME": USER,
        "DAGSTER_PG_PASSWORD": PASSWORD,
        "SL_ROOT": str(tmp_path / "project"),
    }
    return Machine(tmp_path, environment, ports)


def commands() -> dict[str, list[str]]:
    """Return what the containers run, the code location first."""
    code = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert code
    return {
        "code_location": yaml.safe_load(code[1]),
        **{name: SERVICES[name]["command"] for name in ("webserver", "daemon")},
    }


def test_a_table_is_loaded_by_the_deployment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        services: dict[str, subprocess.Popen[bytes]] = {}
        for name, command in commands().items():
            services[name] = stack.enter_context(machine.service(name, command))
            wait_for(name, lambda name=name: machine.healthy(name, services[name]), PATIENCE)
        server = Server(services["webserver"], f"http://127.0.0.1:{machine.ports['3000']}/graphql")
        repository = server.repository()
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": ["starbake", "Customers"]}],
        }
        tags = [{"key": "dagster/partition", "value": "2026-11-04"}]
        params = {"selector": selector, "runConfigData": IN_PROCESS, "executionMetadata": {"tags": tags}}
        answer = server.ask(LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run_id = answer["run"]["runId"]
        ended = ("SUCCESS", "FAILURE", "CANCELED")
        wait_for("the end of the run", lambda: server.status(run_id) in ended, PATIENCE)
        assert server.status(run_id) == "SUCCESS", machine.log_of("code_location")
        assert repository["location"]["name"] == "bakery"
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.from_config(str(machine.folder)) as instance:
        event = instance.get_latest_materialization_event(AssetKey(["starbake", "Customers"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["starlake/rows_accepted"].value == CONTENTS["starbake.Customers"][0]
    with duckdb.connect(str(machine.folder / "project/datasets/duckdb.db"), read_only=True) as database:
        assert database.sql("SELECT count(*) FROM starbake.Customers").fetchall() == [(88,)]
    assert list((machine.folder / "logs").rglob("*.err"))
    assert not list(machine.folder.rglob("*.sqlite*")), "Dagster wrote somewhere else than into PostgreSQL"
