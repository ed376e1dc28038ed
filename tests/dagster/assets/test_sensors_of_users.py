"""Sensors as the documentation of Dagster writes them, on the jobs and assets of a project."""

import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterEventType,
    DagsterRunStatus,
    DefaultSensorStatus,
    Definitions,
    EventLogEntry,
    JobSelector,
    RunRequest,
    RunStatusSensorContext,
    SensorEvaluationContext,
    asset_sensor,
    build_run_status_sensor_context,
    build_sensor_context,
    define_asset_job,
    job,
    op,
    run_status_sensor,
)

from ai.starlake.dagster import build_starlake_asset_selection, build_starlake_definitions
from tests.dagster.assets.conftest import Folder


@op
def send_email():
    pass


@job
def send_email_job():
    send_email()


@pytest.fixture
def shop(folder: Folder) -> Folder:
    folder.table("shop", "orders")
    folder.task("kpi", "sales", "SELECT 1 AS n")
    return folder


def test_a_run_status_sensor_on_a_job_of_our_assets(shop, instance):
    nightly = define_asset_job("nightly", selection=build_starlake_asset_selection(shop.project, "kpi"))

    @run_status_sensor(
        run_status=DagsterRunStatus.SUCCESS,
        monitored_jobs=[nightly],
        request_job=send_email_job,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def on_nightly(context: RunStatusSensorContext):
        return RunRequest(run_key=context.dagster_run.run_id)

    defs = Definitions.merge(
        build_starlake_definitions(shop.project),
        Definitions(jobs=[nightly, send_email_job], sensors=[on_nightly]),
    )
    Definitions.validate_loadable(defs)
    result = _job(defs, "nightly").execute_in_process(instance=instance)
    assert result.success
    (event,) = [each for each in result.all_events if each.event_type is DagsterEventType.RUN_SUCCESS]
    with build_run_status_sensor_context(
        sensor_name="on_nightly", dagster_event=event, dagster_instance=instance, dagster_run=result.dagster_run
    ) as context:
        request = on_nightly(context)
    assert request.run_key == result.run_id


def test_a_run_status_sensor_names_a_job_of_another_code_location(shop):
    elsewhere = JobSelector(location_name="bakery", repository_name="__repository__", job_name="__ASSET_JOB")

    @run_status_sensor(run_status=DagsterRunStatus.STARTED, monitored_jobs=[elsewhere], request_job=send_email_job)
    def on_start(context: RunStatusSensorContext):
        return RunRequest()

    defs = Definitions.merge(
        build_starlake_definitions(shop.project), Definitions(jobs=[send_email_job], sensors=[on_start])
    )
    Definitions.validate_loadable(defs)
    assert "on_start" in {sensor.name for sensor in defs.sensors}


def test_an_asset_sensor_hears_of_our_tables(shop, instance):
    heard = []

    @asset_sensor(asset_key=AssetKey(["kpi", "sales"]), job=send_email_job)
    def on_sales(context: SensorEvaluationContext, asset_event: EventLogEntry):
        heard.append(asset_event.dagster_event.asset_key.to_user_string())
        yield RunRequest(run_key=context.cursor)

    sales = define_asset_job("sales", selection=AssetSelection.assets(["kpi", "sales"]))
    defs = Definitions.merge(
        build_starlake_definitions(shop.project), Definitions(jobs=[send_email_job, sales], sensors=[on_sales])
    )
    assert _job(defs, "sales").execute_in_process(instance=instance).success
    with build_sensor_context(instance=instance, repository_def=defs.get_repository_def()) as context:
        data = on_sales.evaluate_tick(context)
    assert heard == ["kpi/sales"]
    assert len(data.run_requests) == 1


def _job(defs: Definitions, name: str):
    return defs.get_repository_def().get_job(name)
