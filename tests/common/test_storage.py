from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import uuid
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files, file_layer, local_path
from ai.starlake.gcp.client.clients import storage_client
from ai.starlake.gcp.client.endpoints import GcpEndpoints
from starlake_gcp_emulator.cloud_storage.storage import StorageServer
from tests.waiting import PATIENCE, all_at_once, wait_for

at = Files().location


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def cloud_storage():
    server = StorageServer()
    yield server
    server.stop()


@pytest.fixture
def gs(cloud_storage, monkeypatch):
    """Return a bucket of the storage emulator, by a client of Google's."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud_storage.endpoint)
    client = storage_client(GcpEndpoints(storage=cloud_storage.endpoint))
    return client.create_bucket(f"bucket-{uuid.uuid4().hex}")


@pytest.fixture(params=["local", "file", "memory", "gs", "gcs"])
def folder(request, tmp_path, memory):
    """Return a folder, and how to put a file into it."""
    if request.param in ("gs", "gcs"):
        bucket = request.getfixturevalue("gs")
        write = lambda name, text="x": bucket.blob(name).upload_from_string(text)  # noqa: E731
        return f"{request.param}://{bucket.name}", write, lambda name: bucket.blob(name).download_as_text()
    base = {"local": str(tmp_path), "file": f"file://{tmp_path}", "memory": "memory://bucket"}[request.param]

    def put(name, text="x"):
        if request.param == "memory":
            memory.pipe(f"/bucket/{name}", text.encode())
        else:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    def text(name):
        return memory.cat(f"/bucket/{name}").decode() if request.param == "memory" else (tmp_path / name).read_text()

    return base, put, text


def test_files_are_listed_sorted_without_folders_and_hidden_ones(folder):
    base, put, _ = folder
    for name in ("d/b.csv", "d/a b.csv", "d/.hidden", "d/sub/c.csv"):
        put(name)
    assert at(f"{base}/d").list_files() == ["a b.csv", "b.csv"]


def test_one_listing_tells_sizes(folder):
    base, put, _ = folder
    for name, text in (("d/b.csv", "12"), ("d/a.csv", "1"), ("d/.hidden", ""), ("d/sub/c.csv", "")):
        put(name, text)
    assert [(entry.name, entry.size) for entry in at(f"{base}/d").entries()] == [("a.csv", 1), ("b.csv", 2)]
    assert at(f"{base}/missing").entries() == []


def test_a_listing_tells_a_file_from_another_one_of_its_name_and_size(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("1")
    os.utime(file, (1_000, 1_000))
    (first,) = at(tmp_path).entries()
    file.rename(tmp_path / "b.csv")
    (moved,) = at(tmp_path).entries()
    os.utime(tmp_path / "b.csv", (1_001, 1_001))
    (touched,) = at(tmp_path).entries()
    assert first.version == moved.version != touched.version
    assert (first.modified, touched.modified) == (1_000, 1_001)


def test_a_link_that_leads_nowhere_is_not_listed(tmp_path):
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone")
    assert at(tmp_path).entries() == []


def test_a_file_may_be_named_as_its_folder(folder):
    base, put, _ = folder
    put("d/d")
    assert at(f"{base}/d").list_files() == ["d"]


def test_a_missing_folder_has_no_files(folder):
    assert at(f"{folder[0]}/missing").list_files() == []


def test_a_file_in_place_of_a_folder_is_an_error_and_not_nothing(folder):
    base, put, _ = folder
    put("d")
    with pytest.raises(StarlakeError, match="d cannot be listed"):
        at(f"{base}/d").list_files()


def test_existence(folder):
    base, put, _ = folder
    put("d/x")
    assert at(f"{base}/d/x").exists()
    assert not at(f"{base}/d/y").exists()
    with pytest.raises(StarlakeError, match="is not a file"):
        at(f"{base}/d").exists()


def test_removal_tells_whether_there_was_something(folder):
    base, put, _ = folder
    put("x")
    assert at(f"{base}/x").remove()
    assert not at(f"{base}/x").remove()


def test_a_move_makes_the_folder_and_keeps_the_name(folder):
    base, put, text = folder
    put("from/x.csv", "rows")
    moved = at(f"{base}/from/x.csv").move_into(at(f"{base}/to/there"))
    assert moved.exists()
    assert text("to/there/x.csv") == "rows"
    assert at(f"{base}/from").list_files() == []


def test_a_move_never_replaces(folder):
    base, put, text = folder
    put("from/x.csv", "old")
    put("to/x.csv", "new")
    with pytest.raises(FileExistsError):
        at(f"{base}/from/x.csv").move_into(at(f"{base}/to"))
    assert (text("from/x.csv"), text("to/x.csv")) == ("old", "new")


def test_a_missing_file_cannot_be_moved(folder):
    with pytest.raises(StarlakeError, match="no longer exists"):
        at(f"{folder[0]}/missing").move_into(at(f"{folder[0]}/to"))


def test_below_a_file_there_is_nothing_to_look_at(tmp_path):
    (tmp_path / "file").write_text("x")
    below = at(tmp_path / "file" / "below")
    for look in (below.list_files, below.exists, below.remove, lambda: below.move_into(at(tmp_path))):
        with pytest.raises(StarlakeError, match="Not a directory"):
            look()


def test_a_folder_cannot_be_removed(tmp_path):
    with pytest.raises(StarlakeError, match="cannot be removed"):
        at(tmp_path).remove()


def test_a_move_into_a_file_is_an_error_and_not_a_clash(tmp_path):
    (tmp_path / "x").write_text("x")
    (tmp_path / "to").write_text("x")
    with pytest.raises(StarlakeError, match="cannot be made"):
        at(tmp_path / "x").move_into(at(tmp_path / "to"))


def test_a_circle_of_links_is_an_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StarlakeError):
        at(tmp_path / "a").list_files()


def test_a_move_that_was_killed_half_way_is_finished(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "x").write_text("rows")
    os.link(tmp_path / "from" / "x", tmp_path / "to" / "x")
    at(tmp_path / "from" / "x").move_into(at(tmp_path / "to"))
    assert not (tmp_path / "from" / "x").exists()
    assert (tmp_path / "to" / "x").read_text() == "rows"


def test_a_move_to_another_disk_copies(tmp_path):
    other = Path("/dev/shm", f"starlake-test-{os.getpid()}")
    if not other.parent.is_dir() or other.parent.stat().st_dev == tmp_path.stat().st_dev:
        other = Path("/var/tmp", other.name)
    (tmp_path / "x").write_text("rows")
    os.utime(tmp_path / "x", (1000, 1000))
    try:
        at(tmp_path / "x").move_into(at(other))
        assert not (tmp_path / "x").exists()
        assert (other / "x").stat().st_mtime == 1000
        (tmp_path / "x").write_text("newer")
        with pytest.raises(FileExistsError):
            at(tmp_path / "x").move_into(at(other))
        assert [path.name for path in other.iterdir()] == ["x"]
    finally:
        shutil.rmtree(other)


@pytest.mark.parametrize("store", ["local", "gs"])
def test_one_of_many_consumers_gets_a_file(tmp_path, gs, store):
    folder = at(tmp_path if store == "local" else f"gs://{gs.name}")
    (tmp_path / "ack").write_text("")
    gs.blob("ack").upload_from_string("")
    start = threading.Barrier(8)

    def consume():
        start.wait(PATIENCE)
        return folder.child("ack").remove()

    won = all_at_once(*[consume] * 8)
    assert sorted(won) == [False] * 7 + [True]


def test_what_appears_later_is_seen(memory):
    folder = at("memory://bucket/d")
    assert not folder.child("x").exists()
    memory.pipe("/bucket/d/x", b"")
    assert folder.child("x").exists()


@pytest.mark.parametrize(("uri", "fix"), [("s3://b/x", "s3fs"), ("s3a://b/x", "s3fs"), ("abfs://b/x", "adlfs")])
def test_a_missing_driver_is_named(uri, fix):
    with pytest.raises(StarlakeError, match=f"pip install {fix}"):
        at(uri).list_files()


def test_an_unknown_scheme_is_an_error():
    with pytest.raises(StarlakeError, match="no driver for nope"):
        at("nope://b/x").exists()


def test_two_names_of_a_scheme_are_one():
    assert str(at("gcs://bucket/x")) == str(at("gs://bucket/x/")) == "gs://bucket/x"
    assert str(at("s3a://bucket/x")) == str(at("s3://bucket/x/")) == "s3://bucket/x"


def test_nothing_moves_between_kinds_of_storage(tmp_path, memory):
    (tmp_path / "x").write_text("x")
    memory.pipe("/bucket/y", b"y")
    with pytest.raises(StarlakeError, match="two kinds"):
        at(tmp_path / "x").move_into(at("memory://bucket"))
    with pytest.raises(StarlakeError, match="two kinds"):
        at("memory://bucket/y").move_into(at(tmp_path))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a b/c", "/a b/c"),
        ("file:///a/b", "/a/b"),
        ("file:/a/b", "/a/b"),
        ("file://localhost/a", "/a"),
        ("file:///a%20b", "/a%20b"),
        ("gs://bucket/a", None),
    ],
)
def test_what_is_local(text, path):
    assert local_path(text) == (None if path is None else Path(path))


def test_a_host_in_a_file_uri_is_a_mistake_with_a_way_out():
    with pytest.raises(StarlakeError, match="file:///tmp"):
        local_path("file://tmp")


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_an_error_of_ours(text):
    with suppress(StarlakeError):
        at(text).exists()


class Faulty(fsspec.AbstractFileSystem):
    """A driver whose store fails in its own way, and that knows one bucket."""

    protocol = "faulty"

    def ls(self, path, detail=True, **options):
        self.info(path)
        return []

    def info(self, path, **options):
        if "forbidden" in path:
            raise RuntimeError("403: no permission storage.objects.list")
        if path.strip("/") == "bucket":
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)


@pytest.fixture
def faulty(monkeypatch):
    """Replace the driver of s3:// by the faulty one; universal-pathlib finds it as it finds s3fs."""
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Faulty)


