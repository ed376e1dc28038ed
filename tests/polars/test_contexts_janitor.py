"""Contexts of a killed process on Polars Cloud: the sensors and the command that stop them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from dagster import (
    DagsterEvent,
    DagsterInstance,
    DagsterRunStatus,
    SkipReason,
    build_run_status_sensor_context,
    job,
    op,
)

from ai.starlake.dagster.cli import main
from ai.starlake.dagster.remote import SweepPreventedError
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.polars.context_names import context_name
from tests.polars.conftest import SECRET
from tests.waiting import PATIENCE, wait_for

AFTER = {"failure": "PIPELINE_FAILURE", "cancellation": "PIPELINE_CANCELED", "success": "PIPELINE_SUCCESS"}


@op
def fail():
    raise RuntimeError


@job
def failing():
    fail()


@pytest.fixture
def instance():
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def failed_run(instance):
    return failing.execute_in_process(instance=instance, raise_on_error=False).run_id


@pytest.fixture
def sl_job(cloud, monkeypatch):
    """Return a factory with two profiles for one account, and one for another workspace."""
    monkeypatch.setenv("THE_SECRET", SECRET)
    account = {"client_id": cloud.account, "client_secret": {"env": "THE_SECRET"}}
    compute = {
        "small": {"polars": {"cpus": 2, "memory": 4, **account}},
        "large": {"polars": {"cpus": 8, "memory": 32, **account}},
        "elsewhere": {"polars": {"workspace": "other", **account}},
    }
    return StarlakeDagsterShellJob(filename=__file__, options={"compute": compute})


def left_by(cloud, run_id, *, workspace=1, name=None):
    """Add a context that a process started for a run before it was killed."""
    state, name = cloud.state, name or context_name(run_id)
    cluster = {"id": str(uuid4()), "workspace_id": str(UUID(int=workspace)), "name": name, "status": "Idle"}
    state["clusters"][cluster["id"]] = {**cluster, "requested": datetime.now(timezone.utc).isoformat()}
    state["manifests"][name] = {}
    cloud.write(state)
    return name


def tick(sl_job, instance, run_id, after="failure"):
    """Return the message of the sensor for a status about a run."""
    sensor = next(one for one in sl_job.sensors() if one.name.endswith(after))
    run = instance.get_run_by_id(run_id)
    event = DagsterEvent(event_type_value=AFTER[after], job_name=run.job_name)
    context = build_run_status_sensor_context(sensor.name, event, instance, run)
    answer = sensor(context.for_run_failure() if after == "failure" else context)
    assert isinstance(answer, SkipReason)
    return answer.skip_message


def test_sensors_are_there_where_a_profile_needs_them(sl_job):
    assert [sensor.name for sensor in sl_job.sensors()] == [
        f"test_contexts_janitor_polars_cloud_janitor_after_{status}" for status in AFTER
    ]
    assert StarlakeDagsterShellJob(filename=__file__, options={"compute": {"small": {}}}).sensors() == []


@pytest.mark.slow
def test_a_killed_run_of_the_engine_leaves_a_context_that_the_sensor_stops(studio, cloud, sl_job, instance, failed_run):
    cloud.set(seconds_of_a_query=60)
    studio.python("t", "return pl.LazyFrame({'id': [1]})", engine="polars-cloud")
    environment = {**os.environ, **studio.environment, **cloud.environment, "SL_RUN_ID": failed_run}
    process = subprocess.Popen(
        [sys.executable, "-m", "ai.starlake.embedded", "transform", "--name", "mart.t"], env=environment
    )
    wait_for("the query", lambda: cloud.state["queries"] or process.poll() is not None)
    process.kill()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    (name,) = cloud.running
    assert tick(sl_job, instance, failed_run) == f"run {failed_run} left compute context {name}"
    assert cloud.running == []
    assert cloud.state["manifests"] == {}
    assert tick(sl_job, instance, failed_run) == f"run {failed_run} left nothing"


def test_sensors_fetch_no_secret_that_they_do_not_need(cloud, monkeypatch, instance, failed_run):
    monkeypatch.setenv("THE_SECRET", SECRET)
    compute = {"small": {"polars": {"client_id": cloud.account, "client_secret": {"env": "THE_SECRET"}}}}
    secrets = {"DB_PASSWORD": {"env": "NOT_SET_ANYWHERE"}, "TOKEN": {"resource": "vault.token"}}
    sl_job = StarlakeDagsterShellJob(filename=__file__, options={"compute": compute, "sl_env_var": secrets})
    name = left_by(cloud, failed_run)
    assert name in tick(sl_job, instance, failed_run)


def test_contexts_of_other_runs_and_of_other_people_stay(cloud, sl_job, instance, failed_run):
    other = str(uuid4())
    mine = {left_by(cloud, failed_run), left_by(cloud, failed_run, workspace=2)}
    others = {left_by(cloud, other), left_by(cloud, failed_run, name="somebodys")}
    message = tick(sl_job, instance, failed_run)
    assert [name for name in mine if name not in message] == []
    assert set(cloud.running) == others


def test_a_service_that_does_not_answer_is_asked_again_at_the_next_tick(cloud, sl_job, instance, failed_run):
    left_by(cloud, failed_run)
    cloud.fault("list", times=1)
    with pytest.raises(SweepPreventedError):
        tick(sl_job, instance, failed_run)
    cloud.fault("stop", times=1)
    with pytest.raises(SweepPreventedError):
        tick(sl_job, instance, failed_run)
    assert "compute context" in tick(sl_job, instance, failed_run)
    assert cloud.running == []


def test_the_command_stops_what_runs_that_are_over_left(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.get() as kept:
        over = failing.execute_in_process(instance=kept, raise_on_error=False).run_id
        going_on = kept.create_run_for_job(failing, status=DagsterRunStatus.STARTED).run_id
    for run_id in (over, going_on, str(uuid4())):
        left_by(cloud, run_id)

    def reap(*arguments):
        return CliRunner().invoke(main, ["polars", "reap", "--older-than", "0s", *arguments])

    assert "would be removed" in reap("--dry-run").stdout
    assert len(cloud.running) == 3
    result = reap()
    assert result.exit_code == 0, result.output
    assert {name.split("-")[1] for name in cloud.running}.isdisjoint({over.replace("-", "")})
    assert "its run is going on" in result.stdout
    assert "its run is not known here" in result.stdout
    cloud.fault("stop")
    assert reap("--unknown").exit_code == 1
    assert len(cloud.running) == 2
