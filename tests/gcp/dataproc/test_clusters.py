from __future__ import annotations

from dataclasses import replace

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor.remote.identity import LABEL_RUN
from ai.starlake.gcp.client.google_errors import PermissionDeniedError
from ai.starlake.gcp.dataproc.cluster_calls import ClusterCalls
from ai.starlake.gcp.dataproc.clusters import ClusterError, ClusterTimeoutError
from ai.starlake.gcp.dataproc.resource_names import LABEL_REQUEST
from tests.held_services import held
from tests.waiting import all_at_once, meanwhile


class Interruption(BaseException):
    """An exception that the orchestrator raises at any time."""


def live(gcp):
    return {name: view.state for name, view in gcp.clusters.items() if view.state != "DELETING"}


def test_a_cluster_is_made_with_what_its_run_and_its_limits_need(bench, gcp):
    cluster = bench.clusters().ready(bench.run())

    [view] = gcp.all_clusters
    assert view.name == cluster.cluster_name == "dataproc-cluster-0b5e31d2"
    assert view.state == "RUNNING"
    assert view.labels[LABEL_RUN] == bench.run().root_run_id
    assert view.labels["starlake-job"] == "sales_job"
    [call] = gcp.calls("CreateCluster")
    assert call.request["request_id"] == view.labels[LABEL_REQUEST]
    assert call.request["cluster"]["config"]["lifecycle_config"] == {
        "idle_delete_ttl": "3600s",
        "auto_delete_ttl": "86400s",
    }


def test_the_progress_of_a_creation_is_told(bench):
    bench.clusters().ready(bench.run())
    told = "\n".join(bench.report.infos)
    assert "creating cluster dataproc-cluster-0b5e31d2: https://console.cloud.google.com/dataproc/clusters/" in told
    assert "CREATING" in told
    assert "RUNNING" in told


def test_a_running_cluster_of_the_run_is_adopted(bench, gcp):
    first = bench.clusters().ready(bench.run())
    second = bench.clusters().ready(bench.run())
    assert first.cluster_uuid == second.cluster_uuid
    assert len(gcp.calls("CreateCluster")) == 1


def test_steps_that_begin_together_make_one_cluster(bench, gcp):
    found = all_at_once(*[lambda: bench.clusters().ready(bench.run())] * 4)
    assert len({cluster.cluster_uuid for cluster in found}) == len(gcp.all_clusters) == 1


def test_a_cluster_that_is_being_deleted_is_made_anew(bench, gcp):
    first = bench.clusters().ready(bench.run())
    with held(gcp) as deletion:
        bench.clusters().delete(bench.run(), wait=False)
        bench.report.on_info = lambda message: deletion.let_go() if "DELETING" in message else None
        second = bench.clusters().ready(bench.run())
    assert first.cluster_uuid != second.cluster_uuid
    assert [view.state for view in gcp.all_clusters] == ["DELETED", "RUNNING"]


def test_a_cluster_that_its_time_to_live_took_away_is_made_anew(bench, gcp):
    bench.clusters().ready(bench.run())
    gcp.advance(3700)
    bench.clusters().ready(bench.run())
    assert [view.deleted_by for view in gcp.all_clusters] == ["idle_ttl", None]


def test_a_creation_that_fails_late_is_told_and_cleaned_up(bench, gcp):
    gcp.fail_clusters(detail="Insufficient 'CPUS' quota")
    with pytest.raises(ClusterError, match="Insufficient 'CPUS' quota"):
        bench.clusters().ready(bench.run())
    assert live(gcp) == {}
    [view] = gcp.all_clusters
    assert view.deleted_by == "request"


def test_the_next_attempt_waits_for_what_is_cleaned_up(bench, gcp):
    gcp.fail_clusters()
    with pytest.raises(ClusterError):
        bench.clusters().ready(bench.run())
    bench.clusters().ready(bench.run())
    assert list(live(gcp).values()) == ["RUNNING"]


def broken(bench, gcp):
    """Make a cluster in ERROR that nobody could clean up."""
    gcp.fail_clusters()
    gcp.fault("DeleteCluster", "PERMISSION_DENIED")
    with pytest.raises(ClusterError):
        bench.clusters().ready(bench.run())
    assert list(live(gcp).values()) == ["ERROR"]


