"""A retry runs again what failed, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance, ReexecutionOptions, execute_job
from dagster._core.definitions.reconstruct import ReconstructableRepository

from tests.dagster.reexecution import STRATEGIES, reexecute
from tests.dagster_assets.conftest import Folder
from tests.dagster_assets.flaky import Journal

TABLES = [f"shop.t{number:02}" for number in range(20)]
FLAKY = {"shop.t03", "shop.t07", "shop.t19"}
BATCHED = [False, True, "project"]

CODE = """
from ai.starlake.dagster import build_starlake_definitions
from tests.dagster_assets.flaky import FlakyJob

defs = build_starlake_definitions(
    {root!r}, FlakyJob(options={options!r}), batched={batched!r}, schedules=False, sensors=False
)
"""


class Shop:
    """A project of 20 tables, 3 of which fail once, and tasks in another domain that read two of them."""

    def __init__(self, folder: Folder) -> None:
        self.root = folder.root
        self.journal = Journal(folder.root / "journal")
        home = folder.root / "dagster"
        home.mkdir()
        self.instance = DagsterInstance.local_temp(str(home))
        for table in TABLES:
            name = table.partition(".")[2]
            gate = f'presql:\n  - "{self.journal.gate(table)}"\n' if table in FLAKY else ""
            folder.table("shop", name, more=gate)
            file = folder.root / "datasets/stage/shop" / f"{name}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("id\n1\n2\n")
        folder.task("kpis", "of_good", "SELECT count(*) AS n FROM shop.t00")
        folder.task("kpis", "of_flaky", "SELECT count(*) AS n FROM shop.t03")

    @property
    def code(self) -> Path:
        return self.root / "definitions.py"

    def write(self, batched: object, **options: object) -> None:
        given = {"journal": str(self.journal.folder), **options}
        self.code.write_text(CODE.format(root=str(self.root), options=given, batched=batched))

    def run(self, **arguments: object):
        name = "__ASSET_JOB"
        job = ReconstructableRepository.for_file(str(self.code), "defs").get_reconstructable_job(name)
        config = {"execution": {"config": {"in_process": {}}}}
        return execute_job(job, self.instance, run_config=config, raise_on_error=False, **arguments)

    def materialized(self, run_id: str) -> Counter[str]:
        entries = self.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
        return Counter(".".join(entry.dagster_event.asset_key.path) for entry in entries)

    def latest(self, asset: str):
        from dagster import AssetKey

        return self.instance.get_latest_materialization_event(AssetKey(asset.split("."))).asset_materialization


@pytest.fixture
def shop(folder: Folder) -> Shop:
    return Shop(folder)


EVERYTHING = {*TABLES, "kpis.of_good", "kpis.of_flaky"}


@pytest.mark.parametrize("batched", BATCHED)
def test_a_retry_by_policy_runs_again_what_failed(shop: Shop, batched: object) -> None:
    shop.write(batched, retries=1, retry_delay=0)
    run = shop.run()
    assert run.success
    expected = Counter(EVERYTHING) + Counter(FLAKY)
    if batched == "project":
        expected["kpis.of_flaky"] = 1
    assert shop.journal.made() == expected
    assert shop.materialized(run.run_id) == Counter(EVERYTHING)


@pytest.mark.parametrize("batched", BATCHED)
@pytest.mark.parametrize("strategy", [each for each in STRATEGIES if each != "ALL_STEPS"])
def test_a_re_execution_runs_again_what_failed(shop: Shop, batched: object, strategy: str) -> None:
    shop.write(batched)
    failed = shop.run()
    assert not failed.success
    made = shop.journal.made()
    assert Counter(TABLES) <= made
    shop.journal.forget()
    run = reexecute(shop.instance, shop.code, failed.run_id, strategy)
    assert run.is_success
    assert shop.journal.made() == Counter(FLAKY) + (Counter(EVERYTHING) - made)


@pytest.mark.parametrize("batched", [True, "project"])
def test_a_re_execution_of_everything_runs_everything_again(shop: Shop, batched: object) -> None:
    shop.write(batched)
    failed = shop.run()
    shop.journal.forget()
    assert reexecute(shop.instance, shop.code, failed.run_id, "ALL_STEPS").is_success
    assert shop.journal.made() == Counter(EVERYTHING)


def test_what_is_kept_is_recorded_again_with_the_run_that_made_it(shop: Shop) -> None:
    shop.write(True)
    failed = shop.run()
    made = shop.latest("shop.t00")
    run = reexecute(shop.instance, shop.code, failed.run_id, "FROM_FAILURE")
    assert shop.materialized(run.run_id) == Counter(EVERYTHING)
    kept = shop.latest("shop.t00")
    assert kept.metadata["starlake/kept_from_run"].value == failed.run_id
    assert {**kept.metadata, "starlake/kept_from_run": None} == {**made.metadata, "starlake/kept_from_run": None}
    assert kept.tags["dagster/data_version"] == made.tags["dagster/data_version"]
    assert "starlake/kept_from_run" not in shop.latest("shop.t03").metadata


def test_a_re_execution_by_python_keeps_too(shop: Shop) -> None:
    shop.write(True)
    failed = shop.run()
    shop.journal.forget()
    options = ReexecutionOptions.from_failure(failed.run_id, shop.instance)
    assert shop.run(reexecution_options=options).success
    assert shop.journal.made() == Counter({*FLAKY, "kpis.of_good", "kpis.of_flaky"})


def test_steps_that_are_chosen_run_as_a_whole(shop: Shop) -> None:
    shop.write(True, retries=1, retry_delay=0)
    done = shop.run()
    shop.journal.forget()
    options = ReexecutionOptions(parent_run_id=done.run_id, step_selection=["shop"])
    assert shop.run(reexecution_options=options).success
    assert shop.journal.made() == Counter(TABLES)
