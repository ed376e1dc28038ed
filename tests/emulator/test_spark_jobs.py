"""JobController, as Google's client sees it over gRPC and over REST."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import dataproc_v1
from hypothesis import given
from hypothesis import strategies as st

from starlake_gcp_emulator import GcpEmulator
from starlake_gcp_emulator.errors import RpcError
from starlake_gcp_emulator.state import checks
from tests.held_services import held
from tests.waiting import PATIENCE

State = dataproc_v1.JobStatus.State
PLACE = {"project_id": "p", "region": "europe-west1"}


@pytest.fixture
def cluster(grpc_api: Any) -> None:
    grpc_api.create().result(timeout=60)


def until(gcp: GcpEmulator, state: str, number: int = 0) -> Any:
    gcp.wait_for(lambda gcp: gcp.spark_jobs[number].state == state, timeout=60)
    return gcp.spark_jobs[number]


@pytest.mark.usefixtures("cluster")
def test_a_job_runs_the_command_and_leaves_its_output(api: Any, gcp: GcpEmulator, read: Callable[[str], str]) -> None:
    submitted = api.submit("say", "two words", "", "ünï", job_id="j-1", labels={"a": "b"})
    assert submitted.status.state == State.PENDING
    assert submitted.reference.job_id == "j-1"
    assert submitted.placement.cluster_uuid == gcp.clusters["c"].uuid
    view = until(gcp, "DONE")
    assert (view.name, view.exit_code, view.output, view.labels) == ("j-1", 0, ("two words  ünï",), {"a": "b"})
    assert view.argv[-4:] == ("say", "two words", "", "ünï")
    job = api.job("j-1")
    assert [one.state for one in job.status_history] == [State.PENDING, State.SETUP_DONE, State.RUNNING]
    assert job.status.state == State.DONE
    assert job.done
    assert read(f"{job.driver_output_resource_uri}.000000000") == "two words  ünï\n"


@pytest.mark.usefixtures("cluster")
def test_a_job_that_fails_says_where_its_output_is(api: Any, gcp: GcpEmulator, read: Callable[[str], str]) -> None:
    job_id = api.submit("fail").reference.job_id
    assert until(gcp, "ERROR").exit_code == 3
    job = api.job(job_id)
    assert job.driver_output_resource_uri in job.status.details
    assert read(f"{job.driver_output_resource_uri}.000000000") == "it does not work\n"


@pytest.mark.usefixtures("cluster")
def test_a_class_that_does_not_exist_and_a_command_that_cannot_start_fail_the_job(
    grpc_api: Any, gcp: GcpEmulator, connect: Any
) -> None:
    grpc_api.submit("say", spark={"main_class": "ai.starlake.job.Mian"})
    assert "ClassNotFoundException: ai.starlake.job.Mian" in until(gcp, "ERROR").output[0]
    with GcpEmulator(("/no/such/command",), speed=3000, main_class=None) as other:
        api = connect(other)
        api.create().result(timeout=60)
        api.submit("say", spark={"main_class": "any.Main"})
        assert until(other, "ERROR").exit_code == 127
        assert "/no/such/command" in other.spark_jobs[0].output[0]


@pytest.mark.usefixtures("cluster")
def test_properties_set_the_environment_of_the_driver(grpc_api: Any, gcp: GcpEmulator) -> None:
    properties = {"spark.executorEnv.SL_A": "executors", "spark.yarn.appMasterEnv.SL_A": "driver", "spark.x": "y"}
    grpc_api.submit("tell", "SL_A", spark={"properties": properties})
    view = until(gcp, "DONE")
    assert view.output == ("driver",)
    assert view.env == {"SL_A": "driver"}
    assert view.properties == properties


def test_properties_of_the_cluster_set_it_too_and_those_of_the_job_come_first(grpc_api: Any, gcp: GcpEmulator) -> None:
    properties = {
        "spark-env:SL_A": "cluster",
        "spark:spark.executorEnv.SL_B": "cluster",
        "spark:spark.executorEnv.SL_C": "cluster",
        "yarn:x": "y",
    }
    grpc_api.create(software_config={"properties": properties}).result(timeout=60)
    grpc_api.submit("say", spark={"properties": {"spark.executorEnv.SL_C": "job"}})
    assert until(gcp, "DONE").env == {"SL_A": "cluster", "SL_B": "cluster", "SL_C": "job"}


@pytest.mark.usefixtures("cluster")
def test_the_same_request_id_is_the_same_job_and_the_same_job_id_is_refused(api: Any, gcp: GcpEmulator) -> None:
    first = api.submit("say", "a", job_id="one", request_id="r")
    assert api.submit("say", "a", job_id="one", request_id="r").job_uuid == first.job_uuid
    with pytest.raises(exceptions.Conflict):
        api.submit("say", "a", job_id="one", request_id="another")
    until(gcp, "DONE")
    with pytest.raises(exceptions.Conflict):
        api.submit("say", "a", job_id="one")
    assert len(gcp.spark_jobs) == 1


@pytest.mark.usefixtures("cluster")
def test_cancelling_ends_the_process_and_all_that_it_started(
    api: Any, gcp: GcpEmulator, gone: Callable[[int], bool]
) -> None:
    api.submit("hang", job_id="j")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].output)
    group = int(gcp.spark_jobs[0].output[0])
    assert api.cancel("j").status.state == State.CANCEL_PENDING
    view = until(gcp, "CANCELLED")
    assert gone(group)
    assert (view.cancelled, view.exit_code) == (1, None)
    assert State.CANCEL_STARTED in [one.state for one in api.job("j").status_history]
    with pytest.raises(exceptions.BadRequest) as caught:
        api.cancel("j")
    assert "cancellable states: '[PENDING, RUNNING]'" in str(caught.value)
    assert gcp.spark_jobs[0].cancelled == 1


@pytest.mark.usefixtures("cluster")
def test_a_job_can_be_cancelled_before_it_runs_but_not_between(grpc_api: Any, gcp: GcpEmulator) -> None:
    with held(gcp):
        grpc_api.submit("fail", job_id="pending")
        grpc_api.cancel("pending")
    until(gcp, "CANCELLED")
    with held(gcp) as steps:
        grpc_api.submit("fail", job_id="set-up")
        steps.let_one_go()
        until(gcp, "SETUP_DONE", 1)
        with pytest.raises(exceptions.FailedPrecondition):
            grpc_api.cancel("set-up")
    until(gcp, "ERROR", 1)
    assert [view.exit_code for view in gcp.spark_jobs] == [None, 3]


def test_jobs_need_a_cluster_that_runs(grpc_api: Any, gcp: GcpEmulator) -> None:
    with pytest.raises(exceptions.NotFound):
        grpc_api.submit("say")
    with held(gcp):
        creation = grpc_api.create()
        with pytest.raises(exceptions.FailedPrecondition):
            grpc_api.submit("say")
    creation.result(timeout=60)
    with held(gcp):
        update = grpc_api.update(["labels"], labels={"a": "b"})
        grpc_api.submit("say")
    update.result(timeout=60)
    with held(gcp):
        grpc_api.delete()
        with pytest.raises(exceptions.FailedPrecondition):
            grpc_api.submit("say")
    assert len(gcp.spark_jobs) == 1


@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_is_deleted_takes_its_jobs_with_it(
    api: Any, gcp: GcpEmulator, gone: Callable[[int], bool]
) -> None:
    api.submit("hang")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].output)
    api.delete().result(timeout=60)
    view = until(gcp, "ERROR")
    assert "deleted" in view.detail
    assert view.cancelled == 0
    assert gone(int(view.output[0]))


@pytest.mark.usefixtures("cluster")
def test_drivers_are_begun_again_as_often_as_the_job_allows(grpc_api: Any, gcp: GcpEmulator, tmp_path: Path) -> None:
    grpc_api.submit("once", str(tmp_path / "a"), "2", scheduling={"max_failures_per_hour": 2})
    view = until(gcp, "DONE")
    assert view.attempt == 2
    history = [one.state for one in grpc_api.job(view.name).status_history]
    assert history.count(State.ATTEMPT_FAILURE) == 2
    grpc_api.submit("once", str(tmp_path / "b"), "2", scheduling={"max_failures_per_hour": 1})
    assert until(gcp, "ERROR", 1).attempt == 1


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "no spaces"},
        {"job_id": "a" * 101},
        {"request_id": "a" * 41},
        {"labels": {"A": "b"}},
        {"scheduling": {"max_failures_per_hour": 11}},
        {"spark": {"main_class": ""}},
    ],
)
def test_jobs_that_dataproc_refuses_are_refused(api: Any, gcp: GcpEmulator, change: dict[str, Any]) -> None:
    with pytest.raises(exceptions.BadRequest):
        api.submit("say", **change)
    assert gcp.spark_jobs == []


@pytest.mark.usefixtures("cluster")
def test_other_kinds_of_jobs_are_said_not_to_be_emulated(grpc_api: Any) -> None:
    job = {"placement": {"cluster_name": "c"}, "pyspark_job": {"main_python_file_uri": "gs://b/x.py"}}
    with pytest.raises(exceptions.MethodNotImplemented):
        grpc_api.jobs.submit_job(request={**PLACE, "job": job})


@given(st.text(alphabet="aZ09_-. é", max_size=102))
def test_a_job_id_is_refused_unless_it_has_the_documented_form(job_id: str) -> None:
    allowed = 0 < len(job_id) <= 100 and all(char.isascii() and (char.isalnum() or char in "_-") for char in job_id)
    try:
        checks.job_id(job_id)
    except RpcError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.usefixtures("cluster")
def test_lists_are_filtered_and_labels_can_be_updated(api: Any, gcp: GcpEmulator) -> None:
    api.submit("say", job_id="a", labels={"run": "1"})
    until(gcp, "DONE")
    api.submit("hang", job_id="b", labels={"run": "1"})
    until(gcp, "RUNNING", 1)

    def names(**asked: Any) -> list[str]:
        return [job.reference.job_id for job in api.jobs.list_jobs(request={**PLACE, **asked})]

    assert names() == ["a", "b"]
    assert names(page_size=1) == ["a", "b"]
    assert names(cluster_name="c") == ["a", "b"]
    assert names(cluster_name="d") == []
    assert names(job_state_matcher="ACTIVE") == ["b"]
    assert names(job_state_matcher="NON_ACTIVE") == ["a"]
    assert names(filter="status.state = ACTIVE AND labels.run = 1") == ["b"]
    assert names(filter="status.state = DONE") == ["a"]
    assert names(filter="labels.run = 2") == []
    with pytest.raises(exceptions.BadRequest):
        names(filter="clusterName = c")

    def update(*paths: str) -> Any:
        request = {"job_id": "b", "job": {"labels": {"run": "2"}}, "update_mask": {"paths": paths}}
        return api.jobs.update_job(request={**PLACE, **request})

    assert dict(update("labels").labels) == {"run": "2"}
    assert names(filter="labels.run = 2") == ["b"]
    with pytest.raises(exceptions.BadRequest):
        update("spark_job")


@pytest.mark.usefixtures("cluster")
def test_only_jobs_that_ended_can_be_deleted(api: Any, gcp: GcpEmulator) -> None:
    api.submit("hang", job_id="j")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].output)
    with pytest.raises(exceptions.BadRequest):
        api.jobs.delete_job(**PLACE, job_id="j")
    api.cancel("j")
    until(gcp, "CANCELLED")
    api.jobs.delete_job(**PLACE, job_id="j")
    with pytest.raises(exceptions.NotFound):
        api.job("j")
    assert len(gcp.spark_jobs) == 1


@pytest.mark.usefixtures("cluster")
def test_output_is_seen_while_the_driver_runs_and_goes_on_in_a_further_object_after_a_megabyte(
    connect: Any, read: Callable[[str], str], gcp: GcpEmulator
) -> None:
    with GcpEmulator(
        ("/bin/sh", "-c", 'yes "$1" | head -c 3000000; sleep 0.6; echo seen; sleep 600', "sh"), grace=1
    ) as other:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        api = connect(other)
        api.create().result(timeout=60)
        job = api.submit("y" * 99, job_id="j")
        other.wait_for(lambda gcp: gcp.spark_jobs[0].output[-1:] == ("seen",))
        place = {"client_options": {"api_endpoint": other.storage_endpoint}, "credentials": AnonymousCredentials()}
        bucket, _, prefix = job.driver_output_resource_uri.removeprefix("gs://").partition("/")
        deadline = time.monotonic() + PATIENCE
        text = ""
        while "seen" not in text and time.monotonic() < deadline:
            blobs = sorted(storage.Client(project="p", **place).list_blobs(bucket, prefix=prefix), key=lambda b: b.name)
            text = "".join(blob.download_as_bytes().decode() for blob in blobs)
        assert text.endswith("seen\n")
        assert text.count("y") == 2970000
        assert len(blobs) > 1
        assert blobs[0].name.endswith("driveroutput.000000000")
