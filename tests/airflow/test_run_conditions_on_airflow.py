"""Tasks that run, are skipped and fail, in runs of generated DAGs by Airflow itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from airflow.sdk import DAG, Asset

from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.job import StarlakeCommand
from tests.airflow.airflow_home import AirflowRun, run_dag
from tests.airflow.dag_files import load_file, node, table, transform_file
from tests.fakes.fake_cli import FakeStarlake

SCHEDULES = [("daily", "0 5 * * *", {"crm": ["people"], "shop": ["orders"]})]
LOADS = {"crm": "crm.load_crm.load_crm_people", "shop": "shop.load_shop.load_shop_orders"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AirflowRun]:
    """Return a function that runs loads of two domains, given those with files and what the command does, once each."""
    known: dict[str, AirflowRun] = {}

    def run(*ready: str, failing: bool = False) -> AirflowRun:
        key = f"{sorted(ready)} {failing}"
        if key not in known:
            folder = tmp_path_factory.mktemp("case")
            fake = FakeStarlake(folder / "bin")
            if failing:
                fake.behave("load", exit_codes=[3], stderr=["the disk is full"])
            for domain in ("crm", "shop"):
                (folder / "incoming" / domain).mkdir(parents=True)
            for domain in ready:
                (folder / "incoming" / domain / f"{LOADS[domain].rpartition('_')[2]}.csv").write_text("id\n1\n")
            known[key] = run_dag(load_file(folder, SCHEDULES, pre_load_strategy="imported", **_options(folder, fake)))
        return known[key]

    return run


def _options(folder: Path, fake: FakeStarlake) -> dict[str, str]:
    environment = json.dumps({"SL_ROOT": str(folder)})
    paths = {"incoming_path": str(folder / "incoming"), "pending_path": str(folder / "pending")}
    return {"SL_STARLAKE_PATH": str(fake), "sl_env_var": environment, "retries": "0", **paths}


@pytest.mark.parametrize("ready", [c for n in range(3) for c in itertools.combinations(("crm", "shop"), n)])
def test_each_domain_is_loaded_if_it_has_files_and_the_end_tells_of_it(runs, ready):
    run = runs(*ready)
    assert run.state == "success"
    for domain, load in LOADS.items():
        expected = "success" if domain in ready else "skipped"
        assert run.tasks[load] == expected
        assert run.tasks[f"{domain}.pre_load_{domain}.import_{domain}"] == expected
        assert run.tasks[f"{domain}.pre_load_{domain}.skip_or_start_loading_{domain}"] == expected
        assert run.tasks[f"{domain}.pre_load_{domain}.check_{domain}_incoming_files"] == "success"
    assert run.tasks["end"] == ("success" if ready else "skipped")
    assets = {load.rpartition("load_")[2] for domain, load in LOADS.items() if domain in ready}
    assert set(run.asset_events()) == ({*assets, "shop_load"} if ready else set())


def test_a_failed_load_fails_the_run_and_no_event_tells_of_it(runs):
    run = runs("crm", failing=True)
    assert run.state == "failed"
    assert run.tasks[LOADS["crm"]] == "failed"
    assert run.tasks[LOADS["shop"]] == "skipped"
    assert run.tasks["end"] == "upstream_failed"
    assert run.asset_events() == {}


def test_the_first_task_keeps_the_dates_of_the_run_for_templates(runs):
    xcoms = runs("crm").xcoms()
    start, end = xcoms["start", "sl_data_interval_start"], xcoms["start", "sl_data_interval_end"]
    assert start < end
    assert end.endswith("T05:00:00+00:00")


def test_a_failed_check_is_no_skip(tmp_path):
    fake = FakeStarlake(tmp_path / "bin")
    fake.behave("preload", exit_codes=[137])
    options = {**_options(tmp_path, fake), "pre_load_check": "command", "pre_load_strategy": "pending"}
    run = run_dag(load_file(tmp_path, [("daily", None, {"crm": ["people"]})], **options))
    assert run.state == "failed"
    assert run.tasks["crm.pre_load_crm.check_crm_pending_files"] == "failed"
    assert run.tasks["end"] == run.tasks[LOADS["crm"]] == "upstream_failed"


@pytest.mark.parametrize("failing", [True, False])
def test_a_failed_transform_fails_the_run(tmp_path, failing):
    fake = FakeStarlake(tmp_path / "bin")
    if failing:
        fake.behave("transform", exit_codes=[0, 5])
    tree = node("kpi.b", node("kpi.a", table("shop.orders")))
    file = transform_file(tmp_path, repr(json.dumps([tree, *tree["children"]])), **_options(tmp_path, fake))
    run = run_dag(file, logical_date=None)
    assert run.tasks["kpi_a_task"] == "success"
    assert run.tasks["kpi_b_task"] == ("failed" if failing else "success")
    assert run.state == ("failed" if failing else "success")
    assert set(run.asset_events()) == ({"kpi_a"} if failing else {"kpi_a", "kpi_b", "kpi_tasks"})


_FAILING_PLACE = """
from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from airflow.sdk import BaseOperator

class Place(BaseOperator):
    def execute(self, context):
        pass

class PlacedJob(StarlakeAirflowBashJob):
    def pre_tasks(self, **kwargs):
        return Place(**{**kwargs, "task_id": "make_place"})
    def post_tasks(self, **kwargs):
        return Place(**{**kwargs, "task_id": "remove_place"})
"""


@pytest.mark.parametrize("failing", [True, False])
def test_what_was_prepared_is_cleaned_up_and_hides_no_failure(tmp_path, failing):
    fake = FakeStarlake(tmp_path / "bin")
    if failing:
        fake.behave("transform", exit_codes=[0, 5])
    tree = node("kpi.b", node("kpi.a", table("shop.orders")))
    file = transform_file(
        tmp_path, repr(json.dumps([tree, *tree["children"]])), extra=_FAILING_PLACE, **_options(tmp_path, fake)
    )
    file.write_text(file.read_text().replace("StarlakeJobFactory.create_job(", "_placed("))
    file.write_text(
        file.read_text().replace(
            "\nsl_job =",
            "\ndef _placed(orchestrator, execution_environment, **kw):\n    return PlacedJob(**kw)\n\nsl_job =",
        )
    )
    run = run_dag(file, logical_date=None)
    assert run.tasks["make_place"] == run.tasks["remove_place"] == run.tasks["all_done"] == "success"
    assert run.tasks["kpi_b_task"] == ("failed" if failing else "success")
    assert run.tasks["end"] == ("upstream_failed" if failing else "success")
    assert run.state == ("failed" if failing else "success")


@pytest.mark.parametrize("rows", [0, 3])
def test_the_end_knows_what_instances_of_a_mapped_task_have_loaded(tmp_path, rows):
    fake = FakeStarlake(tmp_path / "bin")
    fake.behave("load", counts=(rows, rows, 0))
    with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        job = StarlakeAirflowBashJob(options=_options(tmp_path, fake))
        commands = [["load", "--domains", "shop", "--tables", table] for table in ("orders", "lines")]
        loads = StarlakeOperator.partial(
            task_id="load", runner=job.runner, name="shop.any", outlets=[Asset("shop_any")]
        ).expand(command=[StarlakeCommand.of(each).with_environment(job.sl_env_vars) for each in commands])
        loads >> job.end_op(outlets=[Asset("shop")])
    run = run_dag(dag)
    assert (run.state, run.tasks["end"]) == ("success", "success" if rows else "skipped")
    assert set(run.asset_events()) == ({"shop_any", "shop"} if rows else set())
