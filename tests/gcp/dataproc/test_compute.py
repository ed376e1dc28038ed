"""Compute profiles on Dataproc: the sizes of a Spark job, and clusters of another shape."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.gcp import StarlakeDataprocClusterConfig, StarlakeDataprocMasterConfig, StarlakeDataprocWorkerConfig
from ai.starlake.job import JobOptions, StarlakeSparkConfig
from tests.gcp.dataproc.conftest import PROJECT, Bench
from tests.waiting import all_at_once

COMPUTE = {
    "sparky": {"spark": {"executor_memory": "20g", "driver_memory": "3g", "driver_cores": 2}},
    "small": {"dataproc": {"num_workers": 0, "master_machine_type": "n1-standard-2"}},
    "x_large": {"dataproc": {"worker_machine_type": "n1-standard-16", "num_workers": 9, "worker_disk_size": 900}},
}
PROFILES = JobOptions.read({"compute": COMPUTE}).compute
RUN = "0b5e31d2-0000-4000-8000-000000000001"


@pytest.fixture
def bench(gcp) -> Bench:
    return Bench(gcp, options={"compute": COMPUTE})


def run(bench, profile=None, step="load_sales", executor=None, **more):
    command = bench.transform(step).with_compute(PROFILES[profile] if profile else None)
    return (executor or bench.executor()).run(command, bench.execution(RUN, step, **more))


def clusters(gcp):
    return {view.name: view for view in gcp.all_clusters}


def properties(gcp):
    return dict(gcp.calls("SubmitJob")[-1].request["job"]["spark_job"]["properties"])


def test_spark_has_the_sizes_of_the_profile(bench, gcp):
    result = run(bench, "sparky")
    found = properties(gcp)
    assert found["spark.executor.memory"] == "20g"
    assert found["spark.executor.cores"] == "4", "as the options say"
    assert (found["spark.driver.memory"], found["spark.driver.cores"]) == ("3g", "2")
    assert result.sizes == {"spark.executor_memory": "20g", "spark.driver_memory": "3g", "spark.driver_cores": "2"}
    assert list(clusters(gcp)) == ["dataproc-cluster-0b5e31d2"], "a profile without a shape shares the cluster"


def test_what_code_says_of_spark_counts_more(bench, gcp):
    config = StarlakeSparkConfig(memory="5g", **{"spark.driver.memory": "1g"})
    result = run(bench, "sparky", spark_config=config)
    assert properties(gcp)["spark.executor.memory"] == "5g"
    assert properties(gcp)["spark.driver.memory"] == "1g"
    assert result.sizes["spark.executor_memory"] == "5g"


def test_sizes_that_a_configuration_takes_from_options_count_less(bench, gcp):
    config = StarlakeSparkConfig(options={"spark_executor_memory": "5g", "spark_executor_instances": 7})
    run(bench, "sparky", spark_config=config)
    found = properties(gcp)
    assert (found["spark.executor.memory"], found["spark.executor.instances"]) == ("20g", "7")


def test_each_shape_has_a_cluster_of_its_own_that_steps_of_the_profile_share(bench, gcp):
    executor = bench.executor()
    for profile, step in [("small", "a"), ("x_large", "b"), (None, "c"), ("small", "d")]:
        run(bench, profile, step, executor)
    made = clusters(gcp)
    assert list(made) == [
        "dataproc-cluster-small-0b5e31d2",
        "dataproc-cluster-x-large-0b5e31d2",
        "dataproc-cluster-0b5e31d2",
    ]
    assert [job.cluster_uuid for job in gcp.spark_jobs] == [
        made[name].uuid for name in (*made, "dataproc-cluster-small-0b5e31d2")
    ]
    small, large, usual = made.values()
    assert "worker_config" not in small.config
    assert small.config["master_config"]["machine_type_uri"] == "n1-standard-2"
    assert large.config["worker_config"]["machine_type_uri"] == "n1-standard-16"
    assert large.config["worker_config"]["num_instances"] == 9
    assert large.config["worker_config"]["disk_config"]["boot_disk_size_gb"] == 900
    assert large.config["master_config"] == usual.config["master_config"]
    assert large.labels["starlake-compute"] == "x_large"
    assert "starlake-compute" not in usual.labels
    assert large.config["lifecycle_config"] == usual.config["lifecycle_config"]


def test_the_op_that_ends_a_run_deletes_all_of_them(bench, gcp):
    executor = bench.executor()
    for profile, step in [("small", "a"), ("x_large", "b"), (None, "c")]:
        run(bench, profile, step, executor)
    other = replace(bench.execution(), run_id="11111111-0000-4000-8000-000000000001")
    executor.run(bench.transform("other").with_compute(PROFILES["small"]), other)
    assert executor.delete(bench.execution(RUN, "delete"))
    states = {name: view.state for name, view in clusters(gcp).items()}
    assert states.pop("dataproc-cluster-small-11111111") == "RUNNING"
    assert set(states.values()) == {"DELETED"}
    assert len(states) == 3


def test_without_its_main_cluster_the_others_are_deleted_too(bench, gcp):
    executor = bench.executor()
    run(bench, "small", "a", executor)
    assert executor.delete(bench.execution(RUN, "delete"))
    assert [view.state for view in gcp.all_clusters] == ["DELETED"]
    assert not executor.delete(bench.execution(RUN, "delete"))


def test_the_op_that_begins_a_run_makes_the_cluster_of_the_default_profile(bench, gcp):
    executor = bench.executor(compute_profile="small")
    assert executor.ensure(bench.execution(RUN, "create")) == "dataproc-cluster-small-0b5e31d2"
    run(bench, "small", "a", executor)
    assert len(gcp.all_clusters) == 1
    assert executor.delete(bench.execution(RUN, "delete"))
    assert [view.state for view in gcp.all_clusters] == ["DELETED"]


class Interruption(BaseException):
    """An exception that the orchestrator raises."""


def test_an_interruption_of_the_whole_run_ends_the_clusters_of_all_profiles(bench, gcp):
    executor = bench.executor()
    run(bench, "small", "a", executor)

    def interrupt(message):
        if "RUNNING" in message and "Spark job" in message:
            raise Interruption

    bench.report.on_info = interrupt
    command = bench.transform("sleep=600").with_compute(PROFILES["x_large"])
    with pytest.raises(Interruption):
        executor.run(command, bench.execution(RUN, "b", run_is_ending=lambda: True))
    gcp.wait_for(lambda gcp: all(view.state == "DELETED" for view in gcp.all_clusters))
    assert len(gcp.all_clusters) == 2
    assert gcp.spark_jobs[-1].cancelled == 1


def test_a_sweep_after_a_killed_run_ends_them_all(bench, gcp):
    executor = bench.executor()
    for profile, step in [("small", "a"), ("x_large", "b")]:
        run(bench, profile, step, executor)
    ended = executor.sweep(bench.execution(RUN, ""))
    assert sorted(ended) == ["cluster dataproc-cluster-small-0b5e31d2", "cluster dataproc-cluster-x-large-0b5e31d2"]
    gcp.wait_for(lambda gcp: all(view.state == "DELETED" for view in gcp.all_clusters))


def test_steps_of_a_profile_that_begin_together_make_one_cluster(bench, gcp):
    executor = bench.executor()
    all_at_once(*(partial(run, bench, "small", f"step{n}", executor) for n in range(3)))
    assert [job.state for job in gcp.spark_jobs] == ["DONE"] * 3
    assert len(gcp.all_clusters) == 1


def test_runs_that_share_a_cluster_share_one_of_each_shape(bench, gcp):
    executor = bench.executor(dataproc_cluster_name="shared")
    run(bench, "small", "a", executor)
    executor.run(bench.transform("b").with_compute(PROFILES["small"]), bench.execution())
    assert list(clusters(gcp)) == ["shared-small"]
    executor.delete(bench.execution(RUN, "delete"))
    assert [view.state for view in gcp.all_clusters] == ["DELETED"]


class TestShapes:
    def config(self, profile, *, master=None, workers=None, **options):
        known = StarlakeDataprocClusterConfig(
            master_config=master,
            worker_config=workers,
            options={"dataproc_project_id": PROJECT, **options},
            **{"spark:x": "1"},
        )
        return known.sized(
            JobOptions.read({"compute": {"p": {"dataproc": profile}}}).compute["p"].dataproc
        ).__config__()

    def test_a_shape_lies_over_what_code_and_options_say(self):
        found = self.config(
            {"master_machine_type": "big", "num_workers": 7, "worker_disk_type": "pd-ssd"},
            master=StarlakeDataprocMasterConfig("mine", options={}, num_instances=3, accelerators=[]),
            workers=StarlakeDataprocWorkerConfig(2, "theirs", options={}, preemptibility="SPOT"),
            dataproc_cluster_config={"master_config": {"machine_type_uri": "overlaid"}},
        )
        assert found["master_config"]["machine_type_uri"] == "big"
        assert found["master_config"]["num_instances"] == 3
        workers = found["worker_config"]
        assert (workers["machine_type_uri"], workers["num_instances"], workers["preemptibility"]) == (
            "theirs",
            7,
            "SPOT",
        )
        assert workers["disk_config"]["boot_disk_type"] == "pd-ssd"
        assert found["software_config"]["properties"]["spark:x"] == "1"

    def test_a_single_node_gets_workers_and_workers_go(self):
        grown = self.config({"num_workers": 2}, dataproc_num_workers=0)
        assert grown["worker_config"]["num_instances"] == 2
        assert "dataproc:dataproc.allow.zero.workers" not in grown["software_config"]["properties"]
        shrunk = self.config({"num_workers": 0})
        assert "worker_config" not in shrunk
        assert shrunk["software_config"]["properties"]["dataproc:dataproc.allow.zero.workers"] == "true"

    def test_secondary_workers_come_and_go(self):
        assert self.config({"num_secondary_workers": 5})["secondary_worker_config"]["num_instances"] == 5
        assert "secondary_worker_config" not in self.config(
            {"num_secondary_workers": 0}, dataproc_num_secondary_workers=3
        )

    def test_a_shape_that_cannot_be_is_an_error(self):
        with pytest.raises(StarlakeError, match="a cluster of a single node cannot have secondary workers"):
            self.config({"num_workers": 0, "num_secondary_workers": 2})

    def test_an_empty_shape_changes_nothing(self):
        known = StarlakeDataprocClusterConfig(options={"dataproc_project_id": PROJECT})
        assert known.sized(PROFILES["sparky"].dataproc) is known
