"""The fault matrix of Dataproc: each fault, before and after the side effect of each call.

For any fault: no Spark job is left, none is duplicated, no cluster is duplicated, and a remaining cluster is deleted by
its time to live. No failure is reported as success.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.gcp.client.google_errors import PermissionDeniedError

METHODS = (
    "CreateCluster",
    "GetCluster",
    "GetOperation",
    "ListClusters",
    "DeleteCluster",
    "SubmitJob",
    "GetJob",
    "ListJobs",
    "CancelJob",
)
ENDED = {"DONE", "ERROR", "CANCELLED"}
RUN = "{:08x}-0000-4000-8000-000000000000"


class Interruption(BaseException):
    """An exception that Dagster raises at any time."""


def runs(bench, execution, strike):
    """Run the steps of a Dagster run: an op creates the cluster, another one uses it, a third one deletes it."""
    strike()
    bench.executor().ensure(execution)
    return uses(bench, execution, lambda: None)


def uses(bench, execution, strike):
    """Use the cluster, with a fault when it exists."""
    executor = bench.executor()
    executor.ensure(execution)
    strike()
    result = executor.run(bench.transform(), execution)
    assert {job.name: job.state for job in bench.gcp.spark_jobs}[result.remote_id] == "DONE"
    assert executor.delete(execution)
    return "succeeds"


def is_swept(bench, execution, strike):
    """Clean up after a failed run: its clusters are found by their label, and deleted."""
    executor = bench.executor()
    executor.ensure(execution)
    strike()
    clusters = executor.backend(execution).clusters
    for cluster in clusters.of_run(execution.root):
        clusters.remove(cluster)
    return "succeeds"


def is_tried_again(bench, execution, strike):
    """Try again while the job of an attempt that was killed still runs."""
    orphan = bench.orphan(execution, "sleep=30")
    strike()
    try:
        result = bench.executor().run(bench.transform(), replace(execution, attempt=1))
    finally:
        bench.executor().delete(execution)
    states = {job.name: job.state for job in bench.gcp.spark_jobs}
    assert (states[orphan], states[result.remote_id]) == ("CANCELLED", "DONE")
    return "succeeds"


def is_interrupted(bench, execution, strike):
    """Cancel the run while its job runs."""

    def act(message):
        if ": RUNNING" in message and "Spark job" in message:
            raise Interruption

    bench.report.on_info = act
    strike()
    executor = bench.executor()
    with pytest.raises(Interruption):
        executor.run(bench.transform("sleep=120"), replace(execution, run_is_ending=lambda: True))
    bench.gcp.wait_for(lambda gcp: {job.state for job in gcp.spark_jobs} <= ENDED)
    warned = any("may still be running" in warning for warning in bench.report.warnings)
    if bench.gcp.spark_jobs[-1].cancelled:
        return "is cancelled, with a warning" if warned else "is cancelled"
    assert warned
    return "ends with its cluster, with a warning"


SCENARIOS = {
    **dict.fromkeys(("CreateCluster", "GetOperation", "DeleteCluster", "SubmitJob", "GetJob"), runs),
    "GetCluster": uses,
    "ListClusters": is_swept,
    "ListJobs": is_tried_again,
    "CancelJob": is_interrupted,
}


def outcome(bench, scenario, execution, strike):
    """Return the outcome for a user, in the words of the table."""
    try:
        said = scenario(bench, execution, strike)
    except PermissionDeniedError as error:
        said = f"fails, names {error.fix.split()[3].rstrip(';')}"
    except StarlakeError:
        said = "fails"
    bench.gcp.wait_for(lambda gcp: all(view.state != "DELETING" for view in gcp.clusters.values()))
    return f"{said}; the cluster is left to its limits" if bench.gcp.clusters else said


def require_nothing_wrong(gcp, jobs):
    """No job is left or doubled, no cluster is doubled, and none outlives its limits."""
    gcp.wait_for(lambda gcp: {job.state for job in gcp.spark_jobs} <= ENDED)
    for run_id in {view.labels["starlake-run-id"] for view in gcp.all_clusters}:
        mine = [job for job in gcp.spark_jobs if job.labels["starlake-run-id"] == run_id]
        assert len(mine) <= jobs
        assert max((job.cancelled for job in mine), default=0) <= 1
        assert sum(view.labels["starlake-run-id"] == run_id for view in gcp.all_clusters) == 1
    gcp.advance(3700)
    gcp.wait_for(lambda gcp: not gcp.clusters)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.slow
def test_faults(bench, gcp, outcome_table, method, when):
    table = outcome_table("Dataproc")
    scenario = SCENARIOS[method]
    outcomes = {}
    for number, code in enumerate(table.codes):
        bench.report = type(bench.report)()
        execution = bench.execution(RUN.format(number))
        outcomes[code] = outcome(bench, scenario, execution, partial(gcp.fault, method, code, when=when))
        gcp.clear_faults()
        assert sum(call.injected for call in gcp.journal) == number + 1
        require_nothing_wrong(gcp, jobs=2 if scenario is is_tried_again else 1)
    table.require(method, when, outcomes)


def test_the_table_is_complete(outcome_table):
    outcome_table("Dataproc").require_only(METHODS)
