"""The sensors that look after runs that are over, and re-execution; runs and sensors in this process."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest
from dagster import (
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    Definitions,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    Nothing,
    ReexecutionOptions,
    SkipReason,
    build_run_status_sensor_context,
    execute_job,
    in_process_executor,
    reconstructable,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.gcp import StarlakeDagsterDataprocJob
from ai.starlake.dagster.remote import SweepPreventedError
from ai.starlake.gcp.client.google_errors import GcpCallError
from tests.dagster.gcp.conftest import SPARK
from tests.waiting import PATIENCE

STATUSES = {"failure": "PIPELINE_FAILURE", "cancellation": "PIPELINE_CANCELED", "success": "PIPELINE_SUCCESS"}


def in_a_row(sl_job, table, name="a_job", **more):
    pre, post = sl_job.pre_tasks(), sl_job.post_tasks()
    load = sl_job.sl_load(None, "sales", table, ins={"start": In(Nothing)})
    nodes = [node for node in (pre or sl_job.dummy_op("start"), load, post) if node]
    dependencies = {
        later.name: {next(iter(later.input_dict)): DependencyDefinition(earlier.name, next(iter(earlier.output_dict)))}
        for earlier, later in pairwise(nodes)
    }
    return JobDefinition(
        name=name, graph_def=GraphDefinition(f"{name}_graph", node_defs=nodes, dependencies=dependencies), **more
    )


def tick(sl_job, instance, run_id, after="failure"):
    """Return the message of the sensor for a status about a run."""
    sensor = next(one for one in sl_job.sensors() if one.name.endswith(after))
    run = instance.get_run_by_id(run_id)
    event = DagsterEvent(event_type_value=STATUSES[after], job_name=run.job_name)
    context = build_run_status_sensor_context(sensor.name, event, instance, run)
    answer = sensor(context.for_run_failure() if after == "failure" else context)
    assert isinstance(answer, SkipReason)
    return answer.skip_message


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("ai.starlake.dagster.remote.PATIENCE", 0.1)


@pytest.fixture(scope="module")
def instance_for_threads(tmp_path_factory):
    """With files: the tables of one in memory are locked when two threads work on them at once."""
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as made:
        yield made


def failed(job, instance):
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    return result.run_id


class TestDefinitions:
    def test_they_run_by_default_and_have_names_of_their_own(self, factory):
        dataproc, cloud_run = factory.dataproc(), factory.cloud_run()
        sensors = [*dataproc.sensors(), *cloud_run.sensors(), *dataproc.sensors(name="/dags/my sales.v2.py")]
        assert {sensor.default_status for sensor in sensors} == {DefaultSensorStatus.RUNNING}
        assert [sensor.name for sensor in sensors] == [
            *(f"starlake_dataproc_janitor_after_{status}" for status in STATUSES),
            *(f"starlake_cloud_run_janitor_after_{status}" for status in ("failure", "cancellation")),
            *(f"my_sales_v2_dataproc_janitor_after_{status}" for status in STATUSES),
        ]
        assert Definitions(sensors=sensors).get_repository_def().has_sensor_def(sensors[0].name)

    def test_they_may_look_after_some_jobs_only(self, factory):
        sl_job = factory.dataproc()
        job = in_a_row(sl_job, "orders")
        assert {sensor.name for sensor in sl_job.sensors([job])} == {
            f"a_job_dataproc_janitor_after_{status}" for status in STATUSES
        }


class TestDataproc:
    def test_the_cluster_of_a_failed_run_is_deleted(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        (cluster,) = gcp.all_clusters
        assert cluster.state == "RUNNING"
        assert tick(sl_job, instance, run_id) == f"run {run_id} left cluster {cluster.name}"
        gcp.wait_for(lambda gcp: not gcp.clusters)
        assert tick(sl_job, instance, run_id) == f"run {run_id} left nothing"
        assert len(gcp.calls("DeleteCluster")) == 1

    def test_a_run_that_skipped_its_last_op_leaves_its_cluster_to_the_sensor(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        job = JobDefinition(name="made", graph_def=GraphDefinition("made_graph", node_defs=[sl_job.pre_tasks()]))
        run_id = job.execute_in_process(instance=instance).run_id
        assert "cluster" in tick(sl_job, instance, run_id, after="success")
        gcp.wait_for(lambda gcp: not gcp.clusters)

    def test_clusters_of_other_runs_stay(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        mine, other = (failed(in_a_row(sl_job, "wrong"), instance) for _ in range(2))
        tick(sl_job, instance, mine)
        gcp.wait_for(lambda gcp: len(gcp.clusters) == 1)
        (left,) = gcp.clusters.values()
        assert left.labels["starlake-run-id"] == other

    def test_a_shared_cluster_that_nobody_of_ours_made_stays_and_the_jobs_on_it_are_cancelled(
        self, factory, gcp, instance
    ):
        own = factory.dataproc(dataproc_cluster_name="shared")
        job = JobDefinition(name="made", graph_def=GraphDefinition("made_graph", node_defs=[own.pre_tasks()]))
        job.execute_in_process(instance=instance)
        sl_job = factory.dataproc(dataproc_cluster_name="shared")
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        assert tick(sl_job, instance, run_id) == f"run {run_id} left nothing"
        assert [cluster.state for cluster in gcp.all_clusters] == ["RUNNING"]

    def test_a_shared_cluster_stays_while_other_runs_have_jobs_on_it(self, factory, gcp, instance_for_threads):
        """Also where it is the sensor of other jobs, to which no cluster is shared, that looks after its run."""
        shared, own = factory.dataproc(dataproc_cluster_name="shared"), factory.dataproc()
        instance = instance_for_threads
        maker = failed(in_a_row(shared, "wrong"), instance)
        with abandoned(shared, instance):
            gcp.wait_for(lambda gcp: gcp.spark_jobs[-1].state == "RUNNING")
            assert tick(own, instance, maker) == f"run {maker} left nothing"
            assert [cluster.state for cluster in gcp.all_clusters] == ["RUNNING"]
            assert "left Spark job" in tick(shared, instance, instance.get_runs(limit=1)[0].run_id)
        assert tick(own, instance, maker) == f"run {maker} left cluster shared"

    def test_it_leaves_alone_what_a_run_that_continues_this_one_needs(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        continuing = DagsterRun(
            job_name="a_job", status=DagsterRunStatus.STARTED, root_run_id=run_id, parent_run_id=run_id
        )
        instance.add_run(continuing)
        assert f"continued by run {continuing.run_id}" in tick(sl_job, instance, run_id)
        assert [cluster.state for cluster in gcp.all_clusters] == ["RUNNING"]
        instance.report_run_failed(instance.get_run_by_id(continuing.run_id))
        assert "left cluster" in tick(sl_job, instance, continuing.run_id)

    def test_it_leaves_a_run_that_dagster_retries_to_the_retry(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        instance.add_run_tags(run_id, {"dagster/will_retry": "true"})
        assert "about to be retried" in tick(sl_job, instance, run_id)
        assert gcp.clusters

    def test_short_outages_do_not_keep_it_from_its_work(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        gcp.fault("DeleteCluster", "UNAVAILABLE", when="after")
        assert "left cluster" in tick(sl_job, instance, run_id)
        gcp.wait_for(lambda gcp: not gcp.clusters)

    def test_it_says_so_when_it_may_not_do_its_work(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        gcp.fault("DeleteCluster", "PERMISSION_DENIED")
        with pytest.raises(StarlakeError, match=r"dataproc\.clusters\.delete"):
            tick(sl_job, instance, run_id)

    def test_an_outage_is_outlasted_by_later_ticks(self, factory, gcp, instance, impatient):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        gcp.fault("DeleteCluster", "UNAVAILABLE", count=None)
        with pytest.raises(SweepPreventedError, match="at the next tick"):
            tick(sl_job, instance, run_id)
        gcp.clear_faults()
        assert "left cluster" in tick(sl_job, instance, run_id)

    def test_an_outage_of_more_than_an_hour_does_not_keep_it_from_other_runs(
        self, factory, gcp, instance, impatient, monkeypatch
    ):
        sl_job = factory.dataproc()
        run_id = failed(in_a_row(sl_job, "wrong"), instance)
        gcp.fault("ListClusters", "UNAVAILABLE", count=None)
        later = time.time() + 3601
        monkeypatch.setattr("ai.starlake.dagster.remote.time.time", lambda: later)
        with pytest.raises(GcpCallError, match="UNAVAILABLE"):
            tick(sl_job, instance, run_id)


@contextmanager
def abandoned(sl_job, instance):
    """Return a step that continues while its run has ended for Dagster, as after the death of the run's process."""
    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(failed, in_a_row(sl_job, "slow"), instance)
        yield going_on
        going_on.result(PATIENCE)


