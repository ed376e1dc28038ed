"""What files on gs:// promise when others work on them too, and when answers are lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import google.cloud.storage
import pytest
from fsspec.config import conf
from google.auth.credentials import AnonymousCredentials

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage.location import Location
from ai.starlake.gcp.client.google_errors import MissingExtraError, PermissionDeniedError
from ai.starlake.gcp.cloud_run.options_cloud_run import CloudRunOptions
from ai.starlake.gcp.storage.project_storage import cloud_storage


def at(bucket, name):
    return Location.of(f"gs://{bucket.name}/{name}")


def put(bucket, name, text="x"):
    blob = bucket.blob(name)
    blob.upload_from_string(text)
    return blob


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_is_ridden_out(bucket, proxy, status):
    put(bucket, "d/x")
    for method in ("GET", "POST", "DELETE"):
        proxy.fault(method, f"{bucket.name}/o", status)
    assert at(bucket, "d").list_files() == ["x"]
    assert at(bucket, "d/x").move_into(at(bucket, "e")).remove()


@pytest.mark.parametrize(
    ("look", "method", "permission"),
    [
        (lambda file: file.list_files(), "GET", "storage.objects.list"),
        (lambda file: file.exists(), "GET", "storage.objects.get"),
        (lambda file: file.remove(), "DELETE", "storage.objects.delete"),
        (lambda file: file.move_into(file.child("to")), "POST", "storage.objects.create"),
    ],
)
def test_a_missing_permission_is_named_and_never_taken_for_nothing(bucket, proxy, look, method, permission):
    put(bucket, "x")
    proxy.fault(method, f"{bucket.name}/o", 403)
    with pytest.raises(PermissionDeniedError, match=permission):
        look(at(bucket, "x"))


def test_what_was_put_in_the_place_of_a_file_is_not_removed(bucket, proxy):
    """The ack file of the next day arrives between the look and the removal."""
    put(bucket, "ack", "today")
    proxy.fault("DELETE", f"{bucket.name}/o", 503, then=lambda: put(bucket, "ack", "tomorrow"))
    at(bucket, "ack").remove()
    assert bucket.blob("ack").download_as_text() == "tomorrow"


def test_a_removal_whose_answer_is_lost_counts(bucket, proxy):
    put(bucket, "ack")
    proxy.fault("DELETE", f"{bucket.name}/o", 503, when="after")
    assert at(bucket, "ack").remove()
    assert not at(bucket, "ack").remove()


def test_somebody_elses_removal_does_not_count(bucket, proxy, monkeypatch):
    put(bucket, "ack")
    file = at(bucket, "ack")
    delete = type(file)._delete

    def late(self, blob):
        bucket.blob("ack").delete()
        return delete(self, blob)

    monkeypatch.setattr(type(file), "_delete", late)
    assert not file.remove()


def test_a_move_whose_answer_is_lost_is_finished(bucket, proxy):
    put(bucket, "from/x", "rows")
    proxy.fault("POST", "rewriteTo", 503, when="after")
    at(bucket, "from/x").move_into(at(bucket, "to"))
    assert at(bucket, "from").list_files() == []
    assert bucket.blob("to/x").download_as_text() == "rows"


def test_a_move_that_was_killed_half_way_is_finished(bucket):
    put(bucket, "from/x", "rows")
    put(bucket, "to/x", "rows")
    at(bucket, "from/x").move_into(at(bucket, "to"))
    assert at(bucket, "from").list_files() == []


def test_a_file_that_arrives_during_a_move_is_not_replaced(bucket, proxy):
    put(bucket, "from/x", "old")
    proxy.fault("POST", "rewriteTo", 503, then=lambda: put(bucket, "to/x", "new"))
    with pytest.raises(FileExistsError):
        at(bucket, "from/x").move_into(at(bucket, "to"))
    assert bucket.blob("to/x").download_as_text() == "new"
    assert bucket.blob("from/x").download_as_text() == "old"


def test_a_file_that_is_gone_during_a_move_is_an_error(bucket, proxy):
    blob = put(bucket, "from/x", "old")
    proxy.fault("POST", "rewriteTo", 503, then=blob.delete)
    with pytest.raises(StarlakeError, match="not there any more"):
        at(bucket, "from/x").move_into(at(bucket, "to"))


def test_nothing_moves_to_a_missing_bucket(bucket):
    put(bucket, "x")
    with pytest.raises(StarlakeError, match="no bucket gs://nowhere"):
        at(bucket, "x").move_into(Location.of("gs://nowhere/to"))
    assert at(bucket, "x").exists()


def test_the_object_that_stands_for_a_folder_is_no_file(bucket):
    put(bucket, "d/", "")
    put(bucket, "d/x")
    assert at(bucket, "d").list_files() == ["x"]
    assert at(bucket, "e").list_files() == []


def test_a_folder_is_no_ack_file(bucket):
    put(bucket, "ack/x")
    with pytest.raises(StarlakeError, match="is not a file"):
        at(bucket, "ack").remove()


def test_many_files_come_in_pages(bucket, server):
    for number in range(25):
        server.upload(bucket.name, f"many/{number:03}", b"x")
    assert len(at(bucket, "many").list_files()) == 25


@pytest.mark.parametrize("uri", ["gs://", "gs:///x", "gcs://"])
def test_a_bucket_must_be_named(uri):
    with pytest.raises(StarlakeError, match="names no bucket"):
        Location.of(uri)


def test_the_emulator_may_be_named_by_its_variable(server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    server.upload("named", "x", b"x")
    assert Location.of("gs://named/x").exists()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint.removeprefix("http://"))
    assert Location.of("gs://named/x").exists()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    monkeypatch.delattr(google.cloud, "storage")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(MissingExtraError, match=r"starlake-jobs\[gcp\]"):
        Location.of("gs://bucket/x").exists()


def test_missing_credentials_are_told(monkeypatch, tmp_path):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(StarlakeError, match="gcloud auth application-default login"):
        Location.of("gs://bucket/y").exists()


FACTS = """
import sys
from ai.starlake.orchestration.project_reading import project_facts
from ai.starlake.gcp.cloud_run.options_cloud_run import CloudRunOptions
from ai.starlake.gcp.storage.project_storage import cloud_storage
facts = project_facts("gs://project/p", {"SL_ROOT": "gs://project/p"})
with cloud_storage(CloudRunOptions(cloud_run_job_name="x", storage_endpoint=sys.argv[1])):
    print(facts.area("ingesting", "starbake"), facts.table_pattern("starbake", "Customers").pattern)
