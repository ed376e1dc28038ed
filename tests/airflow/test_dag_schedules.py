"""Schedules of DAGs: by a cron expression in the time zone of the options, or by updates of their tables."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAll, AssetAny
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from tests.airflow.airflow_home import RecordedSupervisor, context_of, dag_bag
from tests.airflow.asset_events import event
from tests.airflow.dag_files import dag_of, load_file, node, table, transform_file

LOADS = [("daily", "0 5 * * *", {"crm": ["people"]})]
READS = repr(json.dumps([node("kpi.a", table("shop.orders"), table("shop.lines"), table("crm.people"))]))
ORDERS, LINES, PEOPLE = Asset("shop_orders"), Asset("shop_lines"), Asset("crm_people")


def test_a_cron_expression_is_meant_in_the_time_zone_of_the_options(tmp_path):
    dag = dag_of(load_file(tmp_path, LOADS, SL_TIMEZONE="Europe/Paris", start_date="2026-01-01", end_date="2026-06-30"))
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 5 * * *", "Europe/Paris")
    assert dag.start_date == datetime(2025, 12, 31, 23, tzinfo=timezone.utc)
    assert dag.end_date == datetime(2026, 6, 29, 22, tzinfo=timezone.utc)
    assert str(dag.timezone) == "Europe/Paris"


def test_the_runs_of_a_cron_expression_are_for_the_time_between_two_ticks(tmp_path):
    dag = dag_of(load_file(tmp_path, LOADS, timezone="Europe/Paris"))
    from airflow.serialization.serialized_objects import DagSerialization

    read = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    interval = read.timetable.infer_manual_data_interval(run_after=datetime(2026, 3, 10, 12, tzinfo=timezone.utc))
    assert interval.start == datetime(2026, 3, 9, 4, tzinfo=timezone.utc)
    assert interval.end == datetime(2026, 3, 10, 4, tzinfo=timezone.utc)


def test_the_start_date_is_stable_where_the_options_say_none(tmp_path):
    """Partitions of Dagster begin on the same day."""
    assert dag_of(load_file(tmp_path, LOADS)).start_date == datetime(2025, 1, 1, tzinfo=timezone.utc)
    given = {"default_dag_args": '{"start_date": "2024-02-03"}', "SL_TIMEZONE": "Europe/Paris"}
    assert dag_of(load_file(tmp_path, LOADS, **given)).start_date == datetime(2024, 2, 2, 23, tzinfo=timezone.utc)


@pytest.mark.parametrize("given", ["true", "false"])
def test_catchup_counts_for_loads_too(tmp_path, given):
    assert dag_of(load_file(tmp_path, LOADS, catchup=given)).catchup == (given == "true")


def test_nothing_starts_loads_without_a_cron_expression(tmp_path):
    assert dag_of(load_file(tmp_path, [("none", None, {"crm": ["people"]})])).schedule is None


@pytest.mark.parametrize(
    ("strategy", "schedule"),
    [
        ("any", AssetAny(ORDERS, LINES, PEOPLE)),
        ("all", AssetAll(ORDERS, LINES, PEOPLE)),
        ("shop.orders & (shop_lines | crm.people)", AssetAll(ORDERS, AssetAny(LINES, PEOPLE))),
    ],
)
def test_tables_that_are_read_start_transforms(tmp_path, strategy, schedule):
    dag = dag_of(transform_file(tmp_path, READS, dataset_triggering_strategy=strategy))
    assert dag.schedule == schedule
    assert dag.max_active_runs == 1
    assert dag.get_task("start").max_active_tis_per_dag == 1


def test_one_table_is_a_list(tmp_path):
    dag = dag_of(transform_file(tmp_path, repr(json.dumps([node("kpi.a", table("shop.orders"))]))))
    assert dag.schedule == [ORDERS]


def test_what_the_file_makes_itself_or_leaves_out_starts_nothing(tmp_path):
    tasks = [
        node("kpi.b", node("kpi.a", table("shop.orders"), table("shop.lines"))),
        node("kpi.a", table("shop.lines")),
    ]
    file = transform_file(tmp_path, repr(json.dumps(tasks)), extra="filtered_datasets = {'shop_orders'}")
    assert dag_of(file).schedule == [LINES]


def test_a_cron_expression_counts_before_tables(tmp_path):
    dag = dag_of(transform_file(tmp_path, READS, cron="0 6 * * *", catchup="true"))
    assert dag.timetable.expression == "0 6 * * *"
    assert dag.catchup


@pytest.mark.parametrize("given", [{"data_cycle_enabled": "true", "data_cycle": "daily"}, {}])
def test_the_first_task_decides_where_more_has_to_be_known_than_what_was_updated(tmp_path, given):
    tables = [table("shop.orders", freshness=0 if given else 60), table("shop.lines")]
    file = transform_file(
        tmp_path, repr(json.dumps([node("kpi.a", *tables)])), dataset_triggering_strategy="all", **given
    )
    assert dag_of(file).schedule == AssetAny(ORDERS, LINES)


def test_an_unknown_dataset_in_the_strategy_is_an_error(tmp_path):
    (error,) = dag_bag(transform_file(tmp_path, READS, dataset_triggering_strategy="shop.order")).import_errors.values()
    assert "did you mean shop.orders?" in error


def now() -> datetime:
    return datetime.now(timezone.utc)


class Starts:
    """The first task of a DAG that data starts, run after run; XComs are kept from one to the next."""

    def __init__(self, folder: Path, supervisor: RecordedSupervisor, dependencies: str = READS, **options: Any) -> None:
        self.dag = dag_of(transform_file(folder, dependencies, **options))
        self.supervisor = supervisor

    def run(self, *events: Any) -> str:
        context = context_of(self.dag, "start", consumed_asset_events=events, run_type="asset_triggered")
        try:
            self.dag.get_task("start").execute(context)
        except AirflowSkipException as skipped:
            return f"skipped: {skipped}"
        except TaskDeferred as deferred:
            return f"waits until {deferred.trigger.moment.isoformat()} for {deferred.method_name}"
        return "goes on"

    def xcom(self, key: str) -> Any:
        return self.supervisor.xcoms.get(("start", key))


def test_a_run_that_data_started_goes_on_for_the_date_of_the_data(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor)
    assert starts.run(event("shop_orders", sl_scheduled_date="2026-03-02T05:00:00+0000")) == "goes on"
    assert starts.xcom("sl_data_interval_end") == "2026-03-02T05:00:00+00:00"


def test_a_run_soon_after_another_one_waits_in_the_triggerer(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor, min_timedelta_between_runs="600")
    before = now()
    assert starts.run(event("shop_orders", now())) == "goes on"
    outcome = starts.run(event("shop_lines", now() + timedelta(seconds=1)))
    assert outcome.startswith("waits until ")
    assert outcome.endswith(" for execute_later")
    until = datetime.fromisoformat(outcome.split()[2])
    assert before + timedelta(seconds=600) <= until <= now() + timedelta(seconds=600)


def test_without_a_least_time_between_runs_none_waits(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor, min_timedelta_between_runs="0")
    assert starts.run(event("shop_orders", now())) == "goes on"
    assert starts.run(event("shop_lines", now() + timedelta(seconds=1))) == "goes on"


def test_a_run_is_skipped_whose_data_the_run_before_had_already(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor)
    early = event("shop_lines", now() - timedelta(seconds=5))
    assert starts.run(event("shop_orders", now() - timedelta(seconds=9))) == "goes on"
    assert starts.run(early).endswith("had all of it")


def test_a_run_is_skipped_until_all_datasets_have_data_of_the_cycle(tmp_path, supervisor):
    cycle = {"data_cycle_enabled": "true", "data_cycle": "daily", "dataset_triggering_strategy": "all"}
    starts = Starts(tmp_path, supervisor, min_timedelta_between_runs="0", **cycle)
    day = {"sl_scheduled_date": "2026-03-02T05:00:00+0000"}
    assert "waits for shop.lines, crm.people" in starts.run(event("shop_orders", now(), **day))
    assert "waits for crm.people" in starts.run(event("shop_lines", now(), **day))
    assert starts.run(event("crm_people", now(), **day)) == "goes on"
    assert starts.xcom("sl_data_interval_start") == "2026-03-02T00:00:00+00:00"
    assert starts.xcom("sl_data_interval_end") == "2026-03-03T00:00:00+00:00"
    other = {"sl_scheduled_date": "2026-03-03T05:00:00+0000"}
    assert "waits for shop.lines, crm.people" in starts.run(event("shop_orders", now(), **other))


def test_a_dataset_that_is_fresh_enough_is_not_waited_for(tmp_path, supervisor):
    reads = repr(json.dumps([node("kpi.a", table("shop.orders"), table("shop.lines", freshness=3600))]))
    given = {"dataset_triggering_strategy": "all", "min_timedelta_between_runs": "0"}
    starts = Starts(tmp_path, supervisor, reads, **given)
    assert "waits for shop.orders" in starts.run(event("shop_lines", now()))
    assert starts.run(event("shop_orders", now())) == "goes on"
    assert starts.run(event("shop_orders", now() + timedelta(seconds=1))) == "goes on"


def test_a_run_that_a_person_started_always_goes_on(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor)
    assert starts.run(event("shop_orders", now())) == "goes on"
    assert starts.run() == "goes on"


def test_what_is_kept_for_the_next_run_is_small(tmp_path, supervisor):
    starts = Starts(tmp_path, supervisor, min_timedelta_between_runs="0")
    for number in range(50):
        assert starts.run(event("shop_orders", now() + timedelta(seconds=number))) == "goes on"
    assert len(starts.xcom("sl_freshness")) < 1_000
