"""Steps of several tables and tasks: which there are, what they run, and what a failure stops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.flaky import Shop
from tests.dagster.assets.reporting import job_of_all
from tests.fakes.fake_cli import FakeStarlake
from tests.waiting import interrupt_when


def steps_run(result) -> list[str]:
    """Return the steps of a run in their order."""
    return [event.step_key for event in result.all_events if event.is_step_start]


def made_by(result) -> set[str]:
    return {".".join(event.asset_key.path) for event in result.get_asset_materialization_events()}


def failure_of(result) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


@pytest.fixture
def shop(folder: Folder) -> Shop:
    """Tables and tasks that come before and after each other across domains."""
    shop = Shop(folder, tables=3, flaky=())
    shop.task("kpis.of_t00", "shop.t00")
    shop.task("shop.of_kpis", "kpis.of_t00", "shop.t02")
    shop.task("kpis.last", "shop.of_kpis")
    return shop


EVERYTHING = {"shop.t00", "shop.t01", "shop.t02", "shop.of_kpis", "kpis.of_t00", "kpis.last"}


class TestSteps:
    def test_a_step_of_each_item_by_default(self, shop: Shop) -> None:
        result = shop.materialize(False)
        assert result.success
        assert len(steps_run(result)) == len(EVERYTHING)

    def test_a_step_of_each_domain_is_divided_where_another_one_comes_between(self, shop: Shop) -> None:
        result = shop.materialize(True)
        assert result.success
        assert [step.removesuffix("_2") for step in steps_run(result)] == ["shop", "kpis", "shop", "kpis"]
        assert made_by(result) == EVERYTHING

    def test_one_step_of_all(self, shop: Shop) -> None:
        result = shop.materialize("project")
        assert result.success
        assert steps_run(result) == ["bakery"]
        assert made_by(result) == EVERYTHING

    @pytest.mark.parametrize("batched", [False, True, "project"])
    def test_any_selection_runs_in_order(self, shop: Shop, batched: object) -> None:
        assert shop.materialize(batched).success
        reads = [("shop.t00", "kpis.of_t00"), ("kpis.of_t00", "shop.of_kpis"), ("shop.t02", "shop.of_kpis")]
        for selected in (
            ["shop.t00", "kpis.of_t00"],
            ["kpis.of_t00", "shop.of_kpis", "shop.t02"],
            ["shop.t00", "kpis.of_t00", "shop.of_kpis"],
            ["shop.t01", "kpis.last"],
        ):
            shop.journal.forget()
            result = shop.materialize(batched, *selected)
            assert result.success
            assert made_by(result) == set(selected)
            assert shop.journal.made() == Counter(selected)
            order = list(shop.journal.made())
            assert all(order.index(first) < order.index(then) for first, then in reads if {first, then} <= set(order))

    def test_items_of_other_partitions_have_a_step_of_their_own(self, folder: Folder) -> None:
        shop = Shop(folder, tables=3, flaky=())
        for name, cron in (("t01", "0 0 * * *"), ("t02", "0 0 * * *")):
            folder.write(f"load/shop/{name}.sl.yml", TABLE.format(name=name, cron=cron))
        assets = {
            asset.node_def.name: sorted(key.path[-1] for key in asset.keys)
            for asset in shop.definitions(True, start_date="2026-01-01").assets
        }
        assert assets == {"shop": ["t00"], "shop_2": ["t01", "t02"]}


TABLE = """
version: 1
table:
  name: {name}
  pattern: {name}.*\\.csv
  metadata: {{schedule: "{cron}"}}
  attributes:
    - {{name: id, type: long}}
