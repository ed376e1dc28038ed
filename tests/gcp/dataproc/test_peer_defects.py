"""Defects of the package that users know, which must not be here; each test is named after one."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from ai.starlake.common.secrets import EnvironmentReference
from ai.starlake.executor.remote import RemoteCommandFailedError, RunIdentity
from ai.starlake.gcp import StarlakeDataprocClusterConfig
from ai.starlake.gcp.dataproc.resource_names import cluster_name, is_cluster_name
from tests.waiting import meanwhile


def test_g03_a_file_with_a_dot_in_its_name_makes_a_valid_cluster():
    config = StarlakeDataprocClusterConfig.from_module("My_DAG.v2.py", "no_module", {"dataproc_project_id": "p"})
    assert is_cluster_name(cluster_name(config.dataproc_name, config.cluster_id, str(uuid.uuid4())))


def test_g03_the_idle_limit_is_a_duration_that_strict_json_accepts():
    from google.cloud import dataproc_v1
    from google.protobuf import json_format

    fields = StarlakeDataprocClusterConfig(options={"dataproc_project_id": "p"}).__config__()
    assert fields["lifecycle_config"]["idle_delete_ttl"] == "3600s"
    json_format.ParseDict(fields, dataproc_v1.ClusterConfig.pb(dataproc_v1.ClusterConfig()))


def test_g03_no_argument_is_needed_but_the_options():
    assert StarlakeDataprocClusterConfig(options={"dataproc_project_id": "p"}).cluster_id is None


def test_g04_the_name_of_the_cluster_does_not_change_at_midnight(bench, gcp, monkeypatch):
    """Nor from process to process: it depends on the run alone."""
    import datetime

    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + datetime.timedelta(days=1)

    execution = bench.execution()
    name = bench.executor().ensure(execution)
    monkeypatch.setattr(datetime, "datetime", Tomorrow)
    bench.executor().run(bench.load(), execution)
    bench.executor().delete(execution)
    assert [view.name for view in gcp.all_clusters] == [name]
    assert gcp.clusters == {}


def test_g05_two_runs_at_once_have_clusters_of_their_own(bench, gcp, tmp_path):
    one, other = bench.execution(), bench.execution()
    executor = bench.executor()
    executor.ensure(one)
    executor.ensure(other)
    with meanwhile(lambda: bench.executor().run(bench.load(f"until={tmp_path}/end"), other)):
        try:
            gcp.wait_for(lambda gcp: any(job.state == "RUNNING" for job in gcp.spark_jobs))
            executor.delete(one)
        finally:
            (tmp_path / "end").touch()
    assert [job.state for job in gcp.spark_jobs] == ["DONE"]
    assert [view.labels["starlake-run-id"] for view in gcp.clusters.values()] == [other.run_id]


def test_g05_a_load_that_fails_leaves_no_cluster_that_nobody_deletes(bench, gcp):
    execution = bench.execution()
    with pytest.raises(RemoteCommandFailedError):
        bench.executor().run(bench.load("exit=1"), execution)
    clusters = bench.clusters()
    for cluster in clusters.of_run(execution.root):
        clusters.remove(cluster)
    assert gcp.clusters == {}


def test_g05_a_run_that_dies_leaves_its_cluster_to_its_limits(bench, gcp):
    bench.executor().ensure(bench.execution())
    gcp.advance(3601)
    gcp.wait_for(lambda gcp: not gcp.clusters)
    assert gcp.all_clusters[0].deleted_by == "idle_ttl"


def test_g05_a_re_execution_uses_the_cluster_of_its_first_run(bench, gcp):
    first = bench.execution()
    again = replace(bench.execution(), root_run_id=first.run_id, resumed=True)
    clusters = bench.clusters()
    assert clusters.name_for(RunIdentity.of(first)) == clusters.name_for(RunIdentity.of(again))


def test_m02_every_variable_of_sl_env_var_reaches_driver_and_executors(bench, gcp, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    asked_for = {
        "SL_ENV": "PROD",
        "MY_OWN": "a b,c=d $x",
        "SL_ROOT": "gcs://b/p",
        "DB_TOKEN": EnvironmentReference("MY_TOKEN"),
    }
    bench.executor(sl_env_var={**asked_for}).run(bench.load(**asked_for), bench.execution())
    [job] = gcp.spark_jobs
    expected = {**asked_for, "SL_ROOT": "gs://b/p", "DB_TOKEN": "s3cret"}
    for prefix in ("spark.executorEnv.", "spark.yarn.appMasterEnv."):
        assert {name: job.properties[f"{prefix}{name}"] for name in expected} == expected
    assert {name: job.env[name] for name in expected} == expected
    of_cluster = gcp.all_clusters[0].config["software_config"]["properties"]
    assert of_cluster["spark-env:SL_ENV"] == "PROD"
    assert "s3cret" not in str(of_cluster)
