"""Defects measured in the existing package for Starlake on Dagster, seen on DAG files; each would fail there.

They are about schedules, partitions and sensors. The ids are those of the survey in which they were found.
"""

from __future__ import annotations

import os
import runpy
from datetime import datetime, timezone

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    RunRequest,
    build_schedule_context,
    build_sensor_context,
)

from ai.starlake.orchestration.cli import run

DAILY = [("None", "0 0 * * *")]
UTC = timezone.utc


@pytest.fixture
def load():
    """Execute a DAG file, and return its code location."""

    def definitions(file):
        return runpy.run_path(str(file))["defs"].get_repository_def()

    return definitions


def tick_of(location, name, at):
    schedule = location.get_schedule_def(f"{name}_schedule")
    context = build_schedule_context(scheduled_execution_time=at, repository_def=location)
    return schedule.evaluate_tick(context).run_requests


def look(location, name, instance, cursor=None):
    context = build_sensor_context(instance=instance, repository_def=location, cursor=cursor)
    data = location.get_sensor_def(f"{name}_sensor").evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message


def execute(location, name, instance, request=None, **arguments):
    if request:
        arguments |= {"tags": request.tags, "run_config": request.run_config, "partition_key": request.partition_key}
    result = location.get_job(name).execute_in_process(instance=instance, raise_on_error=False, **arguments)
    assert result.success
    return result


def test_d19_all_tasks_have_one_date_and_transforms_an_interval_without_quotes(load, dag_file, fake, instance):
    location = load(dag_file("kpis", cron="0 0 * * *", run_dependencies_first="true"))
    (request,) = tick_of(location, "kpis", datetime(2026, 3, 2, tzinfo=UTC))
    execute(location, "kpis", instance, request)
    assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-01T00:00:00+0000"}
    assert [dict(call.options) for call in fake.calls("transform")] == [
        {
            "sl_data_interval_start": "2026-03-01T00:00:00+0000",
            "sl_data_interval_end": "2026-03-02T00:00:00+0000",
        }
    ] * 2


def test_o01_ticks_print_nothing(load, dag_file, instance, capfd):
    location = load(dag_file(schedules=DAILY))
    assert tick_of(location, "my_dag", datetime(2026, 3, 2, tzinfo=UTC))
    waiting = load(dag_file("kpis"))
    assert "nothing new" in look(waiting, "kpis", instance)
    instance.report_runless_asset_event(AssetMaterialization(AssetKey("kpi_sales")))
    assert isinstance(look(waiting, "kpis", instance), RunRequest)
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize("clock", ["00:00", "23:59"])
def test_o04_a_tick_is_for_its_interval_whenever_it_is_run(load, dag_file, fake, instance, clock):
    location = load(dag_file(schedules=DAILY))
    (request,) = tick_of(location, "my_dag", datetime(2026, 3, 2, tzinfo=UTC))
    scheduled = {".dagster/scheduled_execution_time": f"2026-03-02T{clock}:00+00:00"}
    tags = {**request.tags, **scheduled}
    execute(location, "my_dag", instance, tags=tags, partition_key=request.partition_key)
    assert request.partition_key == "2026-03-01T00:00:00+0000"
    assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-01T00:00:00+0000"}


def test_o05_a_sensor_looks_at_what_is_materialized(load, dag_file, instance):
    upstream, kpis = load(dag_file("sales", run_dependencies_first="true")), load(dag_file("kpis"))
    assert "nothing new in kpi.sales" in look(kpis, "kpis", instance)
    execute(upstream, "sales", instance)
    assert isinstance(look(kpis, "kpis", instance), RunRequest)


def test_o06_what_happened_before_the_start_date_breaks_nothing(load, dag_file, instance):
    location = load(dag_file("kpis", start_date="2999-01-01"))
    instance.report_runless_asset_event(AssetMaterialization(AssetKey("kpi_sales")))
    assert "nothing new" in look(location, "kpis", instance)


