"""`__dataproc__`: the cluster as a resource of dagster-gcp, in ops that users write themselves."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import dagster_gcp
import pytest
from dagster import job, op

from ai.starlake.common import StarlakeError


def submission(client, table="orders"):
    spark_job = {"mainClass": "ai.starlake.job.Main", "args": ["load", "--tables", table]}
    return {"job": {"placement": {"clusterName": client.cluster_name}, "sparkJob": spark_job}}


@pytest.fixture
def resource(factory):
    return factory.dataproc(cluster_id="sales").__dataproc__


def test_it_is_one_of_dagster_gcps(resource):
    assert isinstance(resource, dagster_gcp.DataprocResource)
    assert (resource.cluster_name, resource.region) == ("dataproc-cluster-sales", "europe-west1")
    assert resource.cluster_config_dict["software_config"]["image_version"] == "2.2-debian12"


def test_its_client_makes_a_cluster_runs_a_job_and_deletes_the_cluster(resource, gcp):
    with resource.get_client().cluster_context_manager() as client:
        assert client.get_cluster()["status"]["state"] == "RUNNING"
        submitted = client.submit_job(submission(client))
        assert submitted["status"]["state"] == "PENDING"
        job_id = submitted["reference"]["jobId"]
        client.wait_for_job(job_id)
        assert client.get_job(job_id)["status"]["state"] == "DONE"
    gcp.wait_for(lambda gcp: not gcp.clusters)
    assert client.delete_cluster() == {}
    with pytest.raises(StarlakeError, match="there is no cluster dataproc-cluster-sales"):
        client.get_cluster()


def test_a_cluster_that_is_there_is_taken(resource, gcp):
    resource.get_client().create_cluster()
    resource.get_client().create_cluster()
    assert len(gcp.calls("CreateCluster")) == 1


def test_a_cluster_that_does_not_come_up_is_an_error_at_once_and_goes(resource, gcp):
    gcp.fail_clusters()
    with pytest.raises(StarlakeError, match=r"could not be created(.|\n)*quota"):
        resource.get_client().create_cluster()
    gcp.wait_for(lambda gcp: not gcp.clusters)


def test_steps_that_begin_together_make_one_cluster_and_none_takes_it_away(resource, gcp):
    # neither creates it before both have seen that it is missing
    gcp.fault("GetCluster", "OK", when="after", count=2, together=2)
    with ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(resource.get_client().create_cluster) for _ in range(2)]:
            made.result(30)
    assert [call.outcome for call in gcp.calls("CreateCluster")] == ["OK", "ALREADY_EXISTS"]
    assert [cluster.state for cluster in gcp.all_clusters] == ["RUNNING"]
    assert not gcp.calls("DeleteCluster")


def test_an_interruption_of_the_wait_cancels_the_job(resource, gcp, monkeypatch):
    class Interruption(BaseException):
        pass

    def interrupt(progress, state):
        if state == "RUNNING":
            raise Interruption

    client = resource.get_client()
    client.create_cluster()
    slow = client.submit_job(submission(client, "slow"))["reference"]["jobId"]
    gcp.wait_for(lambda gcp: gcp.spark_jobs[-1].state == "RUNNING")
    monkeypatch.setattr("ai.starlake.executor.remote.progress.Progress.see", interrupt)
    with pytest.raises(Interruption):
        client.wait_for_job(slow)
    gcp.wait_for(lambda gcp: gcp.spark_jobs[-1].state == "CANCELLED")
    assert gcp.spark_jobs[-1].cancelled == 1


def test_a_job_that_fails_or_takes_too_long_is_an_error(resource, gcp):
    client = resource.get_client()
    client.create_cluster()
    failing = client.submit_job(submission(client, "wrong"))["reference"]["jobId"]
    with pytest.raises(StarlakeError, match=f"job {failing} ended in state ERROR"):
        client.wait_for_job(failing)
    slow = client.submit_job(submission(client, "slow"))["reference"]["jobId"]
    with pytest.raises(StarlakeError, match=r"took longer than 0\.1 s"):
        client.wait_for_job(slow, wait_timeout=0.1)
    client.cancel_job(slow)
    gcp.wait_for(lambda gcp: gcp.spark_jobs[-1].state == "CANCELLED")


def test_within_an_op_it_is_the_cluster_of_the_run(factory, gcp, instance):
    sl_job = factory.dataproc()
    pre, post = sl_job.pre_tasks(), sl_job.post_tasks()

    @op
    def my_own(context, made):
        client = sl_job.__dataproc__.get_client()
        client.wait_for_job(client.submit_job(submission(client))["reference"]["jobId"])
        return client.cluster_name

    @job
    def with_an_op_of_ones_own():
        post(start=my_own(pre()))

    result = with_an_op_of_ones_own.execute_in_process(instance=instance)
    (cluster,) = gcp.all_clusters
    assert result.output_for_node("my_own") == cluster.name
    assert (cluster.labels["starlake-run-id"], cluster.deleted_by) == (result.run_id, "request")
    assert [job.labels["starlake-run-id"] for job in gcp.spark_jobs] == [result.run_id]


def test_without_the_package_the_error_names_the_extra(factory, monkeypatch):
    monkeypatch.setitem(sys.modules, "dagster_gcp", None)
    for name in [name for name in sys.modules if name.startswith("ai.starlake.dagster.gcp.resource")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(StarlakeError, match=r"starlake-jobs\[dagster-gcp\]"):
        _ = factory.dataproc().__dataproc__
