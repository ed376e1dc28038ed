"""Jobs of Airflow on an emulated Google Cloud: clusters of DAG runs, executions that end with their task."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException

from ai.starlake.airflow.gcp import StarlakeAirflowCloudRunJob, StarlakeAirflowDataprocJob
from ai.starlake.airflow.operators.infrastructure_operator import StarlakeInfrastructureOperator
from ai.starlake.common import StarlakeError
from starlake_gcp_emulator import GcpEmulator
from tests.airflow.airflow_home import RecordedSupervisor, context_of
from tests.waiting import PATIENCE, interrupt_when

PROJECT, REGION, RUN_JOB = "my-project", "europe-west1", "starlake"
SPARK = {"dataproc_project_id": PROJECT, "spark_bucket": "my-bucket", "spark_jar_list": "gcs://jars/starlake.jar"}
COMMAND = """
case "$*" in
  *wrong*) echo "there is no such file"; exit 1;;
  *slow*) exec sleep 600;;
esac
echo "starlake $*"
"""


@pytest.fixture(scope="module")
def gcp() -> Iterator[GcpEmulator]:
    with GcpEmulator(["/bin/sh", "-c", COMMAND, "starlake"], speed=3000, grace=1) as emulator:
        emulator.add_job(f"projects/{PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        yield emulator


@pytest.fixture
def shared(gcp: GcpEmulator, tmp_path: Path) -> dict[str, Any]:
    return {
        "sl_env_var": {"SL_ROOT": str(tmp_path)},
        "poll_interval": 0.02,
        "outage_tolerance": PATIENCE,
        "storage_endpoint": gcp.storage_endpoint,
    }


@pytest.fixture
def dataproc(gcp: GcpEmulator, shared: dict[str, Any]) -> StarlakeAirflowDataprocJob:
    options = {**shared, **SPARK, "dataproc_endpoint": gcp.endpoint}
    return StarlakeAirflowDataprocJob("my-loads.py", "my_loads", options=options)


@pytest.fixture
def cloud_run(gcp: GcpEmulator, shared: dict[str, Any]) -> StarlakeAirflowCloudRunJob:
    options = {**shared, "cloud_run_job_name": RUN_JOB, "cloud_run_endpoint": gcp.endpoint}
    return StarlakeAirflowCloudRunJob(options=options, project_id=PROJECT)


def loads(job: StarlakeAirflowDataprocJob, dag_id: str = "loads") -> DAG:
    """Return a DAG as a generated file makes it."""
    with DAG(dag_id, schedule=None) as dag:
        start, end, create = job.start_op(), job.end_op(), job.pre_tasks()
        load = job.sl_load("load", "sales", "orders")
        start >> create >> load >> end
        load >> job.post_tasks() >> end
    return dag


def execute(dag: DAG, *tasks: str, run_id: str) -> list[Any]:
    return [dag.get_task(task).execute(context_of(dag, task, run_id=run_id)) for task in tasks]


class TestDataproc:
    def test_the_cluster_is_set_up_and_torn_down(self, dataproc: StarlakeAirflowDataprocJob):
        dag = loads(dataproc)
        create, delete = dag.get_task("create_my_loads_cluster"), dag.get_task("delete_my_loads_cluster")
        assert create.is_setup
        assert delete.is_teardown
        assert not delete.on_failure_fail_dagrun
        assert delete.trigger_rule == "all_done_setup_success"
        assert delete.upstream_task_ids == {"create_my_loads_cluster", "load"}
        assert dag.get_task("end").upstream_task_ids == {"load", "delete_my_loads_cluster"}

    def test_a_file_with_several_dags_has_a_cluster_for_each(self, dataproc: StarlakeAirflowDataprocJob):
        first, second = loads(dataproc, "first"), loads(dataproc, "second")
        for dag in (first, second):
            (setup,) = [task for task in dag.tasks if task.is_setup]
            assert setup.dag is dag
            assert setup.task_id in dag.get_task("delete_my_loads_cluster").upstream_task_ids

    def test_the_name_of_the_cluster_may_be_an_option_and_that_of_its_tasks_an_argument(self, dataproc):
        job = StarlakeAirflowDataprocJob(options={**SPARK, "cluster_id": "a-b"})
        with DAG("named", schedule=None):
            assert job.pre_tasks().task_id == "create_a_b_cluster"
            assert job.post_tasks(task_id="away", retries=3).task_id == "away"

    def test_each_run_has_a_cluster_of_its_own(
        self, gcp: GcpEmulator, dataproc: StarlakeAirflowDataprocJob, shared, supervisor: RecordedSupervisor
    ):
        """The peer names it by the day of the parse: runs of a day share one, which the first of them deletes."""
        dag = loads(dataproc, "own_clusters")
        (name,) = execute(dag, "create_my_loads_cluster", run_id="scheduled__1")
        execute(dag, "load", run_id="scheduled__1")
        (other,) = execute(dag, "create_my_loads_cluster", run_id="scheduled__2")
        assert name != other
        assert {name, other} <= set(gcp.clusters)
        assert gcp.spark_jobs[-1].state == "DONE"
        # the file is read again for each task, perhaps on another day
        options = {**shared, **SPARK, "dataproc_endpoint": gcp.endpoint}
        again = loads(StarlakeAirflowDataprocJob("my-loads.py", "my_loads", options=options), "own_clusters")
        execute(again, "delete_my_loads_cluster", run_id="scheduled__1")
        assert name not in gcp.clusters
        assert other in gcp.clusters
        execute(again, "delete_my_loads_cluster", run_id="scheduled__2")
        execute(again, "delete_my_loads_cluster", run_id="scheduled__2")

    def test_runs_of_one_name_of_two_dags_do_not_share_one(
        self, gcp: GcpEmulator, dataproc: StarlakeAirflowDataprocJob, supervisor: RecordedSupervisor
    ):
        one, two = loads(dataproc, "one"), loads(dataproc, "two")
        names = [execute(dag, "create_my_loads_cluster", run_id="the_same")[0] for dag in (one, two)]
        assert len(set(names)) == 2
        for dag in (one, two):
            execute(dag, "delete_my_loads_cluster", run_id="the_same")

    def test_a_dry_run_makes_no_cluster(
        self, gcp: GcpEmulator, dataproc: StarlakeAirflowDataprocJob, supervisor: RecordedSupervisor
    ):
        before = len(gcp.calls("CreateCluster"))
        dag = loads(dataproc, "dry")
        for task in ("create_my_loads_cluster", "delete_my_loads_cluster"):
            dag.get_task(task).execute(context_of(dag, task, conf={"dry_run": True}))
        assert len(gcp.calls("CreateCluster")) == before

    def test_a_wrong_shape_is_an_error_of_the_task(self, shared, gcp: GcpEmulator, supervisor: RecordedSupervisor):
        """To read the file would need Google's packages, each time."""
        options = {
            **shared,
            **SPARK,
            "dataproc_endpoint": gcp.endpoint,
            "dataproc_cluster_config": {"mastr_config": {}},
        }
        dag = loads(StarlakeAirflowDataprocJob("my-loads.py", "my_loads", options=options), "wrong")
        with pytest.raises(AirflowException, match="mastr_config"):
            execute(dag, "create_my_loads_cluster", run_id="r")

    def test_required_options_are_named_when_the_file_is_read(self):
        with pytest.raises(StarlakeError, match=r"option spark_bucket is required(.|\n)*spark_jar_list is required"):
            StarlakeAirflowDataprocJob(options={"dataproc_project_id": "p"})