def test_a_clean_up_that_fails_says_who_does_it_then(bench, gcp):
    broken(bench, gcp)
    assert any("86400 s" in warning for warning in bench.report.warnings)
    gcp.advance(86500)
    assert live(gcp) == {}


def test_a_broken_cluster_of_the_run_is_replaced(bench, gcp):
    broken(bench, gcp)
    bench.clusters().ready(bench.run())
    assert list(live(gcp).values()) == ["RUNNING"]


def test_a_name_that_is_taken_where_nobody_can_see_it_is_an_error_soon(bench, gcp):
    """This happens when another region of the project has a cluster with this name."""
    gcp.fault("CreateCluster", "ALREADY_EXISTS", count=None)
    with pytest.raises(ClusterError, match=r"none in europe-west1(.|\n)*dataproc_name"):
        bench.clusters().ready(bench.run())
    assert len(gcp.calls("CreateCluster")) == 6


@pytest.mark.parametrize("state", ["STOPPING", "STOPPED"])
def test_a_cluster_that_somebody_stopped_is_an_error_that_says_how_to_start_it(bench, gcp, monkeypatch, state):
    """The emulator does not know stopped clusters."""
    clusters = bench.clusters()
    cluster = clusters.ready(bench.run())
    cluster.status.state = state
    monkeypatch.setattr(ClusterCalls, "get", lambda self, name: cluster)
    with pytest.raises(ClusterError, match=rf"is {state}(.|\n)*clusters start {cluster.cluster_name} --region europe"):
        clusters.ready(bench.run())


def test_a_cluster_of_somebody_else_is_neither_used_nor_deleted(bench, gcp):
    bench.clusters().ready(bench.run())
    other = replace(bench.run(), root_run_id="0b5e31d2-ffff-4000-8000-000000000002")
    with pytest.raises(ClusterError, match="belongs to another run or user"):
        bench.clusters().ready(other)
    assert bench.clusters().delete(other) is False
    assert list(live(gcp).values()) == ["RUNNING"]


def test_deletion_waits_until_the_cluster_is_gone(bench, gcp):
    bench.clusters().ready(bench.run())
    assert bench.clusters().delete(bench.run()) is True
    assert gcp.clusters == {}
    [call] = gcp.calls("DeleteCluster")
    assert call.request["cluster_uuid"] == gcp.all_clusters[0].uuid


def test_deleting_what_is_gone_is_success(bench, gcp):
    assert bench.clusters().delete(bench.run()) is False
    assert gcp.calls("DeleteCluster") == []


def test_deleting_what_is_being_deleted_waits_for_it(bench, gcp):
    bench.clusters().ready(bench.run())
    with held(gcp) as deletion:
        bench.clusters().delete(bench.run(), wait=False)
        bench.report.on_info = lambda message: deletion.let_go() if "DELETING" in message else None
        assert bench.clusters().delete(bench.run()) is True
    assert gcp.clusters == {}
    assert len(gcp.calls("DeleteCluster")) == 1


def test_a_namesake_is_not_deleted(bench, gcp):
    clusters = bench.clusters()
    stale = clusters.ready(bench.run())
    clusters.delete(bench.run())
    clusters.ready(bench.run())
    clusters.remove(stale)
    assert list(live(gcp).values()) == ["RUNNING"]


def test_a_deletion_that_is_refused_is_an_error_that_names_the_permission(bench, gcp):
    bench.clusters().ready(bench.run())
    gcp.fault("DeleteCluster", "PERMISSION_DENIED")
    with pytest.raises(PermissionDeniedError, match=r"dataproc\.clusters\.delete"):
        bench.clusters().delete(bench.run())


def test_a_deletion_that_cannot_be_watched_is_no_failure(bench, gcp):
    clusters = bench.clusters()
    cluster = clusters.ready(bench.run())
    gcp.fault("GetCluster", "PERMISSION_DENIED")
    clusters.remove(cluster)
    assert live(gcp) == {}
    assert any("cannot be polled" in warning for warning in bench.report.warnings)


def interrupting(bench, when: str):
    """Interrupt the step when the reporter receives a message."""

    def act(message):
        if when in message:
            bench.report.on_info = lambda _: None
            raise Interruption

    bench.report.on_info = act


