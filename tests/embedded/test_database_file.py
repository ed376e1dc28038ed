"""The database file: how it is made, what is left of one that was not, and locks that cannot be had."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
import time

import duckdb
import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project.areas import Areas
from ai.starlake.project.databases.duckdb_plans import plan_of
from ai.starlake.project.models import Area, Connection

HEADERS = 12_288


def storage_version(file):
    return struct.unpack("<Q", file.read_bytes()[12:20])[0]


@pytest.fixture
def file(shop):
    path = shop.root / "datasets/duckdb.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def loading(shop):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    return shop


def test_a_new_database_can_be_read_by_starlake(loading, file):
    assert not loading.engine.load().failures
    assert 64 <= storage_version(file) <= 68
    loading.put("rows2.csv", "id\n2\n")
    assert not loading.engine.load().failures
    assert 64 <= storage_version(file) <= 68


def test_so_can_one_that_a_task_makes(shop, file):
    shop.task("kpi.one", "SELECT 1 AS a")
    assert shop.engine.transform(TransformRequest("kpi.one")).error is None
    assert 64 <= storage_version(file) <= 68


def test_a_database_keeps_its_version(loading, file):
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS own (STORAGE_VERSION 'v1.2.0')")
    assert storage_version(file) == 65
    assert not loading.engine.load().failures
    assert storage_version(file) == 65


def plan(file, **options):
    areas = Areas("/", "/datasets", "/metadata", Area())
    return plan_of(Connection(options={"url": f"jdbc:duckdb:{file}", **options}), areas)


def test_settings_of_the_connection_win(tmp_path):
    with open_database(plan(tmp_path / "a.db", storage_compatibility_version="v1.2.0")) as database:
        database.execute("CREATE TABLE a AS SELECT 1")
    assert storage_version(tmp_path / "a.db") == 65


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    """Return the first bytes that DuckDB writes."""
    file = tmp_path_factory.mktemp("made") / "empty.db"
    duckdb.connect(str(file)).close()
    return file.read_bytes()[:HEADERS]


@pytest.mark.parametrize("size", [0, 12, 100, 4095, 4096, 8192, HEADERS - 1])
@pytest.mark.parametrize("zeros", [False, True])
def test_a_database_that_was_left_half_made_is_completed(loading, file, headers, size, zeros):
    file.write_bytes(bytes(size) if zeros else headers[:size])
    assert not loading.engine.load().failures
    assert loading.rows() == [(1,)]
    assert loading.files() == ["archive/shop/rows1.csv"]
    assert 64 <= storage_version(file) <= 68


def test_so_it_is_through_a_link(loading, file):
    elsewhere = loading.root / "elsewhere.db"
    elsewhere.write_bytes(b"")
    file.symlink_to(elsewhere)
    assert not loading.engine.load().failures
    assert elsewhere.stat().st_size >= HEADERS


@pytest.mark.parametrize("content", [b"id,name\n1,a\n", b"SQLite format 3\0" + bytes(4080), b"x" * HEADERS])
def test_what_is_no_database_is_left_alone(loading, file, content):
    file.write_bytes(content)
    with pytest.raises(StarlakeError, match="cannot open the DuckDB database"):
        loading.engine.load()
    assert file.read_bytes() == content
    assert loading.files() == ["stage/shop/rows1.csv"]


def test_half_a_database_with_a_log_is_left_alone(loading, file, headers):
    file.write_bytes(headers[:4096])
    log = file.with_name("duckdb.db.wal")
    log.write_bytes(b"rows")
    with pytest.raises(StarlakeError, match="cannot open the DuckDB database"):
        loading.engine.load()
    assert (file.stat().st_size, log.read_bytes()) == (4096, b"rows")


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(file):
    """Yield a database that another process is just making."""
    file.write_bytes(b"")
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.communicate()


def test_a_database_that_another_process_makes_is_waited_for(loading, held, file):
    loading.environment["SL_DUCKDB_LOCK_TIMEOUT"] = "0.3"
    with pytest.raises(StarlakeError, match="in use"):
        loading.engine.load()
    assert file.stat().st_size == 0
    held.communicate()
    assert not loading.engine.load().failures


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EACCES])
@pytest.mark.parametrize("patience", ["0", "600"])
def test_a_file_system_that_refuses_locks_is_told_at_once(loading, held, monkeypatch, code, patience):
    def refusing(*_):
        raise OSError(code, "refused")

    monkeypatch.setattr(fcntl, "lockf", refusing)
    loading.environment["SL_DUCKDB_LOCK_TIMEOUT"] = patience
    started = time.monotonic()
    with pytest.raises(StarlakeError, match=f"duckdb.db cannot be locked\n.*refuses locks: {os.strerror(code)}\n"):
        loading.engine.load()
    assert time.monotonic() - started < 300
    assert loading.files() == ["stage/shop/rows1.csv"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StarlakeError, match=r"file/a\.db\n(Not a directory|File exists)"),
        open_database(plan(tmp_path / "file/a.db")),
    ):
        pass