def test_a_missing_bucket_is_an_error_and_a_missing_folder_is_not(faulty):
    assert at("s3://bucket/stage").list_files() == []
    assert not at("s3://bucket/day.ack").exists()
    for look in (at("s3://buckett/stage").list_files, at("s3://buckett/day.ack").exists):
        with pytest.raises(StarlakeError, match="no bucket s3://buckett"):
            look()


def test_the_errors_of_a_driver_are_told(faulty):
    location = at("s3://bucket/forbidden")
    for look in (location.list_files, location.exists, location.remove):
        with pytest.raises(StarlakeError, match="403: no permission"):
            look()


@pytest.fixture
def installed(monkeypatch):
    """Installs a plug-in for a scheme."""

    def install(scheme, value):
        entry = EntryPoint(scheme, value, file_layer.PLUG_INS)
        monkeypatch.setattr(file_layer, "entry_points", lambda **_: [entry])
        file_layer._plug_in.cache_clear()

    yield install
    file_layer._plug_in.cache_clear()


class Parts:
    """A storage of one's own, which shows what it is asked for."""

    def __init__(self, setting="default"):
        self.setting = setting

    def path(self, uri):
        return (self.setting, "path", uri)

    def location(self, uri):
        return (self.setting, "location", uri)


def test_a_scheme_may_be_added(installed):
    installed("parts", f"{__name__}:Parts")
    assert at("parts://x") == ("default", "location", "parts://x")
    assert Files().path("parts://x") == ("default", "path", "parts://x")


