"""The jobs of both executors as DAG files see them: ops, options, hooks, pools."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import types
from itertools import pairwise

import pytest
from dagster import (
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob, StarlakeDagsterDataprocJob
from ai.starlake.dagster.ops import Body
from ai.starlake.gcp import StarlakeDataprocClusterConfig, StarlakeDataprocMasterConfig
from ai.starlake.job import StarlakeSparkConfig
from tests.dagster.gcp.conftest import PROJECT, SPARK

RUN = {"cloud_run_project_id": PROJECT, "cloud_run_job_name": "starlake"}


def in_a_row(*nodes, name="a_job"):
    """Return a job whose ops follow each other: the first output of one before the first input of the next."""
    dependencies = {
        later.name: {next(iter(later.input_dict)): DependencyDefinition(earlier.name, next(iter(earlier.output_dict)))}
        for earlier, later in pairwise(nodes)
    }
    return JobDefinition(
        name=name, graph_def=GraphDefinition("a_graph", node_defs=list(nodes), dependencies=dependencies)
    )


def load(sl_job, table="orders", **arguments):
    return sl_job.sl_load(None, "sales", table, ins={"start": In(Nothing)}, **arguments)


class TestImports:
    def test_googles_packages_are_not_loaded_by_the_import_nor_needed_for_a_cloud_run_job(self):
        program = (
            "import sys, ai.starlake.dagster.gcp as gcp\n"
            "loaded = {name.partition('.')[0] for name in sys.modules} & {'google', 'grpc', 'dagster_gcp', 'gcsfs'}\n"
            "if loaded: sys.exit(', '.join(loaded))\n"
            "for name in ('google.cloud', 'google.api_core', 'grpc', 'dagster_gcp'): sys.modules[name] = None\n"
            "job = gcp.StarlakeDagsterCloudRunJob(options={'cloud_run_job_name': 'x', 'cloud_run_project_id': 'p'})\n"
            "job.sl_load(None, 'sales', 'orders'), job.sensors()"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_what_is_not_installed_is_named_with_its_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "google.cloud.dataproc_v1", None)
        monkeypatch.delattr("google.cloud.dataproc_v1", raising=False)
        with pytest.raises(StarlakeError, match=r"google-cloud-dataproc is not installed(.|\n)*\[gcp\]"):
            StarlakeDagsterDataprocJob(options=SPARK)


class TestOptions:
    def test_required_options_of_dataproc_are_named(self):
        with pytest.raises(StarlakeError) as caught:
            StarlakeDagsterDataprocJob(options={"dataproc_project_id": "p"})
        assert "option spark_jar_list is required" in str(caught.value)
        assert "option spark_bucket is required" in str(caught.value)

    def test_the_required_option_of_cloud_run_is_named(self):
        with pytest.raises(StarlakeError, match="option cloud_run_job_name is required"):
            StarlakeDagsterCloudRunJob(options={"cloud_run_project_id": "p"})

    def test_a_misspelt_field_of_the_cluster_is_an_error_when_the_job_is_made(self):
        with pytest.raises(StarlakeError, match="mastr_config"):
            StarlakeDagsterDataprocJob(options={**SPARK, "dataproc_cluster_config": {"mastr_config": {}}})

    def test_a_cluster_config_of_ones_own_counts(self):
        master = StarlakeDataprocMasterConfig("n2-standard-8", options=SPARK)
        config = StarlakeDataprocClusterConfig(cluster_id="mine", master_config=master, options=SPARK)
        sl_job = StarlakeDagsterDataprocJob(options=SPARK, cluster_config=config)
        assert sl_job.cluster_config is config

    def test_the_hooks_of_the_calling_module_count(self, monkeypatch):
        module = types.ModuleType("a_dag_file")
        module.dataproc_name = "bakery"
        module.get_dataproc_master_config = lambda *_, **__: StarlakeDataprocMasterConfig("n2-highmem-8", options=SPARK)
        module.get_spark_config = lambda *_, **__: StarlakeSparkConfig(memory="3g")
        monkeypatch.setitem(sys.modules, "a_dag_file", module)
        sl_job = StarlakeDagsterDataprocJob(options=SPARK, filename="/dags/sales.py", module_name="a_dag_file")
        config = sl_job.cluster_config
        assert config.dataproc_name == "bakery"
        assert config.cluster_id == "sales"
        assert "n2-highmem-8" in str(config.message.master_config.machine_type_uri)
        assert sl_job.get_spark_config().memory == "3g"


class TestOps:
    def test_the_ops_of_the_cluster_are_as_the_samples_use_them(self, factory):
        sl_job = factory.dataproc()
        pre, post = sl_job.pre_tasks(), sl_job.post_tasks()
        assert isinstance(pre, OpDefinition)
        assert (pre.name, list(pre.output_dict), list(pre.input_dict)) == ("create_dataproc_cluster", ["result"], [])
        assert (post.name, list(post.input_dict)) == ("delete_dataproc_cluster", ["start"])
        assert sl_job.pre_tasks() is pre
        assert list(sl_job.post_tasks(task_id="gone", ins={"end": In(Nothing)}).input_dict) == ["end"]
        assert sl_job.pre_tasks(task_id="made", out=Out(str, description="x")).name == "made"

    def test_cloud_run_needs_neither(self, factory):
        assert factory.cloud_run().pre_tasks() is None
        assert factory.cloud_run().post_tasks(ins={"start": In(Nothing)}) is None

    def test_a_dummy_has_an_input_for_what_comes_before_it(self, factory, gcp, instance):
        """The samples put the op of pre_tasks before one that was made without inputs."""
        sl_job = factory.dataproc()
        start = sl_job.dummy_op(task_id="start")
        assert (
            JobDefinition(name="alone", graph_def=GraphDefinition("alone_graph", node_defs=[start]))
            .execute_in_process(instance=instance)
            .success
        )
        assert in_a_row(sl_job.pre_tasks(), start, sl_job.post_tasks()).execute_in_process(instance=instance).success
        assert [cluster.deleted_by for cluster in gcp.all_clusters] == ["request"]

    def test_a_dry_run_calls_nothing(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        job = in_a_row(sl_job.pre_tasks(), load(sl_job), sl_job.post_tasks())
        assert job.execute_in_process(instance=instance, tags={"starlake/dry_run": "true"}).success
        assert gcp.journal == []

    def test_commands_of_cloud_run_belong_to_a_pool(self, factory):
        sl_job = factory.cloud_run()
        assert load(sl_job).pool == "cloud_run"
        assert load(sl_job, table="other", pool="mine").pool == "mine"
        assert sl_job.dummy_op("start").pool is None
        assert load(factory.cloud_run(cloud_run_pool="ours")).pool == "ours"

    def test_a_pre_load_check_by_command_belongs_to_it_too(self, factory):
        by_command = factory.cloud_run(pre_load_check="command", pre_load_not_ready_sentinel_path="gs://b/s")
        assert {op.pool for op in by_command.sl_pre_load("sales", ["orders"], "imported").iterate_op_defs()} == {
            "cloud_run"
        }
        by_files = factory.cloud_run().sl_pre_load("sales", ["orders"], "pending")
        assert {op.pool for op in by_files.iterate_op_defs()} == {None}

    def test_what_was_materialized_says_where_it_ran(self, factory, gcp, instance):
        for sl_job in (factory.dataproc(), factory.cloud_run()):
            job = JobDefinition(name="a_job", graph_def=GraphDefinition("g", node_defs=[load(sl_job)]))
            result = job.execute_in_process(instance=instance)
            (event,) = result.get_asset_materialization_events()
            metadata = event.step_materialization_data.materialization.metadata
            ids = [one.name for one in (*gcp.spark_jobs, *gcp.executions)]
            assert metadata["starlake/remote_id"].value in ids
            assert metadata["starlake/log"].value.startswith("https://console.cloud.google.com/")


class TestDefects:
    """Defects of the existing package that show in DAG files."""

    def test_g03_no_file_name_makes_a_bad_cluster_or_op(self, factory, gcp, instance):
        shared = factory.shared | SPARK | {"dataproc_endpoint": factory.endpoint}
        sl_job = StarlakeDagsterDataprocJob(options=shared, filename="/dags/My_DAG.v2.py", module_name="My_DAG.v2")
        assert in_a_row(sl_job.pre_tasks(), sl_job.post_tasks()).execute_in_process(instance=instance).success
        (cluster,) = gcp.all_clusters
        assert re.fullmatch(r"dataproc-cluster-my-dag-v2-[0-9a-f]{8}", cluster.name)

    def test_g04_midnight_does_not_rename_a_cluster(self, factory, gcp, instance, monkeypatch):
        """The local date differs between time zones, at any time of any day: midnight passes during the run."""
        sl_job = factory.dataproc()

        class Midnight(Body):
            def events(self, context: OpExecutionContext):
                monkeypatch.setenv("TZ", "Etc/GMT+12")
                time.tzset()
                yield from ()

        monkeypatch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        try:
            before = time.localtime()[:3]
            midnight = OpDefinition(
                Midnight(),
                name="midnight",
                ins={"start": In(Nothing)},
                outs={"result": Out(Nothing, is_required=False)},
            )
            after_midnight = load(sl_job)
            job = JobDefinition(
                name="over_night",
                graph_def=GraphDefinition(
                    "over_night_graph",
                    node_defs=[sl_job.pre_tasks(), midnight, after_midnight, sl_job.post_tasks()],
                    dependencies={
                        "midnight": {"start": DependencyDefinition("create_dataproc_cluster")},
                        after_midnight.name: {"start": DependencyDefinition("create_dataproc_cluster")},
                        "delete_dataproc_cluster": {"start": DependencyDefinition(after_midnight.name)},
                    },
                ),
            )
            assert job.execute_in_process(instance=instance).success
            assert time.localtime()[:3] != before
        finally:
            monkeypatch.undo()
            time.tzset()
        (cluster,) = gcp.all_clusters
        assert cluster.deleted_by == "request"
        assert [spark_job.cluster for spark_job in gcp.spark_jobs] == [cluster.name]

    def test_g05_runs_at_once_have_clusters_of_their_own(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        first = in_a_row(sl_job.pre_tasks(), load(sl_job), name="first").execute_in_process(instance=instance)
        second = in_a_row(sl_job.pre_tasks(), load(sl_job), sl_job.post_tasks(), name="second")
        assert second.execute_in_process(instance=instance).success
        assert first.success
        left, gone = gcp.all_clusters
        assert left.name != gone.name
        assert (left.state, gone.deleted_by) == ("RUNNING", "request")

    def test_g07_the_op_that_deletes_the_cluster_has_an_input(self, factory):
        assert next(iter(factory.dataproc().post_tasks().input_dict)) == "start"
        assert next(iter(factory.dataproc().pre_tasks().output_dict)) == "result"

    def test_g02_a_pre_load_check_that_fails_is_no_skip(self, factory, gcp, instance):
        sl_job = factory.cloud_run(pre_load_check="command", pre_load_not_ready_sentinel_path=str(factory.root))
        pre_load = sl_job.sl_pre_load("wrong", ["orders"], "imported")
        start = sl_job.dummy_op("start")
        dependencies = {pre_load.name: {"domain": DependencyDefinition("start")}}
        graph = GraphDefinition("g02", node_defs=[start, pre_load], dependencies=dependencies)
        result = JobDefinition(name="g02", graph_def=graph).execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        assert [execution.state for execution in gcp.executions] == ["FAILED"]

    @pytest.mark.parametrize("where", ["dataproc", "cloud_run"])
    def test_a_pre_load_check_that_asks_again_gets_another_answer(self, factory, gcp, instance, where):
        """Each is the same command, in the same attempt at the same step."""
        (factory.root / "late").touch()
        options = {"pre_load_check": "command", "ack_poll_interval": 0.01, "ack_wait_timeout": 60}
        sl_job = getattr(factory, where)(pre_load_not_ready_sentinel_path=str(factory.root), **options)
        pre_load = sl_job.sl_pre_load("late", ["orders"], "ack")
        start = sl_job.dummy_op("start")
        dependencies = {pre_load.name: {"domain": DependencyDefinition("start")}}
        graph = GraphDefinition("asks", node_defs=[start, pre_load], dependencies=dependencies)
        assert JobDefinition(name="asks", graph_def=graph).execute_in_process(instance=instance).success
        asked = gcp.spark_jobs if where == "dataproc" else gcp.executions
        assert [one.state in ("DONE", "SUCCEEDED") for one in asked] == [True, True]

    @pytest.mark.parametrize("where", ["dataproc", "cloud_run"])
    def test_a_pre_load_check_whose_answer_nobody_could_see_is_an_error(self, factory, where):
        with pytest.raises(StarlakeError, match=r"pre_load_not_ready_sentinel_path is missing(.|\n)*gs://"):
            getattr(factory, where)(pre_load_check="command")

    @pytest.mark.parametrize(("table", "options"), [("orders", {}), ("slow", {"dataproc_job_wait_timeout": 0.1})])
    def test_g05_a_step_that_fails_for_any_reason_leaves_the_cluster_to_its_siblings(
        self, factory, gcp, instance, table, options
    ):
        """Only an interruption tells that the run is ending; a refusal or a job that takes too long does not."""
        gcp.fault("SubmitJob", "PERMISSION_DENIED", count=int(table == "orders"))
        sl_job = factory.dataproc(**options)
        job = in_a_row(sl_job.pre_tasks(), load(sl_job, table))
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        assert [cluster.state for cluster in gcp.all_clusters] == ["RUNNING"]
        assert not gcp.calls("DeleteCluster")

    def test_m01_a_submitted_job_is_taken_and_waited_for(self, factory, gcp, instance):
        sl_job = factory.dataproc()
        assert in_a_row(sl_job.pre_tasks(), load(sl_job)).execute_in_process(instance=instance).success
        (submitted,) = gcp.calls("SubmitJob")
        assert submitted.outcome == "OK"
        assert submitted.request["job"]["spark_job"]["main_class"] == "ai.starlake.job.Main"
        assert submitted.request["job"]["spark_job"]["jar_file_uris"] == ["gs://jars/starlake.jar"]
        assert [spark_job.state for spark_job in gcp.spark_jobs] == ["DONE"]
        assert gcp.calls("JobController.GetJob")

    def test_a_retry_submits_another_job_and_repeats_the_whole_command(self, factory, gcp, instance):
        (factory.root / "broken").touch()
        sl_job = factory.dataproc(retries=1, retry_delay=0)
        job = in_a_row(sl_job.pre_tasks(), sl_job.sl_transform("a", "kpi.flaky", ins={"start": In(Nothing)}))
        for _ in range(2):  # the second run in the same process runs the whole command, too
            assert job.execute_in_process(instance=instance).success
        assert [spark_job.state for spark_job in gcp.spark_jobs] == ["ERROR", "DONE", "DONE"]
        assert len({spark_job.name for spark_job in gcp.spark_jobs}) == 3
        first, again, second_run = [spark_job.argv[4:] for spark_job in gcp.spark_jobs]
        assert first == again
        assert first[:3] == second_run[:3] == ("transform", "--name", "kpi.flaky")
