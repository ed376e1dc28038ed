"""The configuration that a DAG run is triggered with: options and sections, a dry run, options that events carry."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, TaskGroup

from ai.starlake.airflow.operators.starlake_operator import StarlakeOperator
from ai.starlake.airflow.task_runs.run_conf import RunConf, options_of_task, section_names
from ai.starlake.common import StarlakeError
from ai.starlake.executor.protocol import StarlakeExecutor
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.job.sections import names_of_section
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from tests.airflow.airflow_home import context_of
from tests.airflow.asset_events import AT, event

ORDERS = "sales.load_sales.load_sales_orders"


def _no_executor() -> StarlakeExecutor:
    raise AssertionError("nothing is to be run")


def _task(task_id: str, name: str) -> StarlakeOperator:
    command = StarlakeCommand("load", ("--domains", "sales"))
    return StarlakeOperator(
        task_id=task_id, runner=CommandRunner(JobOptions(), _no_executor), command=command, name=name
    )


@pytest.fixture(scope="module")
def dag() -> DAG:
    waits_for = [Asset("sales_orders"), Asset("hr_sellers")]
    with DAG("loads", schedule=waits_for) as made, TaskGroup("sales"), TaskGroup("load_sales"):
        _task("load_sales_orders", "sales.orders")
        _task("load_sales_customers", "sales.customers")
    return made


def _options(dag: DAG, conf: dict[str, Any] | None = None, *events: Any) -> dict[str, str]:
    context = context_of(dag, ORDERS, conf=conf, run_type="asset_triggered", consumed_asset_events=events)
    return options_of_task(context, names_of_section("sales.orders", ORDERS))


def test_sl_options_are_for_all_tasks_or_one_of_them(dag: DAG) -> None:
    sections = {"all": {"country": "FR", "limit": 10}, "sales.orders": {"country": "DE"}, "sales.customers": {"x": "1"}}
    assert _options(dag, {"sl_options": sections}) == {"country": "DE", "limit": "10"}


def test_options_have_the_form_that_they_have_on_dagster(dag: DAG) -> None:
    options = {"country": "FR", "full": True, "none": None, "sales_orders": {"country": "DE"}}
    assert _options(dag, {"options": options}) == {"country": "DE", "full": "true", "none": "null"}


@pytest.mark.parametrize("name", ["sales_orders", "sales.orders", ORDERS])
def test_a_section_may_have_each_name_of_a_task(dag: DAG, name: str) -> None:
    assert _options(dag, {"options": {name: {"country": "DE"}}}) == {"country": "DE"}
    assert name in section_names(dag)


def test_sl_options_take_precedence_over_options(dag: DAG) -> None:
    conf = {"options": {"country": "FR", "limit": 1}, "sl_options": {"all": {"country": "DE"}}}
    assert _options(dag, conf) == {"country": "DE", "limit": "1"}


@pytest.mark.parametrize("key", ["options", "sl_options"])
def test_a_mistyped_section_is_refused(dag: DAG, key: str) -> None:
    with pytest.raises(StarlakeError, match=r"(?s)'sales\.order', but DAG loads has no .*did you mean sales.orders"):
        _options(dag, {key: {"sales.order": {"country": "DE"}}})


def test_a_section_for_another_dag_is_warned_of(dag: DAG, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _options(dag, {"sl_options": {"finance.invoices": {"country": "DE"}}}) == {}
    assert "'finance.invoices' are for no table, task or op of DAG loads" in caplog.text


@pytest.mark.parametrize("value", ["country=FR", ["country"], {"all": "country=FR"}, {"all": [1]}])
def test_options_that_are_not_a_mapping_are_refused(dag: DAG, value: object) -> None:
    with pytest.raises(StarlakeError, match=r"sl_options in dag_run.conf is .* which is not a mapping"):
        _options(dag, {"sl_options": value})


@pytest.mark.parametrize("conf", [{"sl_options": {"all": {"a": {"b": 1}}}}, {"options": {"a": [1]}}])
def test_an_option_has_a_single_value(dag: DAG, conf: dict[str, Any]) -> None:
    with pytest.raises(StarlakeError, match="an option of a command is a single value"):
        _options(dag, conf)


def test_a_value_may_hold_equals_signs_and_a_comma_is_refused_with_a_way_out(dag: DAG) -> None:
    found = _options(dag, {"sl_options": {"all": {"filter": "a=b=c", "url": "jdbc:x://h/d?a=b"}}})
    command = StarlakeCommand("load").with_options(found)
    assert command.argv == ("load", "--options", "filter=a=b=c,url=jdbc:x://h/d?a=b")
    found = _options(dag, {"sl_options": {"all": {"countries": "FR,DE"}}})
    with pytest.raises(StarlakeError, match=r"(?s)a comma.*put it into sl_env_var"):
        StarlakeCommand("load").with_options(found)


def test_no_options_are_no_options(dag: DAG) -> None:
    assert _options(dag, None) == _options(dag, {}) == _options(dag, {"sl_options": None, "other": 1}) == {}


def test_events_carry_options_to_the_runs_that_they_trigger(dag: DAG) -> None:
    carried = {"all": {"country": "FR", "limit": 1}, "sales.orders": {"limit": 2}, "sales.customers": {"limit": 3}}
    assert _options(dag, None, event("sales_orders", sl_options=carried)) == {"country": "FR", "limit": "2"}


def test_the_configuration_of_the_run_takes_precedence_over_events(dag: DAG) -> None:
    carried = event("sales_orders", sl_options={"all": {"country": "FR"}})
    assert _options(dag, {"sl_options": {"all": {"country": "DE"}}}, carried) == {"country": "DE"}


def test_a_section_of_an_event_for_another_dag_is_warned_of(dag: DAG, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _options(dag, None, event("sales_orders", sl_options={"finance.invoices": {"a": 1}})) == {}
    assert "finance.invoices" in caplog.text


def test_events_that_disagree_are_refused(dag: DAG) -> None:
    events = [
        event("sales_orders", AT, sl_options={"all": {"country": "FR"}}),
        event("hr_sellers", AT + timedelta(minutes=1), sl_options={"all": {"country": "DE"}}),
    ]
    with pytest.raises(StarlakeError, match=r"assets sales_orders and hr_sellers .* option all\.country"):
        _options(dag, None, *events)


def test_events_that_agree_are_merged(dag: DAG) -> None:
    events = [
        event("sales_orders", AT, sl_options={"all": {"country": "FR", "limit": "1"}}),
        event("hr_sellers", AT, sl_options={"all": {"country": "FR", "limit": 1, "year": 2026}}),
    ]
    assert _options(dag, None, *events) == {"country": "FR", "limit": "1", "year": "2026"}


def test_the_newest_event_takes_precedence_where_it_asks_for_it(dag: DAG) -> None:
    events = [
        event("hr_sellers", AT + timedelta(minutes=1), sl_options={"all": {"country": "DE"}}, sl_options_merge=True),
        event("sales_orders", AT, sl_options={"all": {"country": "FR", "limit": 1}}),
    ]
    assert _options(dag, None, *events) == {"country": "DE", "limit": "1"}


@pytest.mark.parametrize(
    ("conf", "dry"),
    [(None, False), ({}, False), ({"dry_run": True}, True), ({"dry_run": "True"}, True), ({"dry_run": "false"}, False)],
)
def test_a_dry_run_is_one_by_its_configuration(dag: DAG, conf: dict[str, Any] | None, dry: bool) -> None:
    assert RunConf.of(context_of(dag, ORDERS, conf=conf)).is_dry_run is dry


@pytest.mark.parametrize("value", ["yes", 1, "dry"])
def test_what_may_be_meant_as_a_dry_run_is_refused(dag: DAG, value: object) -> None:
    with pytest.raises(StarlakeError, match="is unknown whether commands are to be run"):
        _ = RunConf.of(context_of(dag, ORDERS, conf={"dry_run": value})).is_dry_run


def test_a_dry_run_runs_nothing_and_records_no_event(dag: DAG, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator reads the configuration by these functions: options and dates are in the command that it logs."""
    context = context_of(
        dag,
        ORDERS,
        logical_date=datetime(2026, 3, 2, 2, tzinfo=timezone.utc),
        conf={"dry_run": True, "sl_options": {"sales.orders": {"country": "DE"}}},
    )
    task = context["task"].prepare_for_execution()
    task.outlets = [Asset("sales_orders")]
    context["task"] = task
    assert task.execute(context) is None
    logged = capsys.readouterr().out
    assert "dry run, nothing is run: " in logged
    assert "--scheduledDate 2026-03-02T02:00:00+0000 --options country=DE" in logged
    assert task.outlets == []
    assert len(context["outlet_events"]) == 0


@pytest.mark.parametrize("name", ["dryrun", "dry-run", "Dry_Run", "option", "logical_datetimes", "sl_option"])
def test_a_key_that_is_nearly_one_of_ours_is_refused(dag: DAG, name: str) -> None:
    with pytest.raises(StarlakeError, match=f"{name} in dag_run.conf is not known"):
        RunConf.of(context_of(dag, ORDERS, conf={name: True}))


@pytest.mark.parametrize("name", ["date", "run", "load", "comment", "dates", "dry_run", "sl_options"])
def test_keys_of_others_are_left_to_them(dag: DAG, name: str) -> None:
    assert RunConf.of(context_of(dag, ORDERS, conf={name: {}})).values == {name: {}}
