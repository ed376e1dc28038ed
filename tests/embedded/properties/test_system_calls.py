"""The real command when its system calls end badly: killed at one of them, a full disk, locks that are refused.

`faults.c` is loaded into the process; it needs Linux and a C compiler, and no rights.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forks import Forks

from ai.starlake.embedded.transform.task_run import TransformRequest
from benchmarks.commands import run_measured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KINDS = ("write", "sync", "rename", "unlink")
ATTRIBUTES = [{"name": "id", "type": "long"}, {"name": "label", "type": "string"}]
LOAD = ("load",)
TRANSFORM = ("transform", "--name", "kpi.base")
KILLED = -9
SIX_GIGABYTES = 6 * 1024**2
"""In kilobytes."""


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Return the faults, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.fail("these tests need Linux and a C compiler; on Debian: apt-get install gcc libc6-dev")
    target = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", target, source, "-ldl"], check=True)
    return target


@pytest.fixture(scope="module")
def forks(library):
    """Start a process that imports once what commands with faults need."""
    with Forks.started(library) as process:
        yield process


class Faulty:
    """Runs the command of a project with faults."""

    def __init__(self, shop, library, forks):
        self.shop = shop
        self.library = library
        self.forks = forks

    def run(self, arguments, **faults):
        """Run it as a user does."""
        environment = {**os.environ, **self.shop.environment, "LD_PRELOAD": str(self.library), **faults}
        command = [sys.executable, "-m", "ai.starlake.embedded", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)

    def run_soon(self, arguments, **faults):
        """Run it in a process that is forked; return its exit code and output."""
        return self.forks.run(arguments, {**os.environ, **self.shop.environment, **faults})

    def count(self, arguments, **environment):
        """Return the number of system calls of each kind of the command, which must succeed."""
        file = self.shop.root / "counts"
        file.write_bytes(bytes(8 * len(KINDS)))
        code, output = self.run_soon(arguments, FAULT_COUNTS=str(file), **environment)
        assert code == 0, output
        return dict(zip(KINDS, struct.unpack(f"{len(KINDS)}q", file.read_bytes()), strict=True))


@pytest.fixture
def faulty(shop, library, forks):
    return Faulty(shop, library, forks)


def put(shop):
    shop.clear()
    shop.put("rows-1.csv", "id,label\n1,a\n2,b\n")
    shop.put("rows-2.csv", "id,label\n3,c\nx,d\n")


def state(shop):
    audit = shop.rows("SELECT STEP, COUNT, COUNTREJECTED FROM audit.audit WHERE SUCCESS ORDER BY ALL")
    areas = {area: shop.files(area) for area in ("stage", "ingesting", "archive")}
    return shop.tables(), audit, shop.rows("SELECT count(*) FROM audit.rejected"), areas


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_load_killed_at_every_call(faulty, kind):
    """The database is made in it; what comes next must open it and finish the work."""
    shop = faulty.shop
    shop.table("rows", ATTRIBUTES, {"separator": ","})
    put(shop)
    calls = faulty.count(LOAD)[kind]
    expected = state(shop)
    assert calls >= 4
    for number in range(1, calls + 1):
        put(shop)
        died, _ = faulty.run_soon(LOAD, FAULT_KILL=f"{kind}:{number}")
        assert died in (KILLED, 0), f"{kind} {number}"
        assert not shop.load().failures, f"{kind} {number}"
        assert state(shop) == expected, f"{kind} {number}"


def test_an_appending_task_killed_at_every_write_and_retried(faulty):
    shop = faulty.shop
    shop.task("base", "SELECT 1 AS id, 2 AS amount")
    shop.clear()
    run = {"SL_JOB_ID": "run.step"}
    calls = faulty.count(TRANSFORM, **run)["write"]
    assert calls >= 4
    for number in range(1, calls + 1):
        shop.clear()
        died, _ = faulty.run_soon(TRANSFORM, FAULT_KILL=f"write:{number}", **run)
        assert died in (KILLED, 0)
        assert shop.engine(**run).transform(TransformRequest("kpi.base")).error is None
        assert shop.rows("FROM kpi.base") == [(1, 2)], f"write {number}"


@pytest.mark.parametrize("kilobytes", [0, 1, 8, 12, 40, 300, 1500])
def test_a_disk_that_is_full_during_the_first_load(faulty, kilobytes):
    shop = faulty.shop
    shop.table("rows", ATTRIBUTES, {"separator": ","})
    rows = [(number, f"label {number} " * 5) for number in range(20_000)]
    shop.put("rows-1.csv", "id,label\n" + "".join(f"{number},{label}\n" for number, label in rows))
    done = faulty.run(LOAD, FAULT_SPACE=str(kilobytes * 1024))
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    told = ("No space left", "No usable temporary directory")
    assert done.returncode == 0 or any(text in done.stderr for text in told), done.stderr
    assert not shop.load().failures
    assert shop.rows("SELECT count(*), sum(id) FROM shop.rows") == [(len(rows), sum(range(len(rows))))]
    assert (shop.files("archive"), shop.files("stage"), shop.files("ingesting")) == (["rows-1.csv"], [], [])


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EACCES])
def test_locks_that_are_refused(faulty, code):
    shop = faulty.shop
    shop.table("rows", ATTRIBUTES, {"separator": ","})
    put(shop)
    started = time.monotonic()
    done = faulty.run(LOAD, FAULT_LOCKS=str(code))
    assert done.returncode == 1
    assert f"its file system refuses locks: {os.strerror(code)}" in done.stderr
    assert time.monotonic() - started < 60, "it waited for a lock that nobody holds"
    assert shop.files("stage") == ["rows-1.csv", "rows-2.csv"]
    assert not shop.load().failures


@pytest.mark.parametrize("packed", [False, True])
def test_two_stages_and_a_load_at_once(shop, packed):
    import gzip

    shop.table("rows", ATTRIBUTES, {"separator": ",", "grouped": True})
    for number in range(300):
        content = f"id,label\n{number},x\n".encode()
        name = f"rows-{number}.csv"
        shop.put(f"{name}.gz" if packed else name, gzip.compress(content) if packed else content, "incoming")
    environment = {**os.environ, **shop.environment}
    command = [sys.executable, "-m", "ai.starlake.embedded"]
    running = [
        subprocess.Popen([*command, verb], env=environment, stderr=subprocess.PIPE, text=True)
        for verb in ("stage", "stage", "load")
    ]
    said = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert not shop.load().failures
    assert shop.rows("SELECT count(*), count(DISTINCT id) FROM shop.rows") == [(300, 300)]
    assert (shop.files("incoming"), shop.files("stage"), shop.files("ingesting")) == ([], [], [])


def peak(shop, files):
    """Return the most memory, in bytes, that a grouped load of some files takes, with six gigabytes of addresses."""
    shop.clear()
    for number in range(files):
        shop.put(f"rows-{number}.csv", f"id,label\n{number},x\n")
    command = ["/bin/sh", "-c", f'ulimit -v {SIX_GIGABYTES}; exec "$0" -m ai.starlake.embedded load', sys.executable]
    usage = run_measured(command, {**os.environ, **shop.environment}, subprocess.DEVNULL)
    assert usage.code == 0
    assert shop.rows("SELECT count(*), sum(id) FROM shop.rows") == [(files, sum(range(files)))]
    assert len(shop.files("archive")) == files
    return usage.memory


def test_thousands_of_files(shop):
    """A file of a group takes its name and its fate in memory, not a reader's buffers."""
    shop.table("rows", ATTRIBUTES, {"separator": ",", "grouped": True})
    few, many = peak(shop, 500), peak(shop, 4_000)
    assert many - few < 3_500 * 20_000, f"{few} bytes for 500 files, {many} for 4,000"
