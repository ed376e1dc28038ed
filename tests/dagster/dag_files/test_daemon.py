"""Runs of the schedule and the sensor of a DAG file by Dagster's own daemons, with their dates."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, MetadataValue
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

logger = logging.getLogger(__name__)


@contextmanager
def daemons(file, folder):
    """Yield an instance whose runs are queued and not launched, and the workspace of a file."""
    folder.mkdir()
    target = PythonFileTarget(python_file=str(file), attribute=None, working_directory=None, location_name=None)
    with (
        DagsterInstance.local_temp(str(folder)) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        yield instance, workspace


@pytest.mark.slow
def test_a_tick_of_the_scheduler_is_for_the_partition_that_ends_then(dag_file, tmp_path):
    file = dag_file(schedules=[("None", "0 * * * *")], default_status="running")
    hour = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    with daemons(file, tmp_path / "home") as (instance, workspace):
        known = {}
        for moment in (hour - timedelta(minutes=1), hour + timedelta(minutes=1), hour + timedelta(minutes=2)):
            for _ in launch_scheduled_runs(workspace, logger, moment, known):
                pass
        (queued,) = instance.get_runs()
    assert queued.tags["dagster/partition"] == f"{hour - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}+0000"
    assert queued.tags["dagster/schedule_name"] == "my_dag_schedule"


@pytest.mark.slow
def test_an_update_makes_the_sensor_daemon_start_a_run(dag_file, tmp_path):
    file = dag_file("kpis", default_status="running")
    with daemons(file, tmp_path / "home") as (instance, workspace):
        date = MetadataValue.timestamp(datetime(2026, 3, 1, tzinfo=timezone.utc))
        made = AssetMaterialization(AssetKey("kpi_sales"), metadata={"starlake/logical_date": date})
        instance.report_runless_asset_event(made)
        for _ in execute_sensor_iteration(workspace, logger, None, None):
            pass
        (queued,) = instance.get_runs()
    assert queued.job_name == "kpis"
    assert queued.tags["starlake/logical_date"] == "2026-03-01T00:00:00+00:00"
    assert queued.tags["starlake/data_interval_start"] == "2026-01-01T00:00:00+00:00"
    assert queued.tags["starlake/triggered_by"] == "kpi.sales"
    assert "dagster/run_key" in queued.tags
