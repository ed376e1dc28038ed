from __future__ import annotations


def test_a_command_runs_as_a_spark_job_on_a_cluster_of_its_run(bench, gcp):
    execution = bench.execution()

    result = bench.executor().run(bench.load(), execution)

    assert (result.counts.input, result.counts.accepted, result.counts.rejected) == (3, 2, 1)
    [job] = gcp.spark_jobs
    assert job.state == "DONE"
    assert result.remote_id == job.name
    assert job.name in result.log_url
    [cluster] = gcp.all_clusters
    assert cluster.name == job.cluster
    assert cluster.labels["starlake-run-id"] == execution.run_id
