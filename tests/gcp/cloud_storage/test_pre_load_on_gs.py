"""Pre-load checks and ack files on gs://, within Dagster."""

from __future__ import annotations

import json
import time

import pytest
from dagster import DependencyDefinition, GraphDefinition, In, JobDefinition

from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob
from tests.waiting import meanwhile


@pytest.fixture
def check(bucket, proxy):
    """Run a pre-load check, and return what it decided."""

    def run(strategy, **options):
        settings = {
            "cloud_run_project_id": "p",
            "cloud_run_job_name": "j",
            "sl_env_var": json.dumps({"SL_ROOT": f"gcs://{bucket.name}"}),
            "storage_endpoint": proxy.endpoint,
            "ack_poll_interval": 0.05,
            "ack_wait_timeout": 0,
        }
        job = StarlakeDagsterCloudRunJob(options={**settings, **options})
        pre_load = job.sl_pre_load("sales", {"orders"}, strategy)
        ready, skipped = (job.dummy_op(name, ins={"come": In(str)}) for name in ("ready", "skipped"))
        graph = GraphDefinition(
            name="chain",
            node_defs=[job.dummy_op("start"), pre_load, ready, skipped],
            dependencies={
                pre_load.name: {"domain": DependencyDefinition("start")},
                "ready": {"come": DependencyDefinition(pre_load.name, "load_domain")},
                "skipped": {"come": DependencyDefinition(pre_load.name, "skipped")},
            },
        )
        result = JobDefinition(name="chain_job", graph_def=graph).execute_in_process(raise_on_error=False)
        if not result.success:
            return "failed"
        (decided,) = {
            event.step_key
            for event in result.all_events
            if event.event_type_value == "STEP_SUCCESS" and event.step_key in ("ready", "skipped")
        }
        return decided

    return run


def put(bucket, name):
    bucket.blob(name).upload_from_string("x")


def test_pending_files_are_seen(check, bucket):
    assert check("pending") == "skipped"
    put(bucket, "datasets/stage/sales/orders-1.csv")
    assert check("pending") == "ready"


def test_a_pending_area_of_ones_own_may_be_on_gs(check, bucket):
    put(bucket, "elsewhere/sales/orders-1.csv")
    assert check("pending", pending_path=f"gs://{bucket.name}/elsewhere") == "ready"


def test_an_ack_file_is_consumed(check, bucket):
    acks = {"global_ack_file_path": "{SL_DATASETS}/acks/{domain}.ack"}
    assert check("ack", **acks) == "skipped"
    put(bucket, "datasets/acks/sales.ack")
    assert check("ack", **acks) == "ready"
    assert check("ack", **acks) == "skipped"


def test_an_ack_file_is_waited_for(check, bucket):
    def put_later():
        time.sleep(0.3)
        put(bucket, "datasets/acks/sales.ack")

    with meanwhile(put_later):
        assert check("ack", global_ack_file_path="{SL_DATASETS}/acks/{domain}.ack", ack_wait_timeout=120) == "ready"


def test_a_missing_permission_fails_and_skips_nothing(check, bucket, proxy):
    proxy.fault("GET", f"{bucket.name}/o", 403, count=9)
    assert check("pending") == "failed"
    assert check("ack") == "failed"


def test_a_missing_bucket_fails_and_skips_nothing(check):
    assert check("pending", pending_path="gs://nowhere/pending") == "failed"
    assert check("ack", global_ack_file_path="gs://nowhere/x.ack") == "failed"


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the project on this machine, which says what the files of its one table are called."""
    folder = tmp_path / "copy" / "metadata" / "load" / "sales"
    folder.mkdir(parents=True)
    (folder / "_config.sl.yml").write_text("load: {metadata: {directory: '{{SL_ROOT}}/landing'}}")
    (folder / "orders.sl.yml").write_text("table: {pattern: 'orders-.*.csv', attributes: [{name: id, type: long}]}")
    return tmp_path / "copy"


def test_a_copy_of_the_project_says_which_files_count(check, bucket, copy):
    put(bucket, "datasets/stage/sales/notes.txt")
    assert check("pending") == "ready"
    assert check("pending", project_copy=str(copy)) == "skipped"
    put(bucket, "datasets/stage/sales/orders-1.csv")
    assert check("pending", project_copy=str(copy)) == "ready"


def test_a_copy_of_the_project_says_where_files_land(check, bucket, copy):
    put(bucket, "landing/notes.txt")
    assert check("imported", project_copy=str(copy)) == "skipped"


def test_the_project_may_be_in_the_image_only(check, bucket, copy):
    variables = {"SL_ROOT": "/app/project", "SL_DATASETS": f"gs://{bucket.name}/datasets"}
    options = {"sl_env_var": json.dumps(variables), "project_copy": str(copy)}
    assert check("pending", **options) == "skipped"
    put(bucket, "datasets/stage/sales/orders-1.csv")
    assert check("pending", **options) == "ready"


def test_a_copy_that_is_not_there_fails_and_skips_nothing(check, bucket, tmp_path):
    put(bucket, "datasets/stage/sales/orders-1.csv")
    assert check("pending", project_copy=str(tmp_path / "missing")) == "failed"
