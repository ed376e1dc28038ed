"""The file sensor of assets on gs://: landing and stage areas in a bucket, each listed once a tick."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, build_sensor_context

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob
from tests.dagster.assets.conftest import Folder


@pytest.fixture
def tick(bucket, proxy, tmp_path, monkeypatch):
    """Ticks the sensor of a project whose data are in a bucket; returns the tables that it asks for."""
    monkeypatch.setenv("SL_DAGSTER_CACHE", str(tmp_path / "cache"))
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", "version: 1\napplication: {}\n")
    folder.write(
        "load/shop/_config.sl.yml",
        f'version: 1\nload:\n  metadata:\n    directory: "gs://{bucket.name}/incoming/shop"\n',
    )
    for table in ("orders", "items"):
        folder.table("shop", table)
    options = {
        "cloud_run_project_id": "p",
        "cloud_run_job_name": "j",
        "storage_endpoint": proxy.endpoint,
        "sl_env_var": {"SL_ROOT": str(folder.root), "SL_DATASETS": f"gs://{bucket.name}/datasets"},
    }
    defs = build_starlake_definitions(folder.project, StarlakeDagsterCloudRunJob(options=options))
    (sensor,) = (each for each in defs.sensors if each.name == "bakery_files")
    cursor = None
    with DagsterInstance.ephemeral() as instance:

        def run():
            nonlocal cursor
            repository = defs.get_repository_def()
            context = build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
            result = sensor(context)
            cursor = result.cursor
            return [key.path[-1] for request in result.run_requests or () for key in request.asset_selection]

        yield run


def test_files_in_a_bucket_are_asked_for_once(tick, bucket):
    assert tick() == []
    bucket.blob("incoming/shop/orders_1.csv").upload_from_string("id\n1\n")
    assert tick() == ["orders"]
    assert tick() == []
    bucket.blob("incoming/shop/orders_1.csv").upload_from_string("id\n2\n")
    bucket.blob("datasets/stage/shop/items_1.csv").upload_from_string("id\n1\n")
    assert sorted(tick()) == ["items", "orders"]


def test_a_file_that_a_failed_load_put_back_is_not_asked_for_again(tick, bucket):
    bucket.blob("incoming/shop/orders_1.csv").upload_from_string("id\n1\n")
    assert tick() == ["orders"]
    bucket.rename_blob(bucket.blob("incoming/shop/orders_1.csv"), "datasets/stage/shop/orders_1.csv")
    assert tick() == []