class TestCloudRun:
    def test_one_task_starts_an_execution_and_waits_for_it(
        self, gcp: GcpEmulator, cloud_run: StarlakeAirflowCloudRunJob, supervisor: RecordedSupervisor
    ):
        dag = self.dag(cloud_run, "orders")
        execute(dag, "load", run_id="r1")
        assert gcp.executions[-1].state == "SUCCEEDED"
        assert list(dag.task_dict) == ["load"]
        assert cloud_run.pre_tasks() is None

    def test_a_failure_says_what_the_command_said(
        self, cloud_run: StarlakeAirflowCloudRunJob, supervisor: RecordedSupervisor
    ):
        with pytest.raises(AirflowException, match="load --domains sales --tables wrong"):
            execute(self.dag(cloud_run, "wrong"), "load", run_id="r2")

    def test_a_task_that_is_killed_cancels_its_execution(
        self, gcp: GcpEmulator, cloud_run: StarlakeAirflowCloudRunJob, supervisor: RecordedSupervisor
    ):
        """The operator of Airflow's provider leaves it running, and so does the peer."""
        dag = self.dag(cloud_run, "slow")
        operator: BaseOperator = dag.get_task("load")
        before = len(gcp.executions)
        handler = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())

        def runs() -> bool:
            return any(one.state == "RUNNING" for one in gcp.executions[before:])

        try:
            ended = pytest.raises(AirflowException, match="Airflow ended the task")
            with interrupt_when(runs, signal.SIGTERM), ended:
                operator.execute(context_of(dag, "load", run_id="r3"))
        finally:
            signal.signal(signal.SIGTERM, handler)
        gcp.wait_for(lambda _: gcp.executions[before].state == "CANCELLED", timeout=PATIENCE)

    def test_hand_written_files_find_its_attributes(self, cloud_run: StarlakeAirflowCloudRunJob):
        assert cloud_run.project_id == PROJECT
        assert cloud_run.cloud_run_job_name == RUN_JOB
        assert cloud_run.cloud_run_job_region == REGION
        assert cloud_run.cloud_run_service_account is None

    @staticmethod
    def dag(job: StarlakeAirflowCloudRunJob, table: str) -> DAG:
        with DAG("loads", schedule=None) as dag:
            job.sl_load("load", "sales", table)
        return dag


def test_reading_a_file_imports_nothing_of_googles():
    program = (
        "import sys, airflow.sdk, ai.starlake.airflow.gcp as gcp\n"
        "before = {name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'gcsfs')}\n"
        f"job = gcp.StarlakeAirflowDataprocJob(options={SPARK!r})\n"
        "with airflow.sdk.DAG('d', schedule=None):\n"
        "    job.pre_tasks() >> job.sl_load(None, 'sales', 'orders') >> job.post_tasks()\n"
        "job = gcp.StarlakeAirflowCloudRunJob(options={'cloud_run_job_name': 'x'}, project_id='p')\n"
        "loaded = {name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'gcsfs')} - before\n"
        "sys.exit(', '.join(loaded) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_of_the_infrastructure_is_a_template():
    assert StarlakeInfrastructureOperator.template_fields == ()
