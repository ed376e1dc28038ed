"""The dates of the run of a task: one logical date, by the same order of rules as on Dagster."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, CronPartitionTimetable

from ai.starlake.airflow.task_runs.start_decision import GoOn, StartDecision
from ai.starlake.airflow.task_runs.task_dates import dates_of_task, decided_dates
from ai.starlake.airflow.task_runs.triggering_events import updates_of
from ai.starlake.common import DataInterval, StarlakeError, format_timestamp
from ai.starlake.job import StarlakeCommand
from ai.starlake.job.cli_versions import StarlakeCli
from ai.starlake.orchestration.dates.completion import complete
from ai.starlake.orchestration.freshness.policy import TriggerDataset
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions
from tests.airflow.airflow_home import RecordedSupervisor, context_of
from tests.airflow.asset_events import AT, event

UTC = timezone.utc
PARIS = ZoneInfo("Europe/Paris")
DAILY = "0 2 * * *"


def _dag(schedule: Any = None, *, tasks: Sequence[str] = ("load",), zone: Any = UTC) -> DAG:
    with DAG("sales", schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=zone)) as dag:
        for task in tasks:
            EmptyOperator(task_id=task)
    return dag


def _at(text: str, zone: Any = UTC) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def _dates(dag: DAG, *, zone: Any = UTC, **run: Any) -> tuple[datetime, DataInterval | None]:
    found = dates_of_task(context_of(dag, dag.task_ids[0], **run), zone)
    assert found.logical.tzinfo is not None
    return found.logical, found.interval


def test_a_scheduled_run_is_for_the_tick_that_launched_it() -> None:
    at = _at("2026-03-02T02:00")
    logical, interval = _dates(_dag(DAILY), logical_date=at, run_type="scheduled")
    assert logical == at
    assert interval == DataInterval(at - timedelta(days=1), at)


def test_a_run_for_an_interval_is_for_the_tick_that_ends_it() -> None:
    start, end = _at("2026-03-01T02:00"), _at("2026-03-02T02:00")
    dag = _dag(CronDataIntervalTimetable(DAILY, timezone="UTC"))
    for kind in ("scheduled", "backfill"):
        found = _dates(dag, logical_date=start, data_interval=(start, end), run_after=_at("2026-04-01"), run_type=kind)
        assert found == (end, DataInterval(start, end))


def test_an_interval_without_a_cron_expression_is_told_as_it_is() -> None:
    start, end = _at("2026-03-01T02:00"), _at("2026-03-01T08:00")
    found = _dates(_dag(timedelta(hours=6)), logical_date=start, data_interval=(start, end), run_type="scheduled")
    assert found == (end, DataInterval(start, end))


@pytest.mark.parametrize("logical_date", [None, _at("2026-03-02T10:17")])
def test_a_run_started_by_hand_is_for_the_last_tick(logical_date: datetime | None) -> None:
    logical, interval = _dates(_dag(DAILY), logical_date=logical_date, run_after=_at("2026-03-02T10:17"))
    assert logical == _at("2026-03-02T02:00")
    assert interval == DataInterval(_at("2026-03-01T02:00"), _at("2026-03-02T02:00"))


def test_a_run_without_logical_date_and_schedule_is_for_when_it_was_launched() -> None:
    at = _at("2026-03-02T10:17")
    assert _dates(_dag(), run_after=at) == (at, None)


def test_the_tick_is_found_in_the_time_zone_of_the_schedule() -> None:
    at = _at("2026-03-02T02:00", PARIS)
    logical, interval = _dates(_dag(DAILY, zone=PARIS), logical_date=at.astimezone(UTC), run_type="scheduled")
    assert logical == at
    assert interval == DataInterval(at - timedelta(days=1), at)


def test_the_interval_is_right_when_clocks_change() -> None:
    day = "0 0 * * *"
    spring = _at("2026-03-30T00:00", PARIS)
    _, interval = _dates(_dag(day, zone=PARIS), logical_date=spring.astimezone(UTC), run_type="scheduled")
    assert interval is not None
    assert interval.end.timestamp() - interval.start.timestamp() == 23 * 3600


def test_the_configuration_takes_precedence_over_the_schedule() -> None:
    conf = {"logical_datetime": "2026-01-31T06:00:00+00:00", "previous_logical_datetime": "2026-01-30"}
    found = _dates(_dag(DAILY), logical_date=_at("2026-03-02T02:00"), run_type="scheduled", conf=conf)
    assert found == (_at("2026-01-31T06:00"), DataInterval(_at("2026-01-30"), _at("2026-01-31T06:00")))


def test_a_date_in_the_configuration_is_in_the_time_zone_of_the_job() -> None:
    logical, interval = _dates(_dag(), conf={"logical_datetime": "2026-01-31T06:00"}, zone=PARIS)
    assert (logical, interval) == (_at("2026-01-31T06:00", PARIS), None)


@pytest.mark.parametrize("value", ["yesterday", 20260131, ["2026-01-31"]])
def test_a_value_that_is_not_a_date_is_refused(value: object) -> None:
    with pytest.raises(StarlakeError, match="not a date"):
        _dates(_dag(), conf={"logical_datetime": value})


def test_an_empty_date_in_the_form_of_the_trigger_is_none() -> None:
    at = _at("2026-03-02T10:17")
    assert _dates(_dag(), run_after=at, conf={"logical_datetime": "", "previous_logical_datetime": None}) == (at, None)


def test_a_run_that_assets_triggered_is_for_the_newest_of_their_dates() -> None:
    dag = _dag([Asset("sales_orders"), Asset("hr_sellers")])
    events = [
        event("sales_orders", sl_scheduled_date="2026-03-02T02:00:00+0000"),
        event("hr_sellers", AT + timedelta(hours=1), sl_scheduled_date="2026-03-01T02:00:00+0000"),
    ]
    run = {"run_after": _at("2026-03-09"), "run_type": "asset_triggered", "consumed_asset_events": events}
    assert _dates(dag, **run) == (_at("2026-03-02T02:00"), None)


def test_events_that_tell_no_date_leave_the_time_of_the_launch() -> None:
    dag, at = _dag([Asset("sales_orders")]), _at("2026-03-09")
    run = {"run_after": at, "run_type": "asset_triggered", "consumed_asset_events": [event("sales_orders")]}
    assert _dates(dag, **run) == (at, None)


def test_an_event_with_something_that_is_not_a_date_names_its_asset() -> None:
    dag = _dag([Asset("sales_orders")])
    wrong = [event("sales_orders", sl_scheduled_date="soon")]
    with pytest.raises(StarlakeError, match="of asset sales_orders is 'soon', which is not a date"):
        _dates(dag, run_type="asset_triggered", consumed_asset_events=wrong)


def test_the_dates_that_the_first_task_decided_on_take_precedence_over_events(supervisor: RecordedSupervisor) -> None:
    dag = _dag([Asset("sales_orders")], tasks=("start", "load"))
    interval = DataInterval(_at("2026-02-01"), _at("2026-03-01"))
    supervisor.xcoms |= {("start", key): value for key, value in decided_dates(interval.end, interval).items()}
    events = [event("sales_orders", sl_scheduled_date="2026-03-02T02:00:00+0000")]
    context = context_of(dag, "load", run_type="asset_triggered", consumed_asset_events=events)
    found = dates_of_task(context, UTC)
    assert (found.logical, found.interval) == (interval.end, interval)


def test_a_run_that_no_asset_triggered_asks_the_first_task_nothing(supervisor: RecordedSupervisor) -> None:
    dag = _dag(DAILY, tasks=("start", "load"))
    dates_of_task(context_of(dag, "load", run_after=_at("2026-03-02")), UTC)
    assert supervisor.sent == []


def test_the_interval_of_a_run_that_data_started_ends_at_the_date_of_the_data() -> None:
    """The load of a tick has the data up to it: a transform that it triggers is for the same interval."""
    daily = TriggerDataset("sales.orders", cron=DAILY)
    decision = StartDecision((daily,), OrchestrationOptions())
    dag = _dag([Asset("sales_orders")])
    events = [event("sales_orders", sl_scheduled_date="2026-03-02T02:00:00+0000")]
    context = context_of(dag, "load", run_type="asset_triggered", consumed_asset_events=events)
    outcome = decision.decide(context, None, AT)
    assert isinstance(outcome, GoOn)
    load = dates_of_task(context_of(_dag(DAILY), "load", logical_date=_at("2026-03-02T02:00")), UTC)
    assert (outcome.start.logical, outcome.start.interval) == (load.logical, load.interval)


def test_a_partition_of_time_is_for_its_window() -> None:
    dag = _dag(CronPartitionTimetable("0 0 * * *", timezone="UTC"))
    context = dict(context_of(dag, "load", run_after=_at("2026-03-09")))
    for key in ("2026-03-01", "2026-03-01T00:00:00"):
        context["dag_run"] = context["dag_run"].model_copy(update={"partition_key": key})
        found = dates_of_task(context, UTC)
        assert (found.logical, found.interval) == (
            _at("2026-03-01"),
            DataInterval(_at("2026-03-01"), _at("2026-03-02")),
        )


def test_a_partition_whose_key_is_a_date_is_for_it_where_nothing_tells_its_window() -> None:
    context = dict(context_of(_dag(), "load", run_after=_at("2026-03-09")))
    context["dag_run"] = context["dag_run"].model_copy(update={"partition_key": "2026-03-01"})
    assert dates_of_task(context, UTC).logical == _at("2026-03-01")
    context["dag_run"] = context["dag_run"].model_copy(update={"partition_key": "FR"})
    assert dates_of_task(context, UTC).logical == _at("2026-03-09")


def test_a_partition_key_of_another_format_comes_with_its_date() -> None:
    dag = _dag(CronPartitionTimetable("0 0 * * *", timezone="UTC", key_format="%d/%m/%Y"))
    context = dict(context_of(dag, "load", run_after=_at("2026-03-09")))
    update = {"partition_key": "01/03/2026", "partition_date": _at("2026-03-01")}
    context["dag_run"] = context["dag_run"].model_copy(update=update)
    assert dates_of_task(context, UTC).logical == _at("2026-03-01")


def test_all_tasks_of_a_run_have_the_same_dates_at_each_attempt(supervisor: RecordedSupervisor) -> None:
    chance = random.Random(14)
    for _ in range(150):
        dag, run = _some_run(chance)
        supervisor.xcoms.clear()
        if chance.random() < 0.5:
            supervisor.xcoms |= {("start", key): text for key, text in decided_dates(_some_date(chance), None).items()}
        found = {
            dates_of_task(context_of(dag, task, try_number=attempt, max_tries=2, **run), ZoneInfo("Asia/Kolkata"))
            for task in ("start", "load", "transform")
            for attempt in (1, 3)
        }
        assert len(found) == 1, run
        (dates,) = found
        assert dates.logical.utcoffset() == timedelta(hours=5, minutes=30)


def _some_date(chance: random.Random) -> datetime:
    return _at("2026-01-01") + timedelta(minutes=chance.randrange(500_000))


def _some_run(chance: random.Random) -> tuple[DAG, dict[str, Any]]:
    schedule = chance.choice([None, DAILY, "*/20 * * * *", "@weekly", timedelta(hours=7), [Asset("sales_orders")]])
    dag = _dag(schedule, tasks=("start", "load", "transform"), zone=chance.choice([UTC, PARIS]))
    run: dict[str, Any] = {"run_after": _some_date(chance)}
    if chance.random() < 0.6:
        run["logical_date"] = _some_date(chance)
    if isinstance(schedule, list) and chance.random() < 0.7:
        extra = {} if chance.random() < 0.3 else {"sl_scheduled_date": format_timestamp(_some_date(chance))}
        run |= {"run_type": "asset_triggered", "consumed_asset_events": [event("sales_orders", **extra)]}
    if chance.random() < 0.2:
        run["conf"] = {"logical_datetime": _some_date(chance).isoformat()}
    return dag, run


def test_commands_are_told_the_dates_without_quotes() -> None:
    """No other option is passed: neither quotes nor a sign of missing ones."""
    dates = dates_of_task(context_of(_dag(DAILY), "load", logical_date=_at("2026-03-02T02:00")), UTC)
    command = complete(StarlakeCommand("transform", ("--name", "kpi.orders")), dates, {}, cli=StarlakeCli())
    assert command.argv == (
        "transform",
        "--name",
        "kpi.orders",
        "--scheduledDate",
        "2026-03-02T02:00:00+0000",
        "--options",
        "sl_data_interval_start=2026-03-01T02:00:00+0000,sl_data_interval_end=2026-03-02T02:00:00+0000",
    )


def test_updates_of_datasets_are_told_in_their_order() -> None:
    dag = _dag([Asset("sales_orders"), Asset("hr_sellers")])
    later = AT + timedelta(hours=1)
    events = [
        event("sales_orders", later, sl_scheduled_date="2026-03-02T02:00:00+0000"),
        event("sales_orders", AT, sl_scheduled_date="2026-03-01T02:00:00+0000"),
        event("hr_sellers", AT),
    ]
    context = context_of(dag, "load", run_type="asset_triggered", consumed_asset_events=events)
    found = updates_of(context, ["sales.Orders", "hr.sellers", "hr.shops"], UTC)
    assert list(found) == ["sales.Orders", "hr.sellers"]
    first, second = found["sales.Orders"]
    assert (first.at, first.logical, second.at) == (AT, _at("2026-03-01T02:00"), later)
    assert first.storage_id < second.storage_id
    assert found["hr.sellers"][0].logical == AT


def test_two_events_at_one_instant_are_two_updates() -> None:
    dag = _dag([Asset("sales_orders")])
    events = [event("sales_orders"), event("sales_orders")]
    context = context_of(dag, "load", run_type="asset_triggered", consumed_asset_events=events)
    first, second = updates_of(context, ["sales.orders"], UTC)["sales.orders"]
    assert first.storage_id < second.storage_id