"""


@pytest.mark.slow
def test_a_project_on_gs_is_read_for_recovery(server):
    """By gcsfs, to which the address that the options name is known."""
    sample = Path(__file__).resolve().parents[3] / "samples" / "starbake"
    for path in filter(Path.is_file, sample.rglob("metadata/**/*")):
        if content := path.read_bytes():
            server.upload("project", f"p/{path.relative_to(sample).as_posix()}", content)
    own = {name: value for name, value in os.environ.items() if name != "STORAGE_EMULATOR_HOST"}
    command = [sys.executable, "-W", "ignore", "-c", FACTS, server.endpoint]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    assert done.stdout == "gs://project/p/datasets/ingesting/starbake customers_.*\\.csv\n"


def test_a_project_is_read_on_behalf_of_the_account_that_the_options_name(monkeypatch):
    account = "loader@my-project.iam.gserviceaccount.com"
    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), None))
    monkeypatch.setitem(conf, "gs", {"requester_pays": True})
    with cloud_storage(CloudRunOptions(cloud_run_job_name="starlake", cloud_run_service_account=account)):
        assert conf["gs"]["token"].service_account_email == account
        assert conf["gs"]["requester_pays"]
        assert conf["gcs"].keys() == {"token"}
    assert conf["gs"] == {"requester_pays": True}
    assert "gcs" not in conf
