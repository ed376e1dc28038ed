"""A job whose ops have different compute profiles, on both services: what runs on what, and what is left."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from dagster import DependencyDefinition, GraphDefinition, In, JobDefinition, Nothing

from ai.starlake.job.compute_choices import COMPUTE_TAG
from tests.dagster.gcp.conftest import RUN_JOB

COMPUTE = {
    "small": {"dataproc": {"num_workers": 0}, "cloud_run": {"memory": "512Mi"}},
    "large": {"dataproc": {"num_workers": 9}, "cloud_run": {"cpu": "4"}},
}


def job_of(sl_job: Any) -> JobDefinition:
    """Two loads of one profile around one of another, then what ends the run."""
    chosen = [("clients", "small"), ("orders", "large"), ("returns", "small")]
    loads = [
        sl_job.sl_load(None, "sales", table, compute=profile, ins={"start": In(Nothing)}) for table, profile in chosen
    ]
    nodes = [node for node in (*loads, sl_job.post_tasks()) if node]
    follows = {
        later.name: {"start": DependencyDefinition(earlier.name, "result")} for earlier, later in pairwise(nodes)
    }
    graph = GraphDefinition(name="profiles", node_defs=nodes, dependencies={**follows, loads[0].name: {}})
    return JobDefinition(graph_def=graph)


@pytest.mark.parametrize("where", ["dataproc", "cloud_run"])
def test_a_run_that_succeeds_has_what_its_profiles_ask_for_and_leaves_nothing(
    factory: Any, gcp: Any, instance: Any, where: str
) -> None:
    sl_job = getattr(factory, where)(compute=COMPUTE)
    result = job_of(sl_job).execute_in_process(instance=instance)
    made = [event.materialization.metadata for event in result.get_asset_materialization_events()]
    assert [metadata[COMPUTE_TAG].value for metadata in made] == ["small", "large", "small"]
    sizes = [metadata["starlake/compute_sizes"].value for metadata in made]
    if where == "cloud_run":
        assert [one.name.split("/")[5] for one in gcp.executions] == [
            f"{RUN_JOB}-small",
            f"{RUN_JOB}-large",
            f"{RUN_JOB}-small",
        ]
        assert sizes[1] == {"cloud_run.cpu": "4"}
        assert all(one.state == "SUCCEEDED" for one in gcp.executions)
        return
    names = [f"dataproc-cluster-{name}-{result.run_id[:8]}" for name in ("small", "large")]
    assert [one.name for one in gcp.all_clusters] == names
    uuids = [one.uuid for one in gcp.all_clusters]
    assert [one.cluster_uuid for one in gcp.spark_jobs] == [uuids[0], uuids[1], uuids[0]]
    assert sizes[1] == {"dataproc.num_workers": "9"}
    assert [one.state for one in gcp.all_clusters] == ["DELETED"] * 2
