"""The events of the assets that tasks update, as they stand in Airflow's database after a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator

from ai.starlake.airflow.assets import asset_of
from ai.starlake.airflow.operators.ordering_operator import StarlakeEndOperator
from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.common import StarlakeError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.executor.outcomes import StarlakeCounts
from ai.starlake.executor.protocol import CommandFailedError, Execution, StarlakeResult
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from tests.airflow.airflow_home import AirflowRun, context_of, run_dag

LOGICAL = datetime(2026, 3, 2, 2, 0, tzinfo=timezone.utc)
LOG = "https://logs.example.org/jobs/job-1"


class Elsewhere:
    """An executor of one's own, which says what it did."""

    def __init__(self, result: StarlakeResult | StarlakeError) -> None:
        self.result = result

    def run(self, command: StarlakeCommand, execution: Execution) -> StarlakeResult:
        if isinstance(self.result, StarlakeError):
            raise self.result
        return self.result


def load(task_id: str, result: StarlakeResult | StarlakeError, verb: str = "load", **kwargs: Any) -> StarlakeOperator:
    name = kwargs.pop("name", f"sales.{task_id}")
    return StarlakeOperator(
        task_id=task_id,
        runner=CommandRunner(JobOptions(), lambda: Elsewhere(result)),
        command=StarlakeCommand(verb, ("--domains", "sales", "--tables", task_id)),
        name=name,
        **{"outlets": [asset_of(name)], **kwargs},
    )


