"""Assets of one project on each executor: the same graph, the same records, the same failures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from starlake_gcp_emulator import GcpEmulator
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import Ran, run
from tests.fakes.fake_cli import FakeStarlake

ENGINE = shutil.which("starlake-embedded", path=str(Path(sys.executable).parent)) or "starlake-embedded"
RUN_JOB = "projects/p/locations/europe-west1/jobs/starlake"
REMOTE = {"poll_interval": 0.02, "outage_tolerance": 10}


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a table with a file in the landing area, another one without any, and a task that reads the first."""
    directory = "{{SL_ROOT}}/incoming/shop"
    folder.write("load/shop/_config.sl.yml", f"load:\n  name: shop\n  metadata: {{directory: '{directory}'}}\n")
    folder.table("shop", "orders")
    folder.table("shop", "clients")
    folder.task("kpis", "sales", "select id from shop.orders")
    landing = folder.root / "incoming/shop"
    landing.mkdir(parents=True)
    (landing / "orders_1.csv").write_text("id\n1\n2\n")
    return folder


@dataclass
class Bench:
    """A job on an executor.

    Attributes:
        job: The job.
        counts: Whether the executor tells the rows that a load read.
        link: Whether it has a log elsewhere.
    """

    job: StarlakeDagsterJob[Any]
    counts: bool = True
    link: bool = False


def embedded(_folder: Folder, _gcp: Callable[[], GcpEmulator]) -> Bench:
    return Bench(StarlakeDagsterEmbeddedJob())


def shell_with_the_engine(_folder: Folder, _gcp: Callable[[], GcpEmulator]) -> Bench:
    return Bench(StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": ENGINE}))


def shell_with_a_fake(folder: Folder, _gcp: Callable[[], GcpEmulator]) -> Bench:
    fake = FakeStarlake(folder.root.parent / "fake")
    if "nothing" in (folder.root / "metadata/transform/kpis/sales.sql").read_text():
        fake.behave("transform", exit_codes=[1], stderr=["nothing is unknown"])
    return Bench(StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake)}))


def dataproc(folder: Folder, gcp: Callable[[], GcpEmulator]) -> Bench:
    needed = {"dataproc_project_id": "p", "spark_bucket": "b", "spark_jar_list": "gs://jars/starlake.jar"}
    known = {name: value for name, value in gcp().options().items() if name not in ("cloud_run_endpoint",)}
    options = {**needed, **known, **REMOTE, "sl_env_var": {"SL_ROOT": str(folder.root)}}
    return Bench(StarlakeDagsterDataprocJob(options=options), link=True)


def cloud_run(folder: Folder, gcp: Callable[[], GcpEmulator]) -> Bench:
    emulator = gcp()
    emulator.add_job(RUN_JOB, max_retries=0)
    needed = {"cloud_run_project_id": "p", "cloud_run_job_name": "starlake", "cloud_run_log_wait": 0.01}
    known = {name: value for name, value in emulator.options().items() if name != "dataproc_endpoint"}
    logs = {"cloud_run_logs": "all", "logging_endpoint": emulator.endpoint}
    options = {**needed, **known, **logs, **REMOTE, "sl_env_var": {"SL_ROOT": str(folder.root)}}
    return Bench(StarlakeDagsterCloudRunJob(options=options), link=True)


@pytest.fixture
def gcp() -> Iterator[Callable[[], GcpEmulator]]:
    """Yield a function that starts an emulator whose commands the engine runs."""
    started: list[GcpEmulator] = []

    def start() -> GcpEmulator:
        started.append(GcpEmulator([ENGINE], speed=3000, grace=1))
        return started[-1].__enter__()

    yield start
    for emulator in started:
        emulator.__exit__(None, None, None)


SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in (shell_with_the_engine, dataproc, cloud_run)]


@pytest.fixture(params=[embedded, shell_with_a_fake, *SLOW])
def bench(request: pytest.FixtureRequest, shop: Folder, gcp: Callable[[], GcpEmulator]) -> Callable[[], Bench]:
    """Return a function that makes the job, when the project is as it should be."""
    return lambda: request.param(shop, gcp)


def materialized(shop: Folder, bench: Bench) -> Ran:
    return run(build_starlake_definitions(shop.root, bench.job))


def test_a_project_is_staged_loaded_and_transformed(shop: Folder, bench: Callable[[], Bench]) -> None:
    made = bench()
    ran = materialized(shop, made)
    assert ran.success, ran.failure
    assert ran.made == {"shop/orders", "shop/clients", "kpis/sales"}
    orders = next(each for each in ran.materializations if each.asset_key.path[-1] == "orders")
    if made.counts:
        assert orders.metadata["starlake/rows_accepted"].value == 2
    if made.link:
        assert orders.metadata["starlake/log"].value.startswith("https://")
    assert not list((shop.root / "incoming/shop").glob("*.csv"))


def test_a_task_that_fails_is_red_and_the_tables_are_there(shop: Folder, bench: Callable[[], Bench]) -> None:
    shop.task("kpis", "sales", "select nothing from shop.orders")
    made = bench()
    ran = materialized(shop, made)
    assert not ran.success
    assert ran.made == {"shop/orders", "shop/clients"}
    assert "nothing" in ran.failure
    if made.link:
        assert ran.failure_metadata["starlake/log"].value.startswith("https://")
