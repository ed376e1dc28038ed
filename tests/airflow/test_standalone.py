"""The sample bakery on a real Airflow: scheduler, triggerer, DAG processor and web server, on this machine alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import yaml

from ai.starlake.project import Project
from ai.starlake.project.dag_generation import DagFile, generate
from tests.airflow.airflow_home import migrated_database
from tests.bakery import DELIVERED, SAMPLE, TABLES, TRANSFORMS, assert_every_row_is_loaded_or_rejected
from tests.waiting import reserved_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LOOPBACK = Path(__file__).resolve().parents[2] / "samples" / "airflow" / "loopback.py"
ACCEPTED = {"Customers": 88, "Ingredients": 36, "Orders": 234, "Products": 27}
REJECTED = {"Customers": 2, "Ingredients": 3, "Orders": 6, "Products": 3}
SECRET = "s3cr3t/of+bakery"
SLOW = '''
"""A command that says its password, and then goes on for ever, as its child does."""

import os

from airflow.sdk import DAG

from ai.starlake.airflow.bash import StarlakeAirflowBashJob

options = {
    "sl_env_var": {"SL_ROOT": os.environ["SL_ROOT"], "DB_PASSWORD": {"variable": "bakery_db_password"}},
    "SL_STARLAKE_PATH": os.environ["ENDLESS"],
    "retries": "0",
}
sl_job = StarlakeAirflowBashJob(filename="slow.py", module_name=__name__, options=options)
with DAG("slow", schedule=None):
    sl_job.sl_transform("endless", "kpis.endless")
'''
ENDLESS = """#!/bin/sh
echo "the password is $DB_PASSWORD"
sleep 100000 &
echo $$ $! > "$SL_ROOT/pids.part"
mv "$SL_ROOT/pids.part" "$SL_ROOT/pids"
wait
"""


@pytest.fixture(scope="module")
def loopback() -> Iterator[ModuleType]:
    """Yield the module of the sample that starts the parts of Airflow."""
    spec = importlib.util.spec_from_file_location("sample_loopback", LOOPBACK)
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@contextmanager
def changed(file: Path) -> Iterator[Any]:
    """Yield the content of a YAML file, to be changed."""
    content = yaml.safe_load(file.read_text())
    yield content
    file.write_text(yaml.safe_dump(content))


class Bakery:
    """The project, the home of Airflow, and its server."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "starbake"
        self.home = folder / "airflow"
        self.dags = folder / "dags"
        self.server: Any = None

    def prepare(self) -> dict[str, str]:
        """Write the DAG files, and a project without deliveries; return what their tasks find in the environment."""
        ignored = shutil.ignore_patterns("datasets", "__pycache__", "incoming")
        shutil.copytree(SAMPLE, self.project, ignore=ignored)
        (self.project / "incoming" / "starbake").mkdir(parents=True)
        for folder in (self.home, self.dags):
            folder.mkdir()
        shutil.copy(migrated_database(), self.home / "airflow.db")
        (self.dags / "slow.py").write_text(SLOW)
        for file in self.generated():
            (self.dags / file.name).write_text(file.text)
        endless = self.project.parent / "endless"
        endless.write_text(ENDLESS)
        endless.chmod(0o755)
        store = self.project.parent / "variables.json"
        store.write_text(json.dumps({"bakery_db_password": SECRET}))
        return {
            "SL_ROOT": str(self.project),
            "ENDLESS": str(endless),
            "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"variables_file_path": str(store)}),
        }

    def generated(self) -> Iterable[DagFile]:
        """Return the DAG files of the project; that of loads waits for files, and the clock does not start it."""
        metadata = self.project / "metadata"
        with changed(metadata / "dags" / "load_airflow.sl.yml") as content:
            content["dag"]["options"] |= {"pre_load_sensor": "true", "pre_load_poke_interval": "1", "retries": "0"}
        with changed(metadata / "load" / "starbake" / "_config.sl.yml") as content:
            content["load"]["metadata"]["schedule"] = "0 5 29 2 *"
        environment = {"SL_DAG_REF_LOAD": "load_airflow", "SL_DAG_REF_TRANSFORM": "transform_airflow"}
        return generate(Project.read(self.project, environment=environment))

    def deliver(self) -> None:
        """Let the shops deliver all files, all at once."""
        delivery = self.project / "incoming" / "delivery"
        shutil.copytree(DELIVERED, delivery)
        delivery.rename(self.project / "incoming" / "starbake")  # which is empty

    def start(self, dag_id: str) -> str:
        """Start a run without a logical date; return its id."""
        run_id: str = self.server.ask("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        return run_id

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG."""
        runs: list[dict[str, Any]] = self.server.ask("GET", f"dags/{dag_id}/dagRuns")["dag_runs"]
        return runs

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the tasks of a run by their ids."""
        found = self.server.ask("GET", f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances")
        return {task["task_id"]: task for task in found["task_instances"]}

    def ended(self, dag_id: str) -> dict[str, Any] | None:
        """Return the only run of a DAG when it has ended."""
        run = next(iter(self.runs(dag_id)), {"state": None})
        return run if run["state"] in ("success", "failed") else None

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the states of the tasks of a run; of those that did not succeed the end of the log, too."""
        return {
            name: task["state"]
            if task["state"] == "success"
            else f"{task['state']} {self.log(dag_id, run_id, name)[-2000:]}"
            for name, task in self.tasks(dag_id, run_id).items()
        }

    def has_noticed(self, task_id: str) -> bool:
        """Return True if the scheduler has noticed the end of a process of a task."""
        lines = (self.home / "scheduler.log").read_text(errors="replace").splitlines()
        return any("Received executor event" in line and f"task_id='{task_id}'" in line for line in lines)

    def pids(self) -> list[str]:
        """Return the processes of the endless command, as it has written them down."""
        file = self.project / "pids"
        return file.read_text().split() if file.exists() else []

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return the log of the first attempt at a task, as the UI shows it."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/1?full_content=true"
        return json.dumps(self.server.ask("GET", path)["content"])


@pytest.fixture(scope="module")
def bakery(loopback: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakery]:
    """Airflow, which has read the DAG files. No process is left after the tests."""
    made = Bakery(tmp_path_factory.mktemp("bakery"))
    home = loopback.AirflowFolder(made.home, made.dags, made.prepare())
    with reserved_port() as port, loopback.running(home, port) as made.server:
        made.server.wait_until_ready(dags=3)
        yield made
    wait_for("the end of all", lambda: not list(processes_of(made.home)), seen=lambda: list(processes_of(made.home)))


def processes_of(home: Path) -> Iterator[str]:
    """Yield the command lines of the processes that belong to an Airflow."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("AIRFLOW_HOME") == str(home):
                yield " ".join(process.cmdline())


@pytest.fixture(scope="module")
def killed(bakery: Bakery) -> dict[str, Any]:
    """Return a task that was set to failed while its command ran: its run, and the processes of the command."""
    run_id = bakery.start("slow")
    pids = bakery.server.until(lambda: [int(each) for each in bakery.pids()], "the command runs")
    assert all(psutil.pid_exists(pid) for pid in pids)
    path = f"dags/slow/dagRuns/{quote(run_id)}/taskInstances/endless"
    bakery.server.ask("PATCH", path, {"new_state": "failed"})
    bakery.server.until(lambda: not any(map(psutil.pid_exists, pids)), "the command and its child are gone")
    return {"run_id": run_id, "pids": pids}


@pytest.fixture(scope="module")
def loaded(bakery: Bakery, killed: dict[str, Any]) -> str:
    """Return the run that has waited for the files of the bakery, and loaded them; its id."""
    run_id = bakery.start("starbake_load")
    (check,) = bakery.server.until(
        lambda: [task for task in bakery.tasks("starbake_load", run_id).values() if task["state"] == "deferred"],
        "the check waits in the triggerer",
    )
    assert "check_starbake" in check["task_id"]
    # Airflow 3.3 fails a task whose trigger fires before its scheduler has noticed the end of the deferring process
    bakery.server.until(lambda: bakery.has_noticed(check["task_id"]), "the scheduler has noticed that")
    bakery.deliver()
    run = bakery.server.until(lambda: bakery.ended("starbake_load"), "the load has ended")
    states = bakery.states("starbake_load", run_id)
    assert (run["state"], set(states.values())) == ("success", {"success"}), states
    assert run["logical_date"] is None
    return run_id


@pytest.fixture(scope="module")
def transformed(bakery: Bakery, loaded: str) -> dict[str, Any]:
    """Return the run of the tasks that the loads have started."""
    run = bakery.server.until(lambda: bakery.ended("starbake_transform"), "the transforms have ended")
    states = bakery.states("starbake_transform", run["dag_run_id"])
    assert (run["state"], set(states.values())) == ("success", {"success"}), states
    return run


def test_a_task_that_is_set_to_failed_stays_failed_without_a_process(bakery: Bakery, killed: dict[str, Any]) -> None:
    run = bakery.server.until(lambda: bakery.ended("slow"), "the run has ended")
    assert run["state"] == "failed"
    assert bakery.tasks("slow", killed["run_id"])["endless"]["state"] == "failed"


def test_assets_start_the_transforms_once_and_the_tables_are_those_of_the_demo(
    bakery: Bakery, transformed: dict[str, Any]
) -> None:
    assert transformed["run_type"] == "asset_triggered"
    assert transformed["logical_date"] is None
    assert len(bakery.runs("starbake_transform")) == 1
    assert_every_row_is_loaded_or_rejected(bakery.project / "datasets" / "duckdb.db")


def test_asset_events_have_the_counts(bakery: Bakery, transformed: dict[str, Any]) -> None:
    events = bakery.server.ask("GET", "assets/events?limit=100")["asset_events"]
    extras = {event["name"]: event["extra"] for event in events}
    names = {f"starbake_{table}".lower() for table in TABLES} | {name.replace(".", "_").lower() for name in TRANSFORMS}
    assert set(extras) == {*names, "starbake_load", "starbake_transform"}
    assert len(events) == len(extras)
    assert {name: extras[f"starbake_{name.lower()}"]["rows_rejected"] for name in TABLES} == REJECTED
    assert {name: extras[f"starbake_{name.lower()}"]["rows_accepted"] for name in TABLES} == ACCEPTED


def test_no_dag_has_got_a_second_version(bakery: Bakery, transformed: dict[str, Any]) -> None:
    found = {dag["dag_id"] for dag in bakery.server.ask("GET", "dags")["dags"]}
    assert found == {"starbake_load", "starbake_transform", "slow"}
    versions = {name: bakery.server.ask("GET", f"dags/{name}/dagVersions")["total_entries"] for name in found}
    assert set(versions.values()) == {1}, versions
    assert bakery.server.ask("GET", "importErrors")["import_errors"] == []
    assert bakery.server.ask("GET", "dagWarnings")["dag_warnings"] == []


def test_the_secret_is_nowhere(bakery: Bakery, killed: dict[str, Any], transformed: dict[str, Any]) -> None:
    assert "the password is ***" in bakery.log("slow", killed["run_id"], "endless")
    holders = [file for file in bakery.home.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert holders == []