def test_o07_each_pipeline_of_a_file_waits_for_its_own_data(load, dag_file, instance):
    file = dag_file("kpis", dataset_triggering_strategy="all")
    task = "StarlakeDependency('kpi.{0}', 'task', dependencies=[StarlakeDependency('raw.{0}', 'table')])"
    of = f"StarlakeDependencies([{task}])"
    file.write_text(
        file.read_text().partition("dependencies = ")[0]
        + "from ai.starlake.orchestration import StarlakeDependency\n"
        + "with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:\n"
        + f"    for dependencies in ({of.format('a')}, {of.format('b')}):\n"
        + "        with orchestration.sl_create_pipeline(dependencies=dependencies) as pipeline:\n"
        + "            pipeline.start_task() >> pipeline.dependency_to_task(dependencies[0]) >> pipeline.end_task()\n"
    )
    location = load(file)
    instance.report_runless_asset_event(AssetMaterialization(AssetKey("raw_b")))
    assert "nothing new in raw.a" in look(location, "kpis", instance)
    assert isinstance(look(location, "kpis_2", instance), RunRequest)


def test_o09_partitions_begin_at_the_start_date_whatever_becomes_of_the_file(load, dag_file):
    file = dag_file(schedules=DAILY, SL_TIMEZONE="America/New_York")
    firsts = set()
    for moment in (1_600_000_000, 1_790_000_000):
        os.utime(file, (moment, moment))
        firsts.add(load(file).get_job("my_dag").partitions_def.get_first_partition_key())
    assert firsts == {"2026-01-01T00:00:00-0500"}


def test_o09_without_a_start_date_partitions_begin_at_a_fixed_day(load, dag_file):
    file = dag_file(schedules=DAILY, start_date="")
    firsts = set()
    for moment in (1_600_000_000, 1_790_000_000):
        os.utime(file, (moment, moment))
        firsts.add(load(file).get_job("my_dag").partitions_def.get_first_partition_key())
    assert firsts == {"2025-01-01T00:00:00+0000"}


def test_o10_a_backfill_covers_the_dates_that_are_asked_for(dag_file, fake, capsys):
    file = dag_file(schedules=DAILY)
    assert run(["backfill", "--file", str(file), "--options", "start_date=2026-01-01,end_date=2026-01-03"]) == 0
    dates = {call.value_of("--scheduledDate") for call in fake.calls()}
    assert dates == {f"2026-01-0{day}T00:00:00+0000" for day in (1, 2, 3)}
    assert capsys.readouterr().out.count("succeeded") == 3


def test_m03_options_of_a_run_are_found_by_the_name_of_the_task(load, dag_file, fake, instance):
    config = {"ops": {"kpi_margin_task": {"config": {"options": {"kpi.margin": {"x": "1"}, "kpi.sales": {"y": "2"}}}}}}
    execute(load(dag_file("kpis")), "kpis", instance, run_config=config)
    assert fake.calls()[0].options == {"x": "1"}


def test_m04_a_dry_run_of_what_a_sensor_waits_for_starts_nothing(load, dag_file, fake, instance):
    upstream = load(dag_file("sales", run_dependencies_first="true"))
    kpis = load(dag_file("kpis"))
    execute(upstream, "sales", instance, tags={"starlake/dry_run": "true"})
    assert (fake.calls(), instance.all_asset_keys()) == ([], [])
    assert "nothing new" in look(kpis, "kpis", instance)


def test_m06_what_is_materialized_is_a_partition_of_the_job(load, dag_file, fake):
    fake.behave("load", counts=(3, 3, 0))
    location = load(dag_file(schedules=DAILY))
    (request,) = tick_of(location, "my_dag", datetime(2026, 3, 2, tzinfo=UTC))
    with DagsterInstance.ephemeral() as instance:
        execute(location, "my_dag", instance, request)
        event = instance.get_latest_materialization_event(AssetKey("starbake_Orders"))
    assert event.asset_materialization.partition == request.partition_key
    assert location.get_job("my_dag").partitions_def.has_partition_key(request.partition_key)
