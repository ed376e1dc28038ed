"""samples/polars_cloud: the example of Polars' guide runs, and leaves nothing."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance, execute_job, reconstructable

from tests.polars.conftest import SECRET

SAMPLE = Path(__file__).parents[2] / "samples" / "polars_cloud" / "report.py"
CITIES = {"Lyon": 7, "Nice": 3}


def the_job():
    return runpy.run_path(str(SAMPLE))["report"]


@pytest.fixture
def bakery(cloud, monkeypatch) -> Callable[[], dict[str, Any]]:
    """Return a function for the report, with the files of the sample, and the account."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BAKERY_BUCKET", str(cloud.bucket))
    orders = pl.DataFrame({"customer": ["a", "b", "a", "c"], "amount": [1, 3, 4, 2]})
    orders.write_csv(cloud.bucket / "orders.csv")
    customers = pl.DataFrame({"customer": ["a", "b", "c"], "city": ["Lyon", "Nice", "Lyon"]})
    customers.write_ndjson(cloud.bucket / "customers.ndjson")
    return lambda: dict(pl.read_parquet(cloud.bucket / "report" / "*.parquet").rows())


def test_importing_it_calls_nobody_and_it_has_its_sensors(cloud):
    defs = runpy.run_path(str(SAMPLE))["defs"]
    assert defs.get_job_def("report").name == "report"
    assert next(sensor.name for sensor in defs.sensors) == "report_polars_cloud_janitor_after_failure"
    assert cloud.state["calls"] == {}


def test_it_makes_the_report_on_three_contexts_and_stops_them(cloud, bakery):
    with DagsterInstance.ephemeral() as instance:
        result = the_job().execute_in_process(instance=instance)
        logs = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert bakery() == CITIES
    assert sorted(each["specs"]["cpus"] for each in cloud.clusters) == [2, 2, 4]
    assert cloud.running == []
    assert SECRET not in logs


def test_a_query_that_fails_fails_its_op_and_stops_its_context(cloud, bakery):
    cloud.fault("query", "out of memory", times=1)
    result = the_job().execute_in_process(raise_on_error=False)
    assert not result.success
    assert [event.step_key for event in result.get_step_failure_events()]
    assert "join_datasets" not in [event.step_key for event in result.get_step_success_events()]
    assert cloud.running == []


@pytest.mark.slow
def test_each_op_may_have_a_process_of_its_own(cloud, bakery, tmp_path):
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert execute_job(reconstructable(the_job), instance=instance).success
    assert bakery() == CITIES
    assert len({each["pid"] for each in cloud.clusters}) == 3
    assert cloud.running == []
