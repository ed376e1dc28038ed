"""Runs that Dagster's own scheduler launches at a tick are for the time of that tick."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

FILE = """
from dagster import DefaultScheduleStatus, Definitions, GraphDefinition, JobDefinition, ScheduleDefinition
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

job = StarlakeDagsterShellJob(options={{"SL_STARLAKE_PATH": {cli!r}, "sl_env_var": {{"SL_ROOT": {root!r}}}}})
graph = GraphDefinition(name="g", node_defs=[job.sl_load(None, "starbake", "Customers")])
loads = JobDefinition(name="loads", graph_def=graph)
schedule = ScheduleDefinition(job=loads, cron_schedule="0 * * * *", default_status=DefaultScheduleStatus.RUNNING)
defs = Definitions(jobs=[loads], schedules=[schedule])
"""


@pytest.mark.slow
def test_the_run_of_a_tick_is_for_the_time_of_the_tick(tmp_path, project, fake, sl_job, run):
    file = tmp_path / "scheduled.py"
    file.write_text(FILE.format(cli=str(fake.path), root=str(project.root)))
    (tmp_path / "home").mkdir()
    target = PythonFileTarget(python_file=str(file), attribute=None, working_directory=None, location_name=None)
    iterations = {}
    hour = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    with (
        DagsterInstance.local_temp(str(tmp_path / "home")) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        for moment in (hour - timedelta(minutes=1), hour + timedelta(minutes=1)):
            for _ in launch_scheduled_runs(workspace, logging.getLogger(__name__), moment, iterations):
                pass
        (queued,) = instance.get_runs()
    job = sl_job.sl_load(None, "starbake", "Customers")
    assert run(job, tags=queued.tags).success
    (call,) = fake.calls()
    assert call.value_of("--scheduledDate") == f"{hour:%Y-%m-%dT%H:%M:%S}+0000"
