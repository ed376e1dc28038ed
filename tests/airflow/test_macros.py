"""The functions for templates of hand-written DAG files, as Airflow renders them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

from ai.starlake.airflow.macros import MACROS, sl_dates, sl_scheduled_dataset, sl_scheduled_date, ts_as_datetime
from ai.starlake.airflow.task_runs.task_dates import decided_dates
from ai.starlake.common import DataInterval, StarlakeError
from tests.airflow.airflow_home import RecordedSupervisor, context_of
from tests.airflow.asset_events import AT, event

UTC = timezone.utc
TICK = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAILY = "0 2 * * *"


def _rendered(template: str, *, macros: bool = True, **run: Any) -> str:
    """Return what a task with a template runs, in a DAG of one's own."""
    given = {"user_defined_macros": dict(MACROS)} if macros else {}
    with DAG("own", schedule=[Asset("sales_orders")], **given) as dag:
        EmptyOperator(task_id="start")
        BashOperator(task_id="say", bash_command=template)
    context = context_of(dag, "say", **run)
    task = dag.get_task("say").prepare_for_execution()
    context["task"] = task
    task.render_template_fields(context)
    return str(task.bash_command)


@pytest.fixture
def decided(supervisor: RecordedSupervisor) -> Iterator[dict[str, Any]]:
    """Return a run whose task ``start`` has decided that it is for February."""
    february = DataInterval(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    dates = decided_dates(february.end, february)
    supervisor.xcoms |= {("start", key): value for key, value in dates.items()}
    return {"run_type": "asset_triggered", "consumed_asset_events": [event("sales_orders")]}


def test_the_names_are_those_that_files_of_starlake_use() -> None:
    assert sorted(MACROS) == [
        "sl_dates",
        "sl_options_from_events",
        "sl_scheduled_dataset",
        "sl_scheduled_date",
        "ts_as_datetime",
    ]


@pytest.mark.parametrize("ts", ["2026-03-02T10:17:00+00:00", "2026-03-02T02:00:00Z", "2026-03-02T02:00"])
def test_a_scheduled_date_is_the_last_tick(ts: str) -> None:
    assert sl_scheduled_date(DAILY, ts) == TICK


def test_without_cron_expression_it_is_the_time_itself() -> None:
    assert sl_scheduled_date(None, "2026-03-02T10:17:00") == datetime(2026, 3, 2, 10, 17, tzinfo=UTC)


def test_ticks_are_in_the_time_zone() -> None:
    found = sl_scheduled_date(DAILY, "2026-07-02T10:17:00+00:00", timezone="Europe/Paris")
    assert found.isoformat() == "2026-07-02T02:00:00+02:00"


@pytest.mark.parametrize("cron", ["0 2 * *", "61 * * * *", "0 0 31 2 *"])
def test_a_cron_expression_that_never_occurs_is_refused(cron: str) -> None:
    with pytest.raises(StarlakeError, match=r"(?s)the schedule .* cannot be used"):
        sl_scheduled_date(cron, TICK)


def test_a_scheduled_dataset_has_its_tick_as_a_parameter() -> None:
    later = TICK + timedelta(hours=3)
    assert sl_scheduled_dataset("Sales.Orders", None, later) == "sales_orders"
    named = sl_scheduled_dataset("Sales.Orders", DAILY, later, "sl_schedule", "%Y%m%dT%H%M")
    assert named == "sales_orders?sl_schedule=20260302T0200"
    assert sl_scheduled_dataset("Sales.Orders", DAILY, later).endswith(
        "?sl_scheduled_date=2026-03-02T02%3A00%3A00%2B0000"
    )


def test_the_interval_of_a_run_is_two_options_without_quotes() -> None:
    start, end = "sl_data_interval_start=2026-03-01T02:00:00+0000", "sl_data_interval_end=2026-03-02T02:00:00+0000"
    assert sl_dates(DAILY, TICK) == f"{start},{end}"
    template = "{{ sl_dates('0 2 * * *', ts_as_datetime(data_interval_end | ts)) }}"
    assert _rendered(template, logical_date=TICK, run_type="scheduled") == f"{start},{end}"


def test_in_a_run_that_data_started_the_first_task_decides(decided: dict[str, Any]) -> None:
    dates = "sl_data_interval_start=2026-02-01T00:00:00+0000,sl_data_interval_end=2026-03-01T00:00:00+0000"
    assert sl_dates(DAILY, TICK, context_of(_waiting(), "say", **decided)) == dates
    assert ts_as_datetime(TICK, context_of(_waiting(), "say", **decided)) == datetime(2026, 3, 1, tzinfo=UTC)


def _waiting() -> DAG:
    with DAG("own", schedule=[Asset("sales_orders")]) as dag:
        EmptyOperator(task_id="start")
        EmptyOperator(task_id="say")
    return dag


def test_outside_of_a_task_nothing_is_decided() -> None:
    assert ts_as_datetime("2026-03-02T02:00:00Z") == TICK
    assert ts_as_datetime(TICK) == TICK
    assert ts_as_datetime(None) is None


def test_options_of_events_are_options_of_a_command() -> None:
    template = "{{ sl_options_from_events(triggering_asset_events, dag_run, 'kpi.orders') }}"
    carried = {"all": {"country": "FR", "filter": "a=b"}, "kpi.orders": {"limit": 2}, "kpi.sellers": {"limit": 3}}
    run = {"run_type": "asset_triggered", "consumed_asset_events": [event("sales_orders", sl_options=carried)]}
    assert _rendered(template, **run) == "country=FR,filter=a=b,limit=2"
    conf = {"sl_options": {"all": {"country": "DE"}}}
    assert _rendered(template, **run, conf=conf) == "country=DE,filter=a=b,limit=2"


def test_no_options_are_an_empty_string() -> None:
    assert _rendered("{{ sl_options_from_events(triggering_asset_events) }}") == ""


def test_events_that_disagree_fail_the_task() -> None:
    events = [event("sales_orders", sl_options={"all": {"a": 1}}), event("x", AT, sl_options={"all": {"a": 2}})]
    with pytest.raises(StarlakeError, match="different values of option"):
        _rendered("{{ sl_options_from_events(triggering_asset_events) }}", consumed_asset_events=events)


def test_a_value_with_a_comma_is_refused() -> None:
    events = [event("sales_orders", sl_options={"all": {"a": "1,2"}})]
    with pytest.raises(StarlakeError, match="a comma"):
        _rendered("{{ sl_options_from_events(triggering_asset_events) }}", consumed_asset_events=events)


def test_dags_of_ones_own_have_them_by_the_plugin() -> None:
    template = "{{ macros.starlake.sl_scheduled_date('0 2 * * *', '2026-03-02T10:17:00Z').isoformat() }}"
    assert _rendered(template, macros=False) == "2026-03-02T02:00:00+00:00"
