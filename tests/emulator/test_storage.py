"""Cloud Storage, as Google's client sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from starlake_gcp_emulator import GcpEmulator


def client(gcp: GcpEmulator) -> Any:
    place = {"client_options": {"api_endpoint": gcp.storage_endpoint}, "credentials": AnonymousCredentials()}
    return storage.Client(project="p", **place)


def test_there_are_the_buckets_that_are_added(gcp: GcpEmulator) -> None:
    gcp.add_bucket("mine")
    gcp.add_bucket("mine")
    bucket = client(gcp).bucket("mine")
    bucket.blob("a/b.txt").upload_from_string("text")
    assert bucket.blob("a/b.txt").download_as_bytes() == b"text"
    assert [blob.name for blob in client(gcp).list_blobs("mine", prefix="a/")] == ["a/b.txt"]


def test_conditions_on_generations_are_heeded(gcp: GcpEmulator) -> None:
    gcp.add_bucket("mine")
    bucket = client(gcp).bucket("mine")
    blob = bucket.blob("a.txt")
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("second", if_generation_match=0)
    blob.reload()
    copy = bucket.copy_blob(blob, bucket, "b.txt", if_generation_match=0, if_source_generation_match=blob.generation)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.copy_blob(blob, bucket, "b.txt", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.copy_blob(blob, bucket, "c.txt", if_source_generation_match=blob.generation + 1)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=blob.generation + 1)
    assert copy.download_as_bytes() == blob.download_as_bytes() == b"first"
    blob.delete(if_generation_match=blob.generation)
    assert not blob.exists()


def test_requests_that_come_at_once_are_all_answered(gcp: GcpEmulator) -> None:
    gcp.add_bucket("mine")

    def write(number: int) -> bytes:
        blob = client(gcp).bucket("mine").blob(f"{number}.txt")
        blob.upload_from_string(str(number))
        return blob.download_as_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(40))) == [str(number).encode() for number in range(40)]
    assert len(list(client(gcp).list_blobs("mine"))) == 40
