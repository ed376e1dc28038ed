"""ClusterController, as Google's client sees it over gRPC and over REST."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import dataproc_v1
from hypothesis import given
from hypothesis import strategies as st

from starlake_gcp_emulator import GcpEmulator, ManualClock
from starlake_gcp_emulator.errors import RpcError
from starlake_gcp_emulator.state import checks
from tests.held_services import held

State = dataproc_v1.ClusterStatus.State
PLACE = {"project_id": "p", "region": "europe-west1"}


def test_a_cluster_is_created_runs_and_is_deleted(api: Any, gcp: GcpEmulator) -> None:
    creation = api.create(labels={"team": "a"})
    assert api.get().status.state in {State.CREATING, State.RUNNING}
    made = creation.result(timeout=60)
    assert made.status.state == State.RUNNING
    assert [status.state for status in made.status_history] == [State.CREATING]
    assert made.labels["team"] == "a"
    assert made.labels["goog-dataproc-cluster-name"] == "c"
    assert made.config.config_bucket
    assert creation.metadata.cluster_uuid == made.cluster_uuid
    with held(gcp):
        deletion = api.delete()
        assert gcp.clusters["c"].state == "DELETING"
    deletion.result(timeout=60)
    assert gcp.clusters == {}
    (view,) = gcp.all_clusters
    assert (view.state, view.deleted_by, view.uuid) == ("DELETED", "request", made.cluster_uuid)
    with pytest.raises(exceptions.NotFound):
        api.get()


def test_a_request_that_is_sent_again_with_its_id_is_answered_by_the_same_operation(
    grpc_api: Any, gcp: GcpEmulator
) -> None:
    first = grpc_api.create(request_id="r-1")
    again = grpc_api.create(request_id="r-1")
    assert first.operation.name == again.operation.name
    assert len(gcp.all_clusters) == 1
    first.result(timeout=60)
    one = grpc_api.delete(request_id="d-1")
    two = grpc_api.delete(request_id="d-1")
    assert one.operation.name == two.operation.name


def test_names_are_taken_until_the_cluster_is_gone(api: Any) -> None:
    api.create().result(timeout=60)
    with pytest.raises(exceptions.Conflict) as caught:
        api.create(request_id="another")
    assert caught.value.code == 409
    api.delete().result(timeout=60)
    api.create().result(timeout=60)


def test_names_are_taken_in_their_region_and_project_alone(grpc_api: Any, gcp: GcpEmulator) -> None:
    grpc_api.create().result(timeout=60)
    elsewhere = {"project_id": "p", "region": "us-east1", "cluster": {"cluster_name": "c"}}
    grpc_api.clusters.create_cluster(request=elsewhere)
    assert [view.region for view in gcp.all_clusters] == ["europe-west1", "us-east1"]
    with pytest.raises(exceptions.NotFound):
        grpc_api.clusters.get_cluster(project_id="q", region="us-east1", cluster_name="c")


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("C", {}),
        ("9c", {}),
        ("c-", {}),
        ("c" * 52, {}),
        ("c", {"software_config": {"image_version": "2.2-debian1"}}),
        ("c", {"lifecycle_config": {"idle_delete_ttl": {"seconds": 299}}}),
        ("c", {"lifecycle_config": {"idle_delete_ttl": {"seconds": 14 * 86400 + 1}}}),
        ("c", {"lifecycle_config": {"auto_delete_ttl": {"seconds": 599}}}),
        ("c", {"worker_config": {"num_instances": 1}}),
        ("c", {"master_config": {"num_instances": 2}}),
        (
            "c",
            {
                "worker_config": {"num_instances": 2},
                "software_config": {"properties": {"dataproc:dataproc.allow.zero.workers": "true"}},
            },
        ),
    ],
)
def test_clusters_that_dataproc_refuses_are_refused(
    api: Any, gcp: GcpEmulator, name: str, config: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.BadRequest):  # of which InvalidArgument is one
        api.create(name, **config)
    assert gcp.all_clusters == []


@pytest.mark.parametrize("labels", [{"Team": "a"}, {"team": "A"}, {"1": "a"}, {"a" * 64: "a"}, {"a b": "c"}])
def test_labels_that_google_refuses_are_refused(grpc_api: Any, labels: dict[str, str]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        grpc_api.create(labels=labels)


@given(st.text(alphabet="abz-019AZ_é", max_size=54))
def test_a_name_is_refused_unless_it_has_the_documented_form(name: str) -> None:
    allowed = (
        0 < len(name) <= 51
        and all(char in "abcdefghijklmnopqrstuvwxyz0123456789-" for char in name)
        and name[0].isalpha()
        and name[-1] != "-"
    )
    try:
        checks.cluster_name(name)
    except RpcError:
        assert not allowed
    else:
        assert allowed


def test_a_quota_that_is_exceeded_leaves_a_cluster_in_error(api: Any, gcp: GcpEmulator) -> None:
    gcp.fail_clusters()
    with pytest.raises(exceptions.GoogleAPICallError, match="CPUS"):
        api.create().result(timeout=60)
    assert api.get().status.state == State.ERROR
    with pytest.raises(exceptions.GoogleAPICallError):
        api.submit("say", "hello")
    api.delete().result(timeout=60)
    api.create().result(timeout=60)


def test_a_cluster_may_be_deleted_while_it_is_being_created(grpc_api: Any, gcp: GcpEmulator) -> None:
    with held(gcp):
        creation = grpc_api.create()
        deletion = grpc_api.delete()
        with pytest.raises(exceptions.FailedPrecondition):
            grpc_api.delete()
        with pytest.raises(exceptions.GoogleAPICallError):
            creation.result(timeout=60)
    deletion.result(timeout=60)
    assert [view.state for view in gcp.all_clusters] == ["DELETED"]


def test_a_uuid_keeps_a_namesake_from_being_deleted(api: Any, gcp: GcpEmulator) -> None:
    api.create().result(timeout=60)
    with pytest.raises(exceptions.NotFound):
        api.delete(cluster_uuid="00000000-0000-0000-0000-000000000000")
    api.delete(cluster_uuid=gcp.clusters["c"].uuid).result(timeout=60)


def test_labels_workers_and_lifetimes_can_be_updated(api: Any, gcp: GcpEmulator, clock: ManualClock) -> None:
    api.create(labels={"a": "1"}, lifecycle_config={"auto_delete_ttl": {"seconds": 3600}}).result(timeout=60)
    update = api.update(
        ["labels", "config.lifecycle_config.idle_delete_ttl"],
        labels={"b": "2"},
        config={"lifecycle_config": {"idle_delete_ttl": {"seconds": 300}}},
    )
    updated = update.result(timeout=60)
    assert updated.status.state == State.RUNNING
    assert State.UPDATING in [status.state for status in updated.status_history]
    assert "a" not in updated.labels
    assert updated.labels["b"] == "2"
    assert updated.labels["goog-dataproc-cluster-name"] == "c"
    assert gcp.clusters["c"].config["lifecycle_config"] == {"idle_delete_ttl": "300s", "auto_delete_ttl": "3600s"}
    gcp.advance(300)
    assert gcp.clusters["c"].deleted_by == "idle_ttl"


@pytest.mark.parametrize("paths", [[], ["config.master_config"], ["cluster_name"]])
def test_nothing_else_can_be_updated(grpc_api: Any, paths: list[str]) -> None:
    grpc_api.create().result(timeout=60)
    with pytest.raises(exceptions.InvalidArgument):
        grpc_api.update(paths)


def test_lists_are_filtered_by_state_and_label_and_come_in_pages(api: Any, gcp: GcpEmulator) -> None:
    for number in range(5):
        api.create(f"c{number}", labels={"run": f"r{number % 2}"}).result(timeout=60)
    gcp.fail_clusters()
    api.create("broken", labels={"run": "r0"})
    gcp.wait_for(lambda gcp: gcp.clusters["broken"].state == "ERROR")

    def names(text: str, **rest: Any) -> list[str]:
        return [one.cluster_name for one in api.clusters.list_clusters(request={**PLACE, "filter": text, **rest})]

    assert names("") == ["c0", "c1", "c2", "c3", "c4", "broken"]
    assert names("", page_size=2) == names("")  # three pages, then one
    assert len(gcp.calls("ListClusters")) == 1 + 3 + 1
    assert names("labels.run = r1") == ["c1", "c3"]
    assert names("status.state = ACTIVE AND labels.run = r0") == ["c0", "c2", "c4"]
    assert names("status.state = INACTIVE") == ["broken"]
    assert names("status.state=ERROR AND clusterName = broken AND labels.run = *") == ["broken"]
    for wrong in ("colour = red", "labels.run", "labels.run = a labels.run = b", "status.state = HAPPY"):
        with pytest.raises(exceptions.BadRequest):
            names(wrong)


def test_a_filter_is_read_where_there_is_nothing_to_list(grpc_api: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        grpc_api.clusters.list_clusters(request={**PLACE, "filter": "labels.run"})
    with pytest.raises(exceptions.InvalidArgument):
        grpc_api.jobs.list_jobs(request={**PLACE, "filter": "="})


def test_idle_time_begins_when_the_cluster_runs_and_no_job_is_active(
    grpc_api: Any, gcp: GcpEmulator, clock: ManualClock
) -> None:
    grpc_api.create(lifecycle_config={"idle_delete_ttl": {"seconds": 600}}).result(timeout=60)
    gcp.advance(599)
    assert gcp.clusters["c"].state == "RUNNING"
    grpc_api.submit("hang", job_id="j")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].output)
    gcp.advance(7200)
    assert gcp.clusters["c"].state == "RUNNING"
    grpc_api.cancel("j")
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
    gcp.advance(599)
    assert gcp.clusters["c"].state == "RUNNING"
    gcp.advance(1)
    gcp.wait_for(lambda gcp: not gcp.clusters)
    assert gcp.all_clusters[0].deleted_by == "idle_ttl"


def test_the_age_counts_from_the_request_and_also_ends_clusters_that_failed(
    grpc_api: Any, gcp: GcpEmulator, clock: ManualClock
) -> None:
    lifetimes = {"idle_delete_ttl": {"seconds": 300}, "auto_delete_ttl": {"seconds": 3600}}
    gcp.fail_clusters()
    grpc_api.create(lifecycle_config=lifetimes)
    gcp.wait_for(lambda gcp: gcp.clusters["c"].state == "ERROR")
    gcp.advance(3599)
    assert gcp.clusters["c"].state == "ERROR"
    gcp.advance(1)
    assert gcp.clusters["c"].deleted_by == "auto_ttl"


def test_the_first_of_two_lifetimes_counts(grpc_api: Any, gcp: GcpEmulator) -> None:
    lifetimes = {"idle_delete_ttl": {"seconds": 300}, "auto_delete_ttl": {"seconds": 3600}}
    grpc_api.create(lifecycle_config=lifetimes).result(timeout=60)
    gcp.advance(24 * 3600)
    assert gcp.clusters["c"].deleted_by == "idle_ttl"


def test_the_time_of_day_ends_clusters_too(connect: Any) -> None:
    with GcpEmulator(("true",), speed=3000) as gcp:
        connect(gcp).create(lifecycle_config={"idle_delete_ttl": {"seconds": 300}}).result(timeout=60)
        gcp.advance(299.7)
        assert gcp.clusters["c"].state == "RUNNING"
        gcp.wait_for(lambda gcp: not gcp.clusters, timeout=60)
        assert gcp.all_clusters[0].deleted_by == "idle_ttl"


def test_the_time_does_not_go_backwards(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