class AddsAnOutlet(BaseOperator):
    """Adds an outlet when it runs."""

    def __init__(self, outlet: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outlet = outlet

    def execute(self, context: Any) -> None:
        self.outlets = [*self.outlets, self.outlet(context)]


def _an_alias(context: Any) -> AssetAlias:
    alias = AssetAlias("of_each_tick")
    context["outlet_events"][alias].add(Asset("by_alias?sl_schedule=20260302T0200"))
    return alias


def sample() -> DAG:
    """Return a load with counts, one without a file, one of an empty file, a transform, and one that fails."""
    counted = StarlakeResult(1.25, counts=StarlakeCounts(10, 9, 1, files=True), remote_id="job-1", log_url=LOG)
    with DAG("sales_loads", schedule="0 2 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        load("orders", counted, params={"freshness": 3600})
        load("nothing", StarlakeResult(0.5, counts=StarlakeCounts(0, 0, 0, files=False)))
        load("empty", StarlakeResult(0.5, counts=StarlakeCounts(0, 0, 0, files=True)))
        own = Asset("own", extra={"owner": "sales", "source": "me", "sl_options": {"all": {"country": "FR"}}})
        load("kpi", StarlakeResult(0.5), "transform", name="kpi.Orders-Of", outlets=[asset_of("kpi.Orders-Of"), own])
        failure = CommandFailedError("starlake load", 1, ["out of memory"], log_url=LOG)
        load("failing", failure, retries=0)
        end = StarlakeEndOperator(task_id="end", outlets=[asset_of("sales_loads")], trigger_rule="none_failed")
        [dag.get_task("orders"), dag.get_task("nothing")] >> end
        AddsAnOutlet(task_id="undeclared", outlet=lambda _: Asset("undeclared?sl_schedule=20260302T0200"))
        AddsAnOutlet(task_id="aliased", outlet=_an_alias)
    return dag


@pytest.fixture(scope="module")
def run() -> AirflowRun:
    return run_dag(sample(), logical_date=LOGICAL)


def test_an_event_has_the_counts_of_its_load_and_the_keys_of_starlake(run: AirflowRun) -> None:
    extra = run.asset_events()["sales_orders"]
    started = datetime.fromisoformat(extra.pop("ts"))
    assert started.utcoffset() is not None
    assert extra == {
        "sl_uri": "sales_orders",
        "sl_sink": "sales.orders",
        "sl_cron": "0 2 * * *",
        "sl_freshness": 3600,
        "source": "sales_loads",
        "sl_scheduled_date": "2026-03-02T02:00:00+0000",
        "logical_date": "2026-03-02T02:00:00+00:00",
        "rows_read": 10,
        "rows_accepted": 9,
        "rows_rejected": 1,
        "duration": 1.25,
        "command": "starlake load --domains sales --tables orders --scheduledDate 2026-03-02T02:00:00+0000",
        "remote_id": "job-1",
        "log": LOG,
    }


def test_a_load_that_found_no_file_records_no_event_but_stays_the_producer_of_its_asset(run: AirflowRun) -> None:
    assert run.tasks["nothing"] == "success"
    assert "sales_nothing" not in run.asset_events()
    produced = run.rows(
        "SELECT name FROM task_outlet_asset_reference JOIN asset ON asset.id = asset_id WHERE task_id = 'nothing'"
    )
    assert produced == [{"name": "sales_nothing"}]


def test_a_load_that_found_a_file_without_rows_records_an_event(run: AirflowRun) -> None:
    assert run.asset_events()["sales_empty"]["rows_read"] == 0


def test_a_transform_records_an_event_for_each_of_its_outlets(run: AirflowRun) -> None:
    events = run.asset_events()
    assert events["kpi_orders_of"]["sl_sink"] == events["own"]["sl_sink"] == "kpi.Orders-Of"
    assert "rows_read" not in events["kpi_orders_of"]


def test_what_an_asset_holds_is_in_its_event_which_so_carries_options(run: AirflowRun) -> None:
    extra = run.asset_events()["own"]
    assert (extra["owner"], extra["sl_options"]) == ("sales", {"all": {"country": "FR"}})
    assert extra["source"] == "sales_loads"
    assert "owner" not in run.asset_events()["kpi_orders_of"]


def test_the_event_of_a_pipeline_has_the_dates_of_its_run(run: AirflowRun) -> None:
    extra = run.asset_events()["sales_loads"]
    del extra["ts"]
    assert extra == {
        "sl_uri": "sales_loads",
        "source": "sales_loads",
        "sl_cron": "0 2 * * *",
        "sl_scheduled_date": "2026-03-02T02:00:00+0000",
    }


def test_a_task_that_fails_records_no_event(run: AirflowRun) -> None:
    assert (run.state, run.tasks["failing"]) == ("failed", "failed")
    assert "sales_failing" not in run.asset_events()


def test_xcoms_hold_small_values(run: AirflowRun) -> None:
    assert {key: value for (task, key), value in run.xcoms().items() if task == "orders"} == {
        "return_value": {
            "rows_read": 10,
            "rows_accepted": 9,
            "rows_rejected": 1,
            "duration": 1.25,
            "remote_id": "job-1",
            "log": LOG,
        },
        "_link_StarlakeLogLink": LOG,
    }
    assert [key for key in run.xcoms() if key[0] in ("nothing", "undeclared")] == []


def test_the_server_opens_the_log_of_a_task_that_is_over(run: AirflowRun) -> None:
    """The server reads the DAG from the database, and an XCom."""
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.from_dict(DagSerialization.to_dict(sample()))
    attempts = {each.task_id: each for each in run.dag_run.get_task_instances()}
    links = {
        name: dag.get_task(name).get_extra_links(attempts[name], "Starlake log")
        for name in ("orders", "failing", "nothing", "kpi")
    }
    assert links == {"orders": LOG, "failing": LOG, "nothing": "", "kpi": ""}


def test_an_outlet_that_is_not_declared_has_no_event_in_airflow_3(run: AirflowRun) -> None:
    """So a second outlet for each tick, which files of Starlake add when a task runs, would have no effect."""
    assert run.tasks["undeclared"] == "success"
    assert not [name for name in run.asset_events() if name.startswith("undeclared")]


def test_an_alias_would_make_an_asset_for_each_tick(run: AirflowRun) -> None:
    """So the tick is in the extra of the one event instead: nothing can be scheduled on a name that changes."""
    assert "by_alias?sl_schedule=20260302T0200" in run.asset_events()
    assert {"name": "by_alias?sl_schedule=20260302T0200"} in run.rows("SELECT name FROM asset")


def test_the_dag_keeps_its_outlets_when_a_run_withholds_them() -> None:
    with DAG("loads", schedule=None) as dag:
        declared = load("orders", StarlakeResult(0.5, counts=StarlakeCounts(0, 0, 0, files=False)))
    context = context_of(dag, "orders", logical_date=LOGICAL)
    context["task"] = declared.prepare_for_execution()
    context["task"].execute(context)
    assert context["task"].outlets == []
    assert declared.outlets == [asset_of("sales.orders")]


@pytest.mark.parametrize("name", ["Sales.Order-Lines", StarlakeDataset("Sales.Order-Lines")])
def test_an_asset_is_named_as_its_table_in_every_dag(name: str | StarlakeDataset) -> None:
    asset = asset_of(name)
    assert (asset.name, asset.uri, asset.extra) == ("sales_order_lines", "sales_order_lines", {})


def test_the_sample_is_the_same_at_each_parse(tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert json.dumps(DagSerialization.to_dict(sample())) == json.dumps(DagSerialization.to_dict(sample()))
