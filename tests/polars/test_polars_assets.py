"""Tasks of Polars are assets as other tasks are: partitions, checks, retries, machines by profile."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance, materialize

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.report import DagsterReporter
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.embedded import Engine
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.executor import Execution
from ai.starlake.job import JobOptions, StarlakeCommand
from tests.polars.conftest import SECRET

SUMS = AssetKey(["mart", "sums"])
REPORT = AssetKey(["mart", "report"])


@pytest.fixture
def shop(studio, cloud, monkeypatch):
    """Return a task of Polars that appends the orders of a day, and SQL that reads its table."""
    monkeypatch.setenv("THE_SECRET", SECRET)
    monkeypatch.setenv("THE_ACCOUNT", cloud.account)
    file = cloud.bucket / "orders.parquet"
    days = ["2026-03-01", "2026-03-01", "2026-03-02"]
    pl.DataFrame({"day": days, "amount": [1, 2, 4]}).write_parquet(file)
    studio.python(
        "sums",
        f"""
        day = pl.col("day") == variables["sl_data_interval_start"][:10]
        return pl.scan_parquet({str(file)!r}).filter(day).group_by("day").agg(pl.col("amount").sum())
        """,
        engine="polars-cloud",
        compute="small",
        schedule="0 0 * * *",
        writeStrategy={"type": "APPEND"},
        expectations=[{"expect": "quality.always_set('day')"}],
    )
    studio.task("mart.report", "SELECT day, amount FROM mart.sums")
    macros = Path(__file__).parents[2] / "samples/starbake/metadata/expectations/quality.j2"
    (studio.root / "metadata/expectations").mkdir()
    shutil.copy(macros, studio.root / "metadata/expectations")
    return studio


def options(cloud, **more):
    account = {"client_id": {"env": "THE_ACCOUNT"}, "client_secret": {"env": "THE_SECRET"}}
    return {"start_date": "2026-03-01", "compute": {"small": {"polars": {"cpus": 3, "memory": 4, **account}}}, **more}


def test_a_partition_is_made_with_its_checks_and_its_machines(shop, cloud, capfd):
    defs = build_starlake_definitions(shop.root, StarlakeDagsterEmbeddedJob(options=options(cloud)))
    assert [sensor.name for sensor in defs.sensors if "polars_cloud" in sensor.name]
    graph = defs.get_repository_def().asset_graph
    assert graph.get(REPORT).parent_keys == {SUMS}
    with DagsterInstance.ephemeral() as instance:
        for day in ("2026-03-01", "2026-03-02"):
            result = materialize(
                defs.assets, selection=[SUMS], partition_key=day, instance=instance, raise_on_error=False
            )
            assert result.success
        (event,) = result.asset_materializations_for_node(result.get_step_success_events()[0].step_key)
        assert event.metadata["starlake/compute"].value == "small"
        (check,) = result.get_asset_check_evaluations()
        assert check.passed
        events = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    printed = capfd.readouterr()
    assert "the compute context starlake-" in printed.out + printed.err
    for secret in (SECRET, cloud.account):
        assert secret not in events + printed.out + printed.err
    assert shop.rows("mart.sums") == [("2026-03-01", 3), ("2026-03-02", 4)]
    assert [each["specs"]["cpus"] for each in cloud.clusters] == [3, 3]
    assert cloud.running == []
    assert cloud.clusters[1]["name"].split("-")[1] == result.run_id.replace("-", "")


def test_a_retry_does_not_append_twice(shop, cloud):
    cloud.fault("query", "for once", times=1)
    sl_job = StarlakeDagsterEmbeddedJob(options=options(cloud, retries=1, retry_delay=0))
    defs = build_starlake_definitions(shop.root, sl_job)
    assert materialize(defs.assets, selection=[SUMS], partition_key="2026-03-01").success
    assert shop.rows("mart.sums") == [("2026-03-01", 3)]
    assert cloud.running == []


def test_a_job_that_was_done_is_not_done_again(shop, cloud):
    environment = {**shop.environment, **cloud.environment, "SL_JOB_ID": "a-run.a-step"}
    for _ in range(2):
        engine = Engine.open(shop.root, environment=environment, options={"sl_data_interval_start": "2026-03-01"})
        assert engine.transform(TransformRequest("mart.sums")).error is None
    assert shop.rows("mart.sums") == [("2026-03-01", 3)]
    assert len(cloud.clusters) == 1


def test_only_transforms_need_the_account(shop, cloud, monkeypatch):
    monkeypatch.delenv("THE_SECRET")
    profile = JobOptions.read({"compute": options(cloud)["compute"]}).compute["small"]
    root = {"SL_ROOT": str(shop.root)}
    attempt = Execution("run", "step", DagsterReporter(logging.getLogger(__name__)))
    EmbeddedExecutor().run(StarlakeCommand("validate", environment=root).with_compute(profile), attempt)
    with pytest.raises(StarlakeError, match="THE_SECRET"):
        EmbeddedExecutor().run(
            StarlakeCommand("transform", ("--name", "mart.report"), environment=root).with_compute(profile), attempt
        )


@pytest.mark.slow
def test_the_command_of_the_engine_has_the_profile_too(shop, cloud):
    defs = build_starlake_definitions(
        shop.root, StarlakeDagsterShellJob(options=options(cloud, SL_STARLAKE_PATH="starlake-embedded"))
    )
    assert materialize(defs.assets, selection=[SUMS], partition_key="2026-03-02").success
    assert shop.rows("mart.sums") == [("2026-03-02", 4)]
    assert [each["specs"]["cpus"] for each in cloud.clusters] == [3]
    assert cloud.running == []
