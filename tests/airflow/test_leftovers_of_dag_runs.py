"""`starlake-airflow gcp reap` and `polars reap`: which DAG runs are over, as Airflow's database knows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from click.testing import CliRunner, Result

from ai.starlake.airflow.cli import main
from ai.starlake.airflow.cli.airflow_leftovers import known_runs
from ai.starlake.airflow.task_runs.airflow_step import run_key
from ai.starlake.executor import Execution
from ai.starlake.gcp.dataproc.backend import DataprocExecutor
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.polars.context_names import context_name, run_of
from starlake_gcp_emulator import GcpEmulator
from tests.airflow.airflow_home import AirflowRun, run_dag

PROJECT = "my-project"


class Silent:
    def output(self, stream: str, line: str) -> None: ...
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...


@pytest.fixture(scope="module")
def ended() -> AirflowRun:
    """Return a DAG run that has ended."""
    with DAG("Sales.Daily", schedule=None) as dag:
        EmptyOperator(task_id="nothing")
    return run_dag(dag)


@pytest.fixture
def gcp(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcpEmulator]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    with GcpEmulator(["/bin/true"], speed=3000, grace=1) as emulator:
        yield emulator


def key_of(run: AirflowRun) -> str:
    return run_key(run.dag_run.dag_id, run.dag_run.run_id)


def set_state(run: AirflowRun, state: str) -> None:
    with sqlite3.connect(run.database) as database:
        database.execute("UPDATE dag_run SET state = ?", [state])


def leave_cluster(gcp: GcpEmulator, run_id: str) -> str:
    """Leave a cluster, as the worker of a killed task does."""
    options = {
        "dataproc_project_id": PROJECT,
        "spark_bucket": "b",
        "spark_jar_list": "gs://b/x.jar",
        "dataproc_endpoint": gcp.endpoint,
        "storage_endpoint": gcp.storage_endpoint,
        "poll_interval": 0.02,
    }
    execution = Execution(run_id, "create", Silent(), job_name="Sales.Daily")
    return DataprocExecutor(DataprocOptions.read(options)).ensure(execution)


def reap(gcp: GcpEmulator, *arguments: str) -> Result:
    where = ["--service", "dataproc", "--dataproc-endpoint", gcp.endpoint, "--older-than", "0s"]
    return CliRunner().invoke(main, ["gcp", "reap", *where, *arguments])


def row_of(result: Result, name: str) -> str:
    return next(line for line in result.output.splitlines() if name in line)


def test_what_a_dag_run_that_is_over_left_is_removed(gcp: GcpEmulator, ended: AirflowRun):
    left, unknown = leave_cluster(gcp, key_of(ended)), leave_cluster(gcp, run_key("other", "manual__1"))
    set_state(ended, "running")
    assert "its run is going on" in row_of(reap(gcp), left)
    set_state(ended, "failed")
    assert "would be removed" in row_of(reap(gcp, "--dry-run"), left)
    assert sorted(gcp.clusters) == sorted([left, unknown])
    result = reap(gcp)
    assert result.exit_code == 0, result.output
    assert "its run is over" in row_of(result, left)
    assert "its run is not known here" in row_of(result, unknown)
    gcp.wait_for(lambda gcp: list(gcp.clusters) == [unknown])


def test_a_run_is_known_by_the_name_of_a_context_too(ended: AirflowRun):
    set_state(ended, "success")
    with known_runs() as is_over:
        assert is_over(str(run_of(context_name(key_of(ended))))) is True
        assert is_over(key_of(ended)) is True
        assert is_over(str(run_of(context_name("other:manual__1")))) is None


def test_a_database_that_cannot_be_read_is_said_and_nothing_is_removed(
    gcp: GcpEmulator, ended: AirflowRun, monkeypatch: pytest.MonkeyPatch
):
    left = leave_cluster(gcp, key_of(ended))
    with sqlite3.connect(ended.database) as database:
        database.execute("ALTER TABLE dag_run RENAME TO moved")
    try:
        result = reap(gcp)
    finally:
        with sqlite3.connect(ended.database) as database:
            database.execute("ALTER TABLE moved RENAME TO dag_run")
    assert "Airflow's database cannot be read: no run is known" in result.output
    assert "its run is not known here" in row_of(result, left)


@pytest.mark.parametrize("service", ["gcp", "polars"])
def test_the_help_is_that_of_airflow(service: str):
    text = CliRunner().invoke(main, [service, "reap", "--help"]).stdout
    assert f"starlake-airflow {service} reap" in text
    assert "Airflow's database tells whether a DAG run has finished" in " ".join(text.split())
    assert "dagster" not in text.lower()
