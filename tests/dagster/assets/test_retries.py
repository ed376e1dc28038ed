"""A retry runs again what failed, and nothing else."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from pathlib import Path

import pytest
from dagster import DagsterInstance, Definitions, ReexecutionOptions, build_sensor_context

from ai.starlake.dagster import build_starlake_definitions, on_rows_rejected
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.flaky import Location, Shop
from tests.dagster.assets.reporting import job_of_all
from tests.dagster.reexecution import STRATEGIES, reexecute
from tests.fakes.fake_cli import FakeStarlake

BATCHED = [False, True, "project"]
FROM_FAILURE = [strategy for strategy in STRATEGIES if strategy != "ALL_STEPS"]


def shop_of(folder: Folder, tables: int = 4, flaky: tuple[str, ...] = ("shop.t01",)) -> Shop:
    """Return a shop with two tasks of another domain: one reads a table that fails once."""
    made = Shop(folder, tables, flaky)
    made.task("kpis.of_good", "shop.t00")
    made.task("kpis.of_flaky", flaky[0])
    return made


@pytest.fixture
def shop(folder: Folder) -> Shop:
    return shop_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("batched", BATCHED)
@pytest.mark.parametrize("way", ["POLICY", *FROM_FAILURE])
def test_of_20_tables_the_3_that_failed_run_again(home: Path, folder: Folder, batched: object, way: str) -> None:
    flaky = ("shop.t03", "shop.t07", "shop.t19")
    shop = shop_of(folder, 20, flaky)
    location = Location(home, shop, batched, **({"retries": 1, "retry_delay": 0} if way == "POLICY" else {}))
    run = location.run()
    if way != "POLICY":
        assert not run.success
        assert Counter(shop.tables) <= shop.journal.made()
        assert reexecute(location.instance, location.code, run.run_id, way).is_success
    assert shop.journal.made() == Counter([*shop.tables, "kpis.of_good", "kpis.of_flaky", *flaky])


@pytest.mark.parametrize(("batched", "reports"), [(False, True), *itertools.product([True, "project"], [True, False])])
def test_a_retry_by_policy(shop: Shop, batched: object, reports: bool) -> None:
    run = shop.materialize(batched, retries=1, retry_delay=0, reports=reports)
    assert run.success
    everything = Counter([*shop.tables, "kpis.of_good", "kpis.of_flaky"])
    assert shop.journal.made() == everything + Counter(["shop.t01"])
    made = Counter(".".join(event.asset_key.path) for event in run.get_asset_materialization_events())
    assert made == everything


@pytest.mark.parametrize("strategy", FROM_FAILURE)
def test_a_re_execution(home: Path, shop: Shop, strategy: str) -> None:
    location = Location(home, shop, True)
    failed = location.run()
    assert shop.journal.made() == Counter(shop.tables)
    shop.journal.forget()
    run = reexecute(location.instance, location.code, failed.run_id, strategy)
    assert run.is_success
    assert shop.journal.made() == Counter(["shop.t01", "kpis.of_good", "kpis.of_flaky"])
    everything = Counter([*shop.tables, "kpis.of_good", "kpis.of_flaky"])
    kept = Counter(["shop.t00", "shop.t02", "shop.t03"])
    assert location.materialized(run.run_id) == (everything if strategy == "FROM_FAILURE" else everything - kept)


def test_a_re_execution_of_a_re_execution(home: Path, folder: Folder) -> None:
    shop = Shop(folder, flaky=("shop.t01",))
    shop.task("shop.later", "shop.t01", flaky=True)
    location = Location(home, shop, True)
    first = location.run()
    second = reexecute(location.instance, location.code, first.run_id, "FROM_FAILURE")
    assert not second.is_success
    shop.journal.forget()
    assert reexecute(location.instance, location.code, second.run_id, "FROM_FAILURE").is_success
    assert shop.journal.made() == Counter(["shop.later"])
    assert location.latest("shop.t00").metadata["starlake/kept_from_run"].value == first.run_id
    assert location.latest("shop.t01").metadata["starlake/kept_from_run"].value == second.run_id


def test_what_is_kept_is_recorded_again_with_the_run_that_made_it(home: Path, shop: Shop) -> None:
    location = Location(home, shop, True)
    failed = location.run()
    made = location.latest("shop.t00")
    reexecute(location.instance, location.code, failed.run_id, "FROM_FAILURE")
    kept = location.latest("shop.t00")
    assert kept.metadata["starlake/kept_from_run"].value == failed.run_id
    assert {**kept.metadata, "starlake/kept_from_run": None} == {**made.metadata, "starlake/kept_from_run": None}
    assert kept.tags["dagster/data_version"] == made.tags["dagster/data_version"]
    assert "starlake/kept_from_run" not in location.latest("shop.t01").metadata


def test_a_re_execution_by_python(home: Path, shop: Shop) -> None:
    location = Location(home, shop, True)
    failed = location.run()
    shop.journal.forget()
    options = ReexecutionOptions.from_failure(failed.run_id, location.instance)
    assert location.run(reexecution_options=options).success
    assert shop.journal.made() == Counter(["shop.t01", "kpis.of_good", "kpis.of_flaky"])


def test_a_re_execution_of_everything_keeps_nothing(home: Path, shop: Shop) -> None:
    location = Location(home, shop, "project")
    failed = location.run()
    shop.journal.forget()
    assert reexecute(location.instance, location.code, failed.run_id, "ALL_STEPS").is_success
    assert shop.journal.made() == Counter([*shop.tables, "kpis.of_good", "kpis.of_flaky"])


def test_steps_that_are_chosen_keep_nothing(home: Path, folder: Folder) -> None:
    shop = Shop(folder, flaky=())
    location = Location(home, shop, True)
    done = location.run()
    shop.journal.forget()
    options = ReexecutionOptions(parent_run_id=done.run_id, step_selection=["shop"])
    assert location.run(reexecution_options=options).success
    assert shop.journal.made() == Counter(shop.tables)


@pytest.mark.parametrize("batched", [True, "project"])
def test_processes_of_starlake_run_again_for_what_failed(folder: Folder, tmp_path: Path, batched: object) -> None:
    """The process reports nothing of single tables: each has a command, and the files of the failed one come back."""
    shop = Shop(folder, tables=3, flaky=())
    fake = FakeStarlake(tmp_path / "bin")
    fake.behave("load", exit_codes=[0, 1, 0])
    job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake), "retries": 1, "retry_delay": 0})
    definitions = build_starlake_definitions(shop.folder.root, job, batched=batched, sensors=False)
    result = job_of_all(definitions).execute_in_process(instance=DagsterInstance.ephemeral())
    assert result.success
    assert [call.value_of("--tables") for call in fake.calls("load")] == ["t00", "t01", "t02", "t01"]
    waiting = [file for area in ("stage", "ingesting") for file in (folder.root / "datasets" / area).rglob("*.csv")]
    assert waiting == []


def test_reactions_hear_once_of_what_is_kept(home: Path, shop: Shop) -> None:
    shop.deliver("shop.t00", "1\nx\n")
    location = Location(home, shop, True)
    heard: list[str] = []
    sensor = on_rows_rejected(lambda event: heard.append(f"{event.table} {event.run_id}"))
    repository = Definitions.merge(shop.definitions(True), Definitions(sensors=[sensor])).get_repository_def()
    cursor = None

    def tick() -> None:
        nonlocal cursor
        context = build_sensor_context(
            instance=location.instance, cursor=cursor, repository_def=repository, sensor_name=sensor.name
        )
        cursor = sensor(context).cursor

    tick()
    time.sleep(0.01)
    failed = location.run()
    tick()
    assert reexecute(location.instance, location.code, failed.run_id, "FROM_FAILURE").is_success
    tick()
    assert heard == [f"shop.t00 {failed.run_id}"]
