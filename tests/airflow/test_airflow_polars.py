"""Polars on Airflow: contexts in tasks of one's own, the sample, and lazy frames of the project's Python tasks."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import polars as pl
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException

from ai.starlake.airflow.embedded import StarlakeAirflowEmbeddedJob
from ai.starlake.airflow.polars import PolarsCloudContexts
from ai.starlake.airflow.task_runs.airflow_step import run_key
from ai.starlake.common import StarlakeError
from ai.starlake.polars.context_names import context_name, run_label
from tests.airflow.airflow_home import RecordedSupervisor, context_of, dag_bag, run_dag
from tests.polars.conftest import SECRET, FakeCloud, Studio, cloud, fake_package, studio  # noqa: F401  fixtures

POLARS_PAGE = Path(__file__).parents[2] / "docs" / "polars.md"
SAMPLE = Path(__file__).parents[2] / "samples" / "polars_cloud" / "report_on_airflow.py"
CITIES = {"Lyon": 7, "Nice": 3}


@pytest.fixture
def bakery(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:  # noqa: F811
    """Return a function for the report, with the files of the sample, and the account as Airflow Variables."""
    monkeypatch.setenv("AIRFLOW_VAR_POLARS_CLOUD_CLIENT_ID", cloud.account)
    monkeypatch.setenv("AIRFLOW_VAR_POLARS_CLOUD_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("BAKERY_BUCKET", str(cloud.bucket))
    orders = pl.DataFrame({"customer": ["a", "b", "a", "c"], "amount": [1, 3, 4, 2]})
    orders.write_csv(cloud.bucket / "orders.csv")
    customers = pl.DataFrame({"customer": ["a", "b", "c"], "city": ["Lyon", "Nice", "Lyon"]})
    customers.write_ndjson(cloud.bucket / "customers.ndjson")
    return lambda: dict(pl.read_parquet(cloud.bucket / "report" / "*.parquet").rows())


def left_by(cloud: FakeCloud, run: str) -> str:  # noqa: F811
    """Add a context that a task of a run had started before it was killed."""
    state, name = cloud.state, context_name(run)
    cluster = {"id": str(uuid4()), "workspace_id": str(UUID(int=1)), "name": name, "status": "Idle"}
    state["clusters"][cluster["id"]] = {**cluster, "requested": datetime.now(timezone.utc).isoformat()}
    state["manifests"][name] = {}
    cloud.write(state)
    return name


def test_reading_the_sample_calls_nobody_and_asks_for_no_variable(cloud: FakeCloud) -> None:  # noqa: F811
    bag = dag_bag(SAMPLE)
    assert bag.import_errors == {}
    tasks = {each.task_id: each.upstream_task_ids for each in bag.dags["report_on_airflow"].tasks}
    assert tasks["join_datasets"] == {"prepare_dataset_1", "prepare_dataset_2"}
    assert tasks["stop_contexts"] == {"join_datasets"}
    assert cloud.state["calls"] == {}


def test_the_sample_makes_the_report_on_three_contexts_and_stops_them(
    cloud: FakeCloud,  # noqa: F811
    bakery: Callable[[], dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    done = run_dag(SAMPLE, logical_date=None)
    assert (done.state, set(done.tasks.values())) == ("success", {"success"})
    assert bakery() == CITIES
    assert sorted(each["specs"]["cpus"] for each in cloud.clusters) == [2, 2, 4]
    assert cloud.running == []
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET.encode() not in done.database.read_bytes()


def test_a_query_that_fails_fails_the_run_and_what_was_left_is_stopped(
    cloud: FakeCloud,  # noqa: F811
    bakery: Callable[[], dict[str, Any]],
) -> None:
    cloud.fault("query", "out of memory", times=1)
    after = datetime(2026, 11, 5, tzinfo=timezone.utc)
    run = run_key("report_on_airflow", f"manual__{after.isoformat()}")
    left, of_another_run = left_by(cloud, run), left_by(cloud, run_key("report_on_airflow", "another"))
    assert set(cloud.running) == {left, of_another_run}
    done = run_dag(SAMPLE, logical_date=after, run_after=after)
    assert run == run_key("report_on_airflow", done.dag_run.run_id)
    assert (done.state, done.tasks["join_datasets"]) == ("failed", "upstream_failed")
    assert done.tasks["stop_contexts"] == "success"
    assert cloud.running == [of_another_run]


def execute(sl_job: StarlakeAirflowEmbeddedJob, name: str) -> dict[str, Any]:
    """Run a transform in a task; return its XCom."""
    with DAG("bakery", schedule=None) as dag:
        sl_job.sl_transform("transform", name)
    return dag.get_task("transform").execute(context_of(dag, "transform"))


def test_a_lazy_frame_of_the_project_runs_in_the_process_of_a_task(studio: Studio) -> None:  # noqa: F811
    studio.python("t", "return pl.LazyFrame({'id': [1, 2]}).select(pl.col('id') * 2)", engine="polars")
    sl_job = StarlakeAirflowEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(studio.root)}})
    execute(sl_job, "mart.t")
    assert studio.rows("mart.t") == [(2,), (4,)]


def test_a_task_of_the_project_has_a_context_of_its_profile_and_an_account_of_variables(
    studio: Studio,  # noqa: F811
    cloud: FakeCloud,  # noqa: F811
    supervisor: RecordedSupervisor,
    capfd: pytest.CaptureFixture[str],
) -> None:
    supervisor.variables |= {"POLARS_CLOUD_CLIENT_ID": cloud.account, "POLARS_CLOUD_CLIENT_SECRET": SECRET}
    studio.python("t", "return pl.LazyFrame({'id': [1, 2]}).select(pl.col('id') * 2)", engine="polars-cloud")
    account = {
        "client_id": {"variable": "POLARS_CLOUD_CLIENT_ID"},
        "client_secret": {"variable": "POLARS_CLOUD_CLIENT_SECRET"},
    }
    options = {
        "sl_env_var": {"SL_ROOT": str(studio.root)},
        "compute": {"large": {"polars": {"cpus": 8, "memory": 32, **account}}},
        "compute_profile": "large",
    }
    execute(StarlakeAirflowEmbeddedJob(options=options), "mart.t")
    assert studio.rows("mart.t") == [(2,), (4,)]
    (cluster,) = cloud.clusters
    assert (cluster["status"], cluster["specs"]["cpus"]) == ("Stopped", 8)
    assert cluster["name"].split("-")[1] == run_label(run_key("bakery", "a-run"))
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in repr([message for message in supervisor.sent if type(message).__name__ != "MaskSecret"])


def test_contexts_that_cannot_be_stopped_fail_their_task_with_the_reason(
    cloud: FakeCloud,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    left_by(cloud, run_key("bakery", "a-run"))
    cloud.fault("stop", "not today")
    with DAG("bakery", schedule=None) as dag:
        PolarsCloudContexts({"small": {"cpus": 2}}).stop_task()
    with pytest.raises(AirflowException, match="cannot be stopped"):
        dag.get_task("stop_contexts").execute(context_of(dag, "stop_contexts"))


def test_a_profile_that_cannot_be_used_is_an_error_when_the_file_is_read() -> None:
    with pytest.raises(StarlakeError, match="the profile 'small' of PolarsCloudContexts cannot be used"):
        PolarsCloudContexts({"small": {"cpu": 2}})


def test_the_example_of_the_page_loads(cloud: FakeCloud, tmp_path: Path) -> None:  # noqa: F811
    blocks = re.findall(r"^```python\n(.*?)^```", POLARS_PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "best.py").write_text(next(block for block in blocks if "airflow" in block))
    bag = dag_bag(tmp_path / "best.py")
    assert (bag.import_errors, list(bag.dags)) == ({}, ["best_of_the_bakery"])
    assert cloud.state["calls"] == {}
