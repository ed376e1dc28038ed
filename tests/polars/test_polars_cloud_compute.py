"""The resource: contexts in ops of one's own, which are stopped on every ending."""

from __future__ import annotations

import time

import polars as pl
import pytest
from dagster import (
    DagsterExecutionInterruptedError,
    DagsterInstance,
    EnvVar,
    RetryPolicy,
    asset,
    job,
    materialize,
    op,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.polars import PolarsCloudCompute
from tests.polars.conftest import SECRET
from tests.waiting import interrupt_when

PROFILES = {"small": {"cpus": 2, "memory": 4}, "large": {"cpus": 4, "memory": 16}}


@pytest.fixture
def compute(cloud, monkeypatch):
    monkeypatch.setenv("ACCOUNT", cloud.account)
    monkeypatch.setenv("THE_SECRET", SECRET)
    return PolarsCloudCompute(profiles=PROFILES, client_id=EnvVar("ACCOUNT"), client_secret={"env": "THE_SECRET"})


@asset
def total(compute: PolarsCloudCompute) -> int:
    with compute.context("large") as context:
        return pl.LazyFrame({"a": [1, 2]}).sum().remote(context).execute().lazy().collect().item()


def test_an_asset_has_its_context_for_a_block(cloud, compute):
    with DagsterInstance.ephemeral() as instance:
        result = materialize([total], resources={"compute": compute}, instance=instance)
        assert result.output_for_node("total") == 3
        (cluster,) = cloud.clusters
        assert cluster["status"] == "Stopped"
        assert cluster["name"].split("-")[1] == result.run_id.replace("-", "")
        assert (cluster["specs"]["cpus"], cluster["specs"]["memory"]) == (4, 16)
        texts = [entry.user_message or str(entry.dagster_event) for entry in instance.all_logs(result.run_id)]
        assert [text for text in texts if "ready after" in text]
        assert not [text for text in texts if SECRET in text]


def test_nothing_happens_before_a_block_is_entered(cloud, compute):
    compute.context("small")
    assert cloud.state["calls"] == {}
    with compute.context("small"), compute.context("large"):
        assert len(cloud.running) == 2
    assert cloud.running == []
    assert cloud.state["calls"] == {"authenticate": 1}


def test_a_failure_stops_it_and_a_retry_starts_another_one(cloud, compute):
    @op(retry_policy=RetryPolicy(max_retries=1))
    def work(compute: PolarsCloudCompute):
        with compute.context("small"):
            raise ValueError("wrong")

    @job(resource_defs={"compute": compute})
    def failing():
        work()

    assert not failing.execute_in_process(raise_on_error=False).success
    assert [each["status"] for each in cloud.clusters] == ["Stopped", "Stopped"]


@pytest.mark.parametrize("moment", ["starting", "working"])
def test_a_cancellation_stops_it(cloud, compute, moment):
    if moment == "starting":
        cloud.set(seconds_to_start=300)

    @op
    def work(compute: PolarsCloudCompute):
        with compute.context("small"):
            cloud.set(working=True)
            time.sleep(300)

    @job(resource_defs={"compute": compute})
    def cancelled():
        work()

    started = time.monotonic()
    at_work = lambda: cloud.running if moment == "starting" else cloud.settings.get("working")  # noqa: E731
    with interrupt_when(at_work), pytest.raises((DagsterExecutionInterruptedError, KeyboardInterrupt)):
        cancelled.execute_in_process()
    assert time.monotonic() - started < 250
    assert [each["status"] for each in cloud.clusters] == ["Stopped"]


def test_a_secret_that_was_rotated_is_fetched_again(cloud, compute, monkeypatch):
    with compute.context("small"):
        pass
    cloud.set(accounts={cloud.account: "newer"})
    monkeypatch.setenv("THE_SECRET", "newer")
    with compute.context("small"):
        pass
    monkeypatch.setenv("THE_SECRET", "wrong")
    with pytest.raises(StarlakeError, match="does not accept the service account"), compute.context("small"):
        pass
    assert cloud.running == []


def test_mistakes_are_told(cloud, compute):
    with pytest.raises(StarlakeError, match="no profile 'huge'\nTo fix it: use small, large"), compute.context("huge"):
        pass
    wrong = PolarsCloudCompute(profiles={"a": {"cpu": 4}, "b": {"client_secret": SECRET}})
    for name, told in {"a": "cpu: Extra inputs", "b": "it is written down here"}.items():
        with pytest.raises(StarlakeError, match=told) as caught, wrong.context(name):
            pass
        assert SECRET not in str(caught.value)


def test_it_has_the_sensors(compute):
    assert [sensor.name for sensor in compute.sensors(name="report")] == [
        f"report_polars_cloud_janitor_after_{status}" for status in ("failure", "cancellation", "success")
    ]