class TestWhatRuns:
    @pytest.fixture
    def instance(self, instance_for_threads):
        return instance_for_threads

    def test_a_spark_job_that_still_runs_is_cancelled_once(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        with abandoned(sl_job, instance):
            gcp.wait_for(lambda gcp: [job.state for job in gcp.spark_jobs] == ["RUNNING"])
            run = instance.get_runs(limit=1)[0]
            said = tick(sl_job, instance, run.run_id)
        (job,), (cluster,) = gcp.spark_jobs, gcp.all_clusters
        assert said == f"run {run.run_id} left Spark job {job.name}, cluster {cluster.name}"
        assert job.cancelled == 1
        assert job.state in ("CANCELLED", "ERROR")  # it may notice first that its cluster goes
        gcp.wait_for(lambda gcp: not gcp.clusters)
        assert len(gcp.all_clusters) == 1

    def test_an_execution_that_still_runs_is_cancelled_once(self, factory, gcp, instance):
        sl_job = factory.cloud_run()
        with abandoned(sl_job, instance):
            gcp.wait_for(lambda gcp: [one.state for one in gcp.executions] == ["RUNNING"])
            run = instance.get_runs(limit=1)[0]
            said = tick(sl_job, instance, run.run_id, after="cancellation")
        (execution,) = gcp.executions
        assert said == f"run {run.run_id} left Cloud Run execution {execution.name.rpartition('/')[2]}"
        assert (execution.state, execution.cancelled) == ("CANCELLED", 1)
        assert tick(sl_job, instance, run.run_id) == f"run {run.run_id} left nothing"

    def test_a_spark_job_that_may_not_be_cancelled_does_not_keep_its_cluster(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        with abandoned(sl_job, instance):
            gcp.wait_for(lambda gcp: [job.state for job in gcp.spark_jobs] == ["RUNNING"])
            run = instance.get_runs(limit=1)[0]
            gcp.fault("CancelJob", "PERMISSION_DENIED")
            with pytest.raises(StarlakeError, match=r"dataproc\.jobs\.cancel"):
                tick(sl_job, instance, run.run_id)
        gcp.wait_for(lambda gcp: not gcp.clusters)

    def test_an_execution_that_may_not_be_cancelled_is_not_said_to_be(self, factory, gcp, instance):
        sl_job = factory.cloud_run()
        with abandoned(sl_job, instance):
            gcp.wait_for(lambda gcp: [one.state for one in gcp.executions] == ["RUNNING"])
            run = instance.get_runs(limit=1)[0]
            gcp.fault("CancelExecution", "PERMISSION_DENIED")
            with pytest.raises(StarlakeError, match=r"run\.executions\.cancel"):
                tick(sl_job, instance, run.run_id)
            assert "left Cloud Run execution" in tick(sl_job, instance, run.run_id)

    def test_executions_of_other_runs_go_on(self, factory, gcp, instance):
        sl_job = factory.cloud_run()
        over = failed(in_a_row(sl_job, "wrong"), instance)
        with abandoned(sl_job, instance):
            gcp.wait_for(lambda gcp: [one.state for one in gcp.executions] == ["FAILED", "RUNNING"])
            assert tick(sl_job, instance, over) == f"run {over} left nothing"
            other = instance.get_runs(limit=1)[0].run_id
            tick(sl_job, instance, other)
        assert [one.cancelled for one in gcp.executions] == [0, 1]


def a_job_that_fails_once():
    options = json.loads(os.environ["TEST_OPTIONS"])
    sl_job = StarlakeDagsterDataprocJob(options=options)
    return in_a_row(sl_job, "flaky", executor_def=in_process_executor)


def another_job_that_fails_once():
    """Dagster keeps what a function defines, and with it the address of the emulator."""
    return a_job_that_fails_once()


class TestReexecution:
    @pytest.mark.parametrize(("define", "swept"), [(a_job_that_fails_once, False), (another_job_that_fails_once, True)])
    def test_from_failure_it_finds_the_cluster_or_makes_it_again(
        self, factory, gcp, instance, monkeypatch, define, swept
    ):
        """The op that makes the cluster is not run again; the one that deletes it is."""
        (factory.root / "broken").touch()
        options = {**factory.shared, **SPARK, "dataproc_endpoint": factory.endpoint, "project_copy": str(factory.root)}
        monkeypatch.setenv("TEST_OPTIONS", json.dumps(options))
        job = reconstructable(define)
        with execute_job(job, instance) as first:
            assert not first.success
        if swept:
            tick(factory.dataproc(), instance, first.run_id)
            gcp.wait_for(lambda gcp: not gcp.clusters)
        continued = ReexecutionOptions.from_failure(first.run_id, instance)
        with execute_job(job, instance, reexecution_options=continued) as second:
            assert second.success, [event.message for event in second.all_events if event.is_failure]
            assert "create_dataproc_cluster" not in {event.step_key for event in second.all_events}
        assert [cluster.deleted_by for cluster in gcp.all_clusters] == ["request"] * (1 + swept)
        assert len({cluster.name for cluster in gcp.all_clusters}) == 1
        assert [job.state for job in gcp.spark_jobs] == ["ERROR", "DONE"]
