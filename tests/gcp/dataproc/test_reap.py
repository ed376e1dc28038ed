from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ai.starlake.executor.remote.leftovers import leftover_work, reap

LIVING, OVER, UNKNOWN = (f"{number}0000000-0000-4000-8000-000000000000" for number in range(3))


def is_over(run_id):
    return {LIVING: False, OVER: True}.get(run_id)


def later(hours):
    return lambda: datetime.now(timezone.utc) + timedelta(hours=hours)


@pytest.fixture
def leftovers(bench):
    """Return the current leftovers, searched for again each time."""
    backend = bench.executor().backend(bench.execution())
    return lambda: [*backend.infrastructure.left(), *leftover_work(backend)]


@pytest.fixture
def clusters(bench):
    for run_id in (LIVING, OVER, UNKNOWN):
        bench.clusters().ensure(bench.run(run_id))


def actions(rows):
    return {row.leftover.run_id: (row.action, row.reason) for row in rows}


def test_what_belongs_to_a_run_that_is_over_is_removed(gcp, clusters, leftovers):
    rows = reap(leftovers(), older_than=7200, is_over=is_over, now=later(3))
    assert actions(rows) == {
        LIVING: ("kept", "its run is going on"),
        OVER: ("removed", "its run is over"),
        UNKNOWN: ("kept", "its run is not known here"),
    }
    gcp.wait_for(lambda gcp: len(gcp.clusters) == 2)
    assert OVER not in {view.labels["starlake-run-id"] for view in gcp.clusters.values()}


def test_a_row_says_what_people_want_to_know(clusters, leftovers):
    row = next(row for row in reap(leftovers(), older_than=0, is_over=is_over, dry_run=True, now=later(1)))
    assert (row.leftover.kind, row.leftover.job_name, row.leftover.state) == ("cluster", "sales_job", "RUNNING")
    assert row.leftover.region == "europe-west1"
    assert 3500 < row.age < 3700


def test_a_dry_run_removes_nothing(gcp, clusters, leftovers):
    rows = reap(leftovers(), older_than=7200, is_over=is_over, dry_run=True, now=later(3))
    assert actions(rows)[OVER] == ("would be removed", "its run is over")
    assert gcp.calls("DeleteCluster") == []


def test_what_is_young_is_kept(gcp, clusters, leftovers):
    rows = reap(leftovers(), older_than=7200, is_over=is_over)
    assert {row.action for row in rows} == {"kept"}
    assert rows[0].reason == "it is younger than 120 min" or "2 h" in rows[0].reason


def test_what_nobody_knows_is_removed_on_request(clusters, leftovers):
    rows = reap(leftovers(), older_than=60, is_over=is_over, unknown_too=True, now=later(3))
    assert actions(rows)[UNKNOWN] == ("removed", "its run is not known here")


def test_what_cannot_be_removed_is_a_row_and_the_others_go(gcp, clusters, leftovers):
    gcp.fault("DeleteCluster", "PERMISSION_DENIED")
    rows = reap(leftovers(), older_than=60, is_over=lambda _: True, now=later(3))
    assert sorted(row.action for row in rows) == ["not removed", "removed", "removed"]
    assert any("dataproc.clusters.delete" in row.reason for row in rows)


def test_a_cluster_that_others_work_on_stays(bench, gcp, leftovers):
    bench.options["dataproc_cluster_name"] = "shared"
    bench.clusters().ensure(bench.run(OVER))
    bench.orphan(bench.execution(LIVING), "sleep=30")
    rows = reap(leftovers(), older_than=7200, is_over=is_over, now=later(3))
    assert {row.leftover.kind: (row.action, row.reason) for row in rows} == {
        "cluster": ("kept", "others work on it"),
        "Spark job": ("kept", "its run is going on"),
    }
    assert gcp.calls("DeleteCluster") == []


def test_clusters_of_others_are_not_even_seen(bench, gcp, leftovers):
    clients = bench.executor().clients
    cluster = {"cluster_name": "theirs", "project_id": "my-project", "labels": {"team": "x"}}
    place = {"project_id": "my-project", "region": "europe-west1"}
    clients.clusters.create_cluster(request={**place, "cluster": cluster}, retry=None)
    assert leftovers() == []


def test_spark_jobs_are_cancelled(bench, gcp, leftovers):
    execution = bench.execution(OVER)
    job = bench.orphan(execution, "sleep=30")
    rows = reap([one for one in leftovers() if one.kind == "Spark job"], older_than=60, is_over=is_over, now=later(3))
    assert [(row.leftover.name, row.action) for row in rows] == [(job, "removed")]
    gcp.wait_for(lambda gcp: gcp.spark_jobs[0].state == "CANCELLED")
