"""Guarantees of files on gs:// with concurrent writers, and with lost answers."""

from __future__ import annotations

import copy
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google.cloud.storage
import pytest
from fsspec.config import conf
from google.auth.credentials import AnonymousCredentials

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import MissingExtraError
from ai.starlake.common.storage import Files
from ai.starlake.gcp.client.google_errors import PermissionDeniedError
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.orchestration.project_reading import read_project
from starlake_gcp_emulator.cloud_storage.storage import StorageServer


@pytest.fixture
def at(bucket, files):
    """Return the location of a name in the bucket."""
    return lambda name: files.location(f"gs://{bucket.name}/{name}")


def put(bucket, name, text="x"):
    blob = bucket.blob(name)
    blob.upload_from_string(text)
    return blob


def test_the_version_of_a_listed_file_is_that_of_its_content(bucket, at):
    put(bucket, "d/x", "12")
    (first,) = at("d").entries()
    at("d/x").move_into(at("e"))
    (moved,) = at("e").entries()
    put(bucket, "e/x", "34")
    (changed,) = at("e").entries()
    assert first == moved
    assert (changed.size, changed.modified) == (2, None)
    assert changed.version != first.version


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_is_ridden_out(bucket, proxy, status, at):
    put(bucket, "d/x")
    for method in ("GET", "POST", "DELETE"):
        proxy.fault(method, f"{bucket.name}/o", status)
    assert at("d").list_files() == ["x"]
    assert at("d/x").move_into(at("e")).remove()


@pytest.mark.parametrize(
    ("look", "method", "permission"),
    [
        (lambda file: file.list_files(), "GET", "storage.objects.list"),
        (lambda file: file.exists(), "GET", "storage.objects.get"),
        (lambda file: file.remove(), "DELETE", "storage.objects.delete"),
        (lambda file: file.move_into(file.child("to")), "POST", "storage.objects.create"),
    ],
)
def test_a_missing_permission_is_named_and_never_taken_for_nothing(bucket, proxy, look, method, permission, at):
    put(bucket, "x")
    proxy.fault(method, f"{bucket.name}/o", 403)
    with pytest.raises(PermissionDeniedError, match=permission):
        look(at("x"))


def test_what_was_put_in_the_place_of_a_file_is_not_removed(bucket, proxy, at):
    """The ack file of the next day arrives between the look and the removal."""
    put(bucket, "ack", "today")
    proxy.fault("DELETE", f"{bucket.name}/o", 503, then=lambda: put(bucket, "ack", "tomorrow"))
    at("ack").remove()
    assert bucket.blob("ack").download_as_text() == "tomorrow"


def test_a_removal_whose_answer_is_lost_counts(bucket, proxy, at):
    put(bucket, "ack")
    proxy.fault("DELETE", f"{bucket.name}/o", 503, when="after")
    assert at("ack").remove()
    assert not at("ack").remove()


def test_somebody_elses_removal_does_not_count(bucket, proxy, monkeypatch, at):
    put(bucket, "ack")
    file = at("ack")
    delete = type(file)._delete

    def late(self, blob):
        bucket.blob("ack").delete()
        return delete(self, blob)

    monkeypatch.setattr(type(file), "_delete", late)
    assert not file.remove()


def test_a_move_whose_answer_is_lost_is_finished(bucket, proxy, at):
    put(bucket, "from/x", "rows")
    proxy.fault("POST", "rewriteTo", 503, when="after")
    at("from/x").move_into(at("to"))
    assert at("from").list_files() == []
    assert bucket.blob("to/x").download_as_text() == "rows"


def test_a_move_that_was_killed_half_way_is_finished(bucket, at):
    put(bucket, "from/x", "rows")
    put(bucket, "to/x", "rows")
    at("from/x").move_into(at("to"))
    assert at("from").list_files() == []


def test_a_file_that_arrives_during_a_move_is_not_replaced(bucket, proxy, at):
    put(bucket, "from/x", "old")
    proxy.fault("POST", "rewriteTo", 503, then=lambda: put(bucket, "to/x", "new"))
    with pytest.raises(FileExistsError):
        at("from/x").move_into(at("to"))
    assert bucket.blob("to/x").download_as_text() == "new"
    assert bucket.blob("from/x").download_as_text() == "old"


def test_a_file_that_is_gone_during_a_move_is_an_error(bucket, proxy, at):
    blob = put(bucket, "from/x", "old")
    proxy.fault("POST", "rewriteTo", 503, then=blob.delete)
    with pytest.raises(StarlakeError, match="no longer exists"):
        at("from/x").move_into(at("to"))