def test_what_a_job_says_of_a_scheme_takes_precedence(installed):
    installed("parts", f"{__name__}:Parts")
    files = Files({"parts": Parts("own")})
    assert files.location("PARTS://x") == ("own", "location", "PARTS://x")
    assert files.path("parts://x") == ("own", "path", "parts://x")
    assert at("parts://x") == ("default", "location", "parts://x")


@pytest.mark.parametrize("value", ["no.such.module:x", "builtins:no_such_name"])
def test_a_plug_in_that_does_not_load_is_named(installed, value):
    installed("broken", value)
    with pytest.raises(StarlakeError, match=f"its driver {value} cannot be loaded"):
        at("broken://bucket/x")


@pytest.mark.parametrize("uri", ["memory://project/load/x.yml", "/tmp/load/x.yml", "file:///tmp/load/x.yml"])
def test_paths_read_like_those_of_pathlib(uri):
    path = Files().path(uri)
    assert (path.name, path.parent.name, path.exists()) == ("x.yml", "load", False)


def test_a_missing_driver_of_a_path_is_named():
    with pytest.raises(StarlakeError, match="no driver for nope"):
        Files().path("nope://b/x")
    with pytest.raises(StarlakeError, match="pip install s3fs"):
        Files().is_folder(Files().path("s3://b/x"))


def test_folders_of_object_stores(memory):
    files = Files()
    assert not files.is_folder(files.path("memory://bucket/d"))
    memory.pipe("/bucket/d/x", b"")
    assert files.is_folder(files.path("memory://bucket/d"))
    assert not files.is_folder(files.path("memory://bucket/d/x"))


class Mute(fsspec.AbstractFileSystem):
    """A driver whose store does not answer until it is released."""

    protocol = "mute"
    asked: ClassVar[list[str]] = []
    answers: ClassVar[threading.Event]

    def info(self, path, **options):
        self.asked.append(path)
        self.answers.wait(PATIENCE)
        return {"name": path, "type": "directory", "size": 0}


@pytest.fixture
def mute(monkeypatch):
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Mute)
    monkeypatch.setattr(file_layer, "_PATIENCE", 0.3)
    Mute.asked.clear()
    Mute.answers = threading.Event()
    yield Mute
    Mute.answers.set()


def test_a_store_that_does_not_answer_is_waited_for_once(mute, monkeypatch):
    files = Files()
    first, second = files.path("s3://bucket/metadata"), files.path("s3://bucket/elsewhere")
    with pytest.raises(StarlakeError, match=r"s3://bucket/metadata cannot be reached\nTimeoutError: no answer"):
        files.is_folder(first)
    monkeypatch.setattr(file_layer, "_PATIENCE", 60)
    begun = time.monotonic()
    for folder in (first, second, first):
        with pytest.raises(StarlakeError, match="cannot be reached"):
            files.is_folder(folder)
    assert time.monotonic() - begun < 60
    assert [path.removeprefix("s3://") for path in mute.asked] == [
        "bucket/metadata"
    ]  # as fsspec has loaded s3fs or not
    mute.answers.set()
    assert soon(files, second)
    assert files.is_folder(first)


def soon(files, folder):
    """Ask until the running request is answered."""

    def answered():
        with suppress(StarlakeError):
            return files.is_folder(folder)

    return wait_for("an answer", answered)


def test_another_job_asks_a_store_by_itself(mute):
    with pytest.raises(StarlakeError):
        Files().is_folder(Files().path("s3://bucket/metadata"))
    mute.answers.set()
    files = Files()
    assert soon(files, files.path("s3://bucket/metadata"))
