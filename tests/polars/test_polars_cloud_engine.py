"""``engine: polars-cloud``: rows come back whole, errors say where to read on, and no context stays."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from uuid import uuid4

import polars as pl
import pytest

from ai.starlake.embedded import Engine
from ai.starlake.embedded.interruption import Interrupted, Interruption, run_interruptible
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project import Project
from tests.polars.conftest import SECRET
from tests.waiting import PATIENCE, interrupt_when, wait_for

OVERWRITE = {"engine": "polars-cloud", "writeStrategy": {"type": "OVERWRITE"}}
RUN = str(uuid4())
PAGE = "https://cloud.pola.rs/portal/00000000-0000-0000-0000-000000000001/"


@pytest.fixture
def orders(studio, cloud):
    """Return a project whose task sums what is in the object store."""
    file = cloud.bucket / "orders.parquet"
    pl.DataFrame({"customer": ["a", "b", "a"], "amount": [1, 2, 3]}).write_parquet(file)
    studio.python(
        "t", f"return pl.scan_parquet({str(file)!r}).group_by('customer').agg(pl.col('amount').sum())", **OVERWRITE
    )
    studio.environment |= {**cloud.environment, "SL_RUN_ID": RUN}
    return studio


def run(studio, name="t", **request):
    return studio.engine.transform(TransformRequest(f"mart.{name}", **request)).error


def test_rows_come_back_and_the_context_is_gone(orders, cloud):
    assert run(orders) is None
    assert orders.rows("mart.t") == [("a", 4), ("b", 2)]
    (cluster,) = cloud.clusters
    assert cluster["status"] == "Stopped"
    assert cluster["name"].startswith(f"starlake-{RUN.replace('-', '')}-")
    assert cluster["specs"]["labels"] == ["starlake", RUN.replace("-", "")]
    assert cluster["specs"]["idle_timeout_mins"] == 10
    assert cloud.state["manifests"] == {}
    assert cloud.state["calls"] == {"authenticate": 1, "delete": 1}
    assert [query["labels"] for query in cloud.state["queries"]] == [["mart.t"]]


def test_the_profile_makes_the_machines(orders, cloud, tmp_path):
    (tmp_path / "requirements.txt").write_text("pyiceberg\n")
    profile = {
        "workspace": "other",
        "cpus": 4,
        "memory": 16,
        "cpu_architectures": ["arm64"],
        "cluster_size": 2,
        "requirements": str(tmp_path / "requirements.txt"),
        "labels": ["shop"],
        "idle_timeout_mins": 30,
        "results": f"{cloud.bucket}/results/",
    }
    orders.environment |= {"SL_POLARS": json.dumps(profile), "SL_POLARS_ENV_AWS_REGION": "eu-west-1"}
    assert run(orders) is None
    assert orders.rows("mart.t") == [("a", 4), ("b", 2)]
    (cluster,) = cloud.clusters
    assert cluster["workspace_id"].endswith("2")
    specs = cluster["specs"]
    assert (specs["cpus"], specs["memory"], specs["cluster_size"], specs["idle_timeout_mins"]) == (4, 16, 2, 30)
    assert specs["cpu_architectures"] == ["arm64"]
    assert specs["requirements"] == "pyiceberg\n"
    assert specs["labels"] == ["starlake", RUN.replace("-", ""), "shop"]
    assert specs["env_vars"] == {"AWS_REGION": "eu-west-1"}
    assert cloud.state["queries"][0]["sink"].startswith(f"{cloud.bucket}/results/{cluster['name']}/")
    assert "delete" not in cloud.state["calls"]


def test_the_tasks_of_a_command_share_a_context(orders, cloud):
    orders.python("v", "return pl.LazyFrame({'customer': ['a', 'b'], 'discount': [1, 0]})", **OVERWRITE)
    orders.task(
        "mart.u", "SELECT t.customer, t.amount - v.discount AS due FROM mart.t t JOIN mart.v v USING (customer)"
    )
    assert run(orders, "u", recursive=True) is None
    assert orders.rows("mart.u") == [("a", 3), ("b", 2)]
    assert len(cloud.state["queries"]) == 2
    assert [each["status"] for each in cloud.clusters] == ["Stopped"]


def test_rows_of_the_database_go_along_with_the_query(orders, cloud):
    orders.task("mart.u", "SELECT 7 AS id")
    orders.python(
        "t", "return pl.DataFrame(connection.sql('FROM mart.u')).lazy().select(pl.col('id') * 6)", **OVERWRITE
    )
    assert run(orders, "u") is None
    assert run(orders, "t") is None
    assert orders.rows("mart.t") == [(42,)]


def test_no_rows_are_rows_too(orders, cloud):
    orders.python("t", "return pl.LazyFrame({'id': [1], 'name': ['x']}).filter(pl.col('id') > 1)", **OVERWRITE)
    assert run(orders) is None
    assert orders.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'mart'"
    ) == [
        ("id", "BIGINT"),
        ("name", "VARCHAR"),
    ]
    assert cloud.running == []


class TestFailures:
    @pytest.mark.parametrize(
        ("call", "told", "started"),
        [
            ("authenticate", "does not accept the service account", 0),
            ("specs", "no compute context of this profile", 0),
            ("register", "did not start", 0),
            ("start", "did not start", 0),
            ("boot", "Compute cluster in terminal state (no such fault)", 1),
            ("answer to start", "did not start", 1),
            ("query", "the query of the Python task mart.t failed on Polars Cloud\nComputeError: no such fault", 1),
            ("lose rows", "2 rows were made, and 1 came back", 1),
            ("vanish", "has ended meanwhile", 1),
        ],
    )
    def test_each_says_what_happened_and_leaves_no_context(self, orders, cloud, call, told, started):
        cloud.fault(call, "no such fault")
        error = run(orders)
        assert told in error
        assert SECRET not in error
        assert len(cloud.clusters) == started
        assert cloud.running == []
        assert orders.query("SELECT success FROM audit.audit") == [(False,)]
        if call in ("query", "vanish", "lose rows"):
            assert PAGE in error
        if call in ("query", "lose rows"):
            assert "/queries/" in error

    def test_a_wrong_secret_is_not_shown(self, orders, cloud):
        orders.environment["POLARS_CLOUD_CLIENT_SECRET"] = "wr0ng/secret"
        error = run(orders)
        assert "POLARS_CLOUD_CLIENT_ID" in error
        assert "wr0ng" not in error
        assert cloud.clusters == []

    def test_without_an_account_nobody_is_asked_to_log_in(self, orders, cloud):
        for name in ("POLARS_CLOUD_CLIENT_ID", "POLARS_CLOUD_CLIENT_SECRET"):
            del orders.environment[name]
        assert "Authentication token was not found" in run(orders)

    def test_files_of_this_machine_are_out_of_reach(self, orders, cloud, tmp_path):
        pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "local.parquet")
        orders.python("t", f"return pl.scan_parquet({str(tmp_path / 'local.parquet')!r})", **OVERWRITE)
        error = run(orders)
        assert "failed on Polars Cloud" in error
        assert f"the machines cannot read {tmp_path / 'local.parquet'}" in error
        assert cloud.running == []

    def test_what_is_no_frame_and_what_cannot_be_kept_costs_nothing(self, orders, cloud):
        orders.python("t", "return 42", **OVERWRITE)
        assert "returned a int" in run(orders)
        assert cloud.clusters == []

    def test_a_status_that_fails_for_a_while_is_no_failure(self, orders, cloud):
        cloud.fault("status", times=5)
        assert run(orders) is None

    def test_a_context_that_cannot_be_stopped_is_a_warning_that_says_where_it_is(self, orders, cloud, caplog):
        cloud.fault("stop", f"the service is down {SECRET}")
        with caplog.at_level(logging.WARNING, "ai.starlake"):
            assert run(orders) is None
        (name,) = cloud.running
        (warning,) = [each.getMessage() for each in caplog.records if name in each.getMessage()]
        assert PAGE in warning
        assert SECRET not in warning
        assert orders.rows("mart.t") == [("a", 4), ("b", 2)]

    def test_a_stop_that_fails_twice_is_tried_again(self, orders, cloud):
        cloud.fault("stop", times=2)
        assert run(orders) is None
        assert cloud.running == []

    def test_a_name_that_stays_registered_is_no_failure(self, orders, cloud):
        cloud.fault("unregister")
        assert run(orders) is None
        assert cloud.running == []

    def test_an_unusable_profile_is_told(self, orders, cloud):
        orders.environment["SL_POLARS"] = '{"cpu": 4}'
        error = run(orders)
        assert "SL_POLARS is not a profile" in error
        assert "cpu" in error


@pytest.mark.parametrize("moment", ["starting", "query"])
def test_an_interruption_leaves_no_context(orders, cloud, moment):
    cloud.set(**{"seconds_to_start" if moment == "starting" else "seconds_of_a_query": 300})
    interruption = Interruption()
    engine = Engine(
        Project.read(orders.root, environment=orders.environment),
        environment=orders.environment,
        interruption=interruption,
    )
    at_work = lambda: cloud.running if moment == "starting" else cloud.state["queries"]  # noqa: E731
    started = time.monotonic()
    with interrupt_when(at_work), pytest.raises(KeyboardInterrupt):
        run_interruptible(
            lambda: engine.transform(TransformRequest("mart.t")), interruption, lambda: pytest.fail("left behind")
        )
    assert time.monotonic() - started < 250
    assert len(cloud.clusters) == 1
    assert cloud.running == []


@pytest.mark.slow
def test_a_command_that_is_terminated_stops_its_context_first(orders, cloud):
    cloud.set(seconds_of_a_query=60)
    command = [sys.executable, "-m", "ai.starlake.embedded", "transform", "--name", "mart.t"]
    process = subprocess.Popen(command, env={**os.environ, **orders.environment})
    wait_for("the query", lambda: cloud.state["queries"] or process.poll() is not None)
    process.terminate()
    assert process.wait(PATIENCE) == -signal.SIGTERM
    assert len(cloud.clusters) == 1
    assert cloud.running == []


def test_an_interruption_is_raised_as_such(orders, cloud):
    interruption = Interruption()
    interruption.request()
    engine = Engine(Project.read(orders.root, environment=orders.environment), interruption=interruption)
    with pytest.raises(Interrupted):
        engine.transform(TransformRequest("mart.t"))
    assert cloud.clusters == []