def test_nothing_moves_to_a_missing_bucket(bucket, at, files):
    put(bucket, "x")
    with pytest.raises(StarlakeError, match="no bucket gs://nowhere"):
        at("x").move_into(files.location("gs://nowhere/to"))
    assert at("x").exists()


def test_the_object_that_stands_for_a_folder_is_no_file(bucket, at):
    put(bucket, "d/", "")
    put(bucket, "d/x")
    assert at("d").list_files() == ["x"]
    assert at("e").list_files() == []


def test_a_folder_is_no_ack_file(bucket, at):
    put(bucket, "ack/x")
    with pytest.raises(StarlakeError, match="is not a file"):
        at("ack").remove()


def test_many_files_come_in_pages(bucket, server, at):
    for number in range(25):
        server.upload(bucket.name, f"many/{number:03}", b"x")
    assert len(at("many").list_files()) == 25


@pytest.mark.parametrize("uri", ["gs://", "gs:///x", "gcs://"])
def test_a_bucket_must_be_named(uri):
    with pytest.raises(StarlakeError, match="names no bucket"):
        Files().location(uri)


def test_the_emulator_may_be_named_by_its_variable(server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    server.upload("named", "x", b"x")
    assert Files().location("gs://named/x").exists()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint.removeprefix("http://"))
    assert Files().location("gs://named/x").exists()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    monkeypatch.delattr(google.cloud, "storage")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(MissingExtraError, match=r"starlake-jobs\[gcp\]"):
        Files().location("gs://bucket/x").exists()


def test_missing_credentials_are_told(monkeypatch, tmp_path):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(StarlakeError, match="gcloud auth application-default login"):
        Files().location("gs://bucket/y").exists()


def upload_sample(server, bucket):
    sample = Path(__file__).resolve().parents[3] / "samples" / "starbake"
    for path in filter(Path.is_file, sample.rglob("metadata/**/*")):
        if content := path.read_bytes():
            server.upload(bucket, f"p/{path.relative_to(sample).as_posix()}", content)


def options(**given):
    return CloudRunOptions(cloud_run_job_name="starlake", **given)


@pytest.mark.slow
def test_a_project_on_gs_is_read_for_recovery(server):
    """By gcsfs, to which the address that the options name is known."""
    upload_sample(server, "project")
    facts = read_project(
        "gs://project/p", {"SL_ROOT": "gs://project/p"}, options(storage_endpoint=server.endpoint).files
    )
    assert facts.area("ingesting", "starbake") == "gs://project/p/datasets/ingesting/starbake"
    assert facts.table_pattern("starbake", "Customers").pattern == "customers_.*\\.csv"


@pytest.mark.slow
def test_two_jobs_with_two_addresses_read_their_own_projects_at_the_same_time(server):
    """In one process, where the same address of a project means another one for each job."""
    other = StorageServer()
    try:
        upload_sample(server, "twice")
        upload_sample(other, "twice")
        named = {server: "mine", other: "yours"}
        for each, area in named.items():
            each.upload("twice", "p/metadata/application.sl.yml", f"application: {{area: {{stage: {area}}}}}".encode())
            each.upload("twice", f"p/datasets/{area}/starbake/{area}.csv", b"x")

        def read(each):
            files = options(storage_endpoint=each.endpoint).files
            facts = read_project("gs://twice/p", {"SL_ROOT": "gs://twice/p"}, files)
            return facts.area("stage", "starbake"), files.location(facts.area("stage", "starbake")).list_files()

        before = dict(os.environ), copy.deepcopy(conf)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(read, [server, other] * 8))
        assert found == [(f"gs://twice/p/datasets/{area}/starbake", [f"{area}.csv"]) for area in named.values()] * 8
        assert before == (dict(os.environ), conf)
    finally:
        other.stop()


def test_a_project_is_read_on_behalf_of_the_account_that_the_options_name(monkeypatch):
    account = "loader@my-project.iam.gserviceaccount.com"
    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), None))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    files = options(cloud_run_service_account=account).files
    given = files.path("gs://bucket/project").storage_options
    assert given.keys() == {"token"}
    assert given["token"].service_account_email == account
    # one credential for all paths: fsspec opens a session for each
    assert (files.path("gcs://bucket/project") / "metadata").storage_options["token"] is given["token"]