"""


class TestCommands:
    def test_tables_of_a_domain_are_loaded_by_one_command(self, shop: Shop) -> None:
        shop.table("other.x")
        shop.materialize("project")
        loads = [command for command in shop.journal.commands() if command[0] == "load"]
        assert sorted(load[load.index("--tables") + 1] for load in loads) == ["t00,t01,t02", "x"]

    def test_an_executor_that_reports_nothing_of_tables_loads_each_by_a_command(self, shop: Shop) -> None:
        result = shop.materialize("project", reports=False)
        assert result.success
        assert shop.journal.made() == Counter(EVERYTHING)
        assert len(shop.journal.commands()) == len(EVERYTHING)

    def test_each_table_has_its_own_numbers(self, shop: Shop) -> None:
        shop.deliver("shop.t01", "1\\n2\\n3\\n".replace("\\n", chr(10)))
        result = shop.materialize(True)
        rows = {
            event.asset_key.path[-1]: event.materialization.metadata["starlake/rows_accepted"].value
            for event in result.get_asset_materialization_events()
            if event.asset_key.path[-1].startswith("t0")
        }
        assert rows == {"t00": 2, "t01": 3, "t02": 2}

    def test_a_table_without_files_has_nothing_to_load(self, shop: Shop) -> None:
        (shop.folder.root / "datasets/stage/shop/t01.csv").unlink()
        result = shop.materialize(True)
        assert result.success
        made = {event.asset_key.path[-1]: event.materialization for event in result.get_asset_materialization_events()}
        assert "starlake/nothing_to_load" in made["t01"].metadata
        assert "starlake/nothing_to_load" not in made["t00"].metadata

    def test_options_of_one_table_give_it_a_command_of_its_own(self, shop: Shop) -> None:
        job = job_of_all(shop.definitions(True))
        config = {"ops": {"shop": {"config": {"options": {"shop.t01": {"more": "x"}}}}}}
        keys = [AssetKey(["shop", f"t0{number}"]) for number in range(3)]
        result = job.execute_in_process(instance=DagsterInstance.ephemeral(), asset_selection=keys, run_config=config)
        assert result.success
        tables = [load[load.index("--tables") + 1] for load in shop.journal.commands()]
        assert sorted(tables) == ["t00,t02", "t01"]


@pytest.mark.parametrize("batched", [True, "project"])
@pytest.mark.parametrize("reports", [True, False])
class TestFailures:
    def test_a_failure_does_not_stop_what_does_not_depend_on_it(
        self, folder: Folder, batched: object, reports: bool
    ) -> None:
        shop = Shop(folder, flaky=("shop.t01",))
        shop.task("shop.of_t00", "shop.t00")
        shop.task("shop.of_t01", "shop.t01")
        shop.task("shop.last", "shop.of_t01")
        result = shop.materialize(batched, reports=reports)
        assert not result.success
        assert made_by(result) == {"shop.t00", "shop.t02", "shop.t03", "shop.of_t00"}
        assert shop.journal.made() == Counter([*shop.tables, "shop.of_t00"])
        assert "the gate is shut" in failure_of(result)
        assert "not run, because what they read failed: shop.of_t01, shop.last" in failure_of(result)

    def test_a_failure_for_good_stays_one_while_others_are_tried_again(
        self, folder: Folder, batched: object, reports: bool
    ) -> None:
        shop = Shop(folder, flaky=("shop.t01",))
        shop.deliver("shop.t02", "no number" + chr(10))
        result = shop.materialize(batched, reports=reports, retries=2, retry_delay=0)
        assert not result.success
        assert made_by(result) == {"shop.t00", "shop.t01", "shop.t03"}
        assert shop.journal.made() == Counter([*shop.tables, "shop.t01"])
        assert "shop.t02: 1 of 1 rows are rejected" in failure_of(result)
        (failed,) = [event for event in result.all_events if event.is_asset_observation]
        assert failed.asset_key == AssetKey(["shop", "t02"])


def test_an_interruption_ends_a_step_and_nothing_more_of_it_runs(shop: Shop, tmp_path: Path) -> None:
    fake = FakeStarlake(tmp_path / "bin")
    fake.behave("load", sleep=300)
    job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake), "retries": 2, "retry_delay": 0})
    definitions = build_starlake_definitions(shop.folder.root, job, batched="project", sensors=False)

    with interrupt_when(lambda: fake.calls("load")):
        result = job_of_all(definitions).execute_in_process(instance=DagsterInstance.ephemeral(), raise_on_error=False)
    assert not result.success
    assert made_by(result) == set()
    assert len(fake.calls("load")) == 1
    assert fake.calls("transform") == []