@pytest.mark.parametrize("moment", ["CREATING", "RUNNING"])
def test_a_creation_that_is_interrupted_is_cleaned_up(bench, gcp, moment):
    interrupting(bench, moment)
    with pytest.raises(Interruption):
        bench.clusters().ready(bench.run())
    assert live(gcp) == {}
    assert len(gcp.calls("DeleteCluster")) == 1


def test_an_interruption_before_the_creation_makes_none(bench, gcp):
    interrupting(bench, "creating cluster")
    with pytest.raises(Interruption):
        bench.clusters().ready(bench.run())
    assert gcp.all_clusters == []


def test_who_waits_for_the_cluster_of_another_step_does_not_take_it_away(bench, gcp):
    waiting = replace_report(bench)
    interrupting(waiting, "CREATING")
    with held(gcp) as creation, meanwhile(lambda: bench.clusters().ready(bench.run())):
        try:
            gcp.wait_for(lambda gcp: gcp.clusters)
            with pytest.raises(Interruption):
                waiting.clusters().ready(bench.run())
        finally:
            creation.let_go()
    assert list(live(gcp).values()) == ["RUNNING"]


def replace_report(bench):
    return replace(bench, report=type(bench.report)())


def test_a_creation_that_takes_too_long_is_cleaned_up(bench, gcp):
    clusters = bench.clusters(bench.executor(dataproc_create_timeout=0))
    with held(gcp), pytest.raises(ClusterTimeoutError, match="took longer"):
        clusters.ready(bench.run())
    assert live(gcp) == {}


def test_a_cluster_that_vanishes_while_it_is_made_is_an_error(bench, gcp):
    with held(gcp) as creation:

        def take_it_away(message):
            if "CREATING" in message:
                other = replace_report(bench).clusters()
                other.remove(other.get(other.name_for(bench.run())), wait=False)
                creation.let_go()

        bench.report.on_info = take_it_away
        with pytest.raises(StarlakeError):
            bench.clusters().ready(bench.run())
    assert live(gcp) == {}


def test_the_clusters_of_a_run_are_found_by_their_label(bench):
    clusters = bench.clusters()
    made = clusters.ready(bench.run())
    clusters.ready(bench.run("11111111-0000-4000-8000-000000000000"))
    assert [one.cluster_uuid for one in clusters.of_run(bench.run().root_run_id)] == [made.cluster_uuid]


class TestSharedCluster:
    """A cluster that has an explicit name."""

    @pytest.fixture
    def bench(self, bench):
        return replace(bench, options={"dataproc_cluster_name": "shared"})

    def test_it_has_the_name_that_was_given(self, bench):
        assert bench.clusters().ready(bench.run()).cluster_name == "shared"

    def test_it_is_used_and_not_deleted_by_a_run_that_did_not_make_it(self, bench, gcp):
        bench.clusters().ready(bench.run())
        other = bench.run("22222222-0000-4000-8000-000000000000")
        assert bench.clusters().ready(other).cluster_name == "shared"
        assert bench.clusters().delete(other) is False
        assert list(live(gcp)) == ["shared"]

    def test_it_is_deleted_by_the_run_that_made_it(self, bench, gcp):
        bench.clusters().ready(bench.run())
        assert bench.clusters().delete(bench.run()) is True
        assert gcp.clusters == {}

    def test_it_stays_while_others_work_on_it(self, bench, gcp, tmp_path):
        bench.clusters().ready(bench.run())
        other = bench.execution("22222222-0000-4000-8000-000000000000")
        with meanwhile(lambda: bench.executor().run(bench.load(f"until={tmp_path}/end"), other)):
            try:
                gcp.wait_for(lambda gcp: any(job.state == "RUNNING" for job in gcp.spark_jobs))
                deleted = bench.clusters().delete(bench.run())
            finally:
                (tmp_path / "end").touch()
        assert deleted is False
        assert gcp.spark_jobs[0].state == "DONE"
        assert list(live(gcp)) == ["shared"]

    def test_it_outlives_a_run_that_is_cancelled(self, bench, gcp):
        bench.clusters().ready(bench.run())
        bench.clusters().discard(bench.run())
        assert list(live(gcp)) == ["shared"]
