"""Ends of the virtual machine of a warm server; each of these tests has one of its own."""

from __future__ import annotations

import shutil
import signal

import psutil
import pytest

from ai.starlake.executor.warm.warm_frames import CHECKS_FAILED, CLIENT_GONE, OWNER_GONE, SPOILT, UNUSED, FrameKind
from tests.executor.warm.fake_starlake import compile_java
from tests.executor.warm.warm_commands import gone
from tests.executor.warm.warm_connection import WarmJvm

pytestmark = pytest.mark.slow


@pytest.fixture
def start(fake_starlake, tmp_path):
    started = []

    def start(**options):
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(WarmJvm(fake_starlake, folder, **options))
        return started[-1]

    yield start
    for jvm in started:
        jvm.__exit__()


def test_a_command_that_exits_is_told_and_its_code_is_that_of_the_process(start):
    jvm = start()
    with jvm.connect() as server:
        done = server.fake("exits_3")
        assert (done.exit_code, done.stdout) == (None, b"about to exit")
        assert jvm.exit_code() == 3


@pytest.mark.parametrize(("what", "code"), [("halts_4", 4), ("killed", -signal.SIGKILL)])
def test_a_crash_ends_the_connection(start, what, code):
    jvm = start()
    with jvm.connect() as server:
        with pytest.raises(EOFError):
            server.fake(what)
        assert jvm.exit_code() == code


def test_a_command_that_runs_out_of_memory_fails_and_spoils_the_server(start):
    jvm = start()
    with jvm.connect() as server:
        done = server.fake("memory")
        assert done.exit_code == 1
        assert b"java.lang.OutOfMemoryError" in done.stderr
        assert jvm.exit_code() == SPOILT


def test_a_client_that_leaves_during_a_command_ends_it_with_its_child_processes(start):
    jvm = start()
    (jvm.folder / "datasets/stage/contract").mkdir(parents=True)
    (jvm.folder / "datasets/stage/contract/slow-1.csv").write_text("id\n1\n")
    with jvm.connect() as server:
        server.request("load", "--domains", "contract", "--tables", "slow")
        frames = server.frames()
        while not (children := psutil.Process(jvm.process.pid).children(recursive=True)):
            assert next(frames).kind == FrameKind.HEARTBEAT
    assert jvm.exit_code() == CLIENT_GONE
    gone(*(child.pid for child in children))


def test_a_client_that_leaves_before_its_command_began_ends_nothing(start):
    jvm = start()
    with jvm.connect() as server:
        server.request("transform", "--name", "fake.slow")
    with jvm.connect() as server:
        assert server.fake("count").lines[0].startswith("command 1 ")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_server_ends_with_its_standard_input(start, busy):
    jvm = start()
    with jvm.connect() as server:
        if busy:
            server.request("transform", "--name", "fake.slow")
            assert b"slow began" in next(frame.payload for frame in server.frames() if frame.kind == FrameKind.STDOUT)
        jvm.process.stdin.close()
        assert jvm.exit_code() == OWNER_GONE


def test_a_server_without_a_command_ends_after_a_while(start):
    jvm = start(idle_timeout=0.2)
    assert jvm.exit_code() == UNUSED


@pytest.mark.parametrize("what", ["count", "leaves_0"])
def test_a_server_that_nobody_finds_any_more_ends_even_if_a_thread_works_on(start, what):
    jvm = start()
    with jvm.connect() as server:
        server.fake(what)
        jvm.hello_file.unlink()
    assert jvm.exit_code() == UNUSED


def _begun(start, seconds):
    """Return a server whose command waits for a file, or None if it was idle for too long before it began."""
    jvm = start(idle_timeout=seconds)
    try:
        with jvm.connect() as server:
            server.request("transform", "--name", "fake.waits")
            frames = server.frames()
            for _ in range(seconds + 2):  # a heartbeat each second
                while next(frames).kind != FrameKind.HEARTBEAT:
                    pass
            (jvm.folder / "go").touch()
            assert list(frames)[-1].kind == FrameKind.END
    except (EOFError, ConnectionError):
        return None
    return jvm


def test_a_server_that_is_busy_is_not_idle(start):
    jvm = next(jvm for seconds in (1, 4, 16, 64) if (jvm := _begun(start, seconds)))
    assert jvm.exit_code() == UNUSED


_NAMES = {
    "settings": ("ai/starlake/config", "Settings$", "public Object referenceConfig() { return this; }"),
    "duckdb": ("ai/starlake/extract", "StarlakeConnectionPool$", "private final Object duckDbPool = new Object();"),
    "configuration": ("com/typesafe/config/impl", "ConfigImpl", "public static Object environment() { return null; }"),
    "run": ("ai/starlake/job", "Main", "public void run(String[] arguments) {}"),
}


@pytest.mark.parametrize("check", sorted(_NAMES))
def test_a_server_that_cannot_serve_says_which_check_failed_and_ends(start, tmp_path, check):
    package, name, body = _NAMES[check]
    source = tmp_path / "other" / package / f"{name}.java"
    source.parent.mkdir(parents=True)
    module = f"public static final {name} MODULE$ = new {name}();" if name.endswith("$") else ""
    source.write_text(f"package {package.replace('/', '.')};\npublic class {name} {{ {module} {body} }}\n")
    compile_java(tmp_path / "other", tmp_path / "classes")
    jvm = start(classes=[tmp_path / "classes"])
    assert jvm.exit_code() == CHECKS_FAILED
    hello = jvm.hello_of_the_dead()
    assert hello.port == 0
    assert check in hello.failed_checks


_POOLS = {
    "1.2": ("JdbcDbUtils$StarlakeConnectionPool$", "private final Object hikariPools = null;"),
    "1.4": (
        "JdbcDbUtils$StarlakeConnectionPool$",
        """
        public static class Connections {
            public java.util.Map<String, AutoCloseable> kept = new java.util.HashMap<>();
            public Entries iterator() { return new Entries(kept.values().iterator()); }
            public void clear() { kept.clear(); }
        }
        public static class Entries {
            private final java.util.Iterator<AutoCloseable> entries;
            Entries(java.util.Iterator<AutoCloseable> entries) { this.entries = entries; }
            public boolean hasNext() { return entries.hasNext(); }
            public Entry next() { return new Entry(entries.next()); }
        }
        public static class Entry {
            private final AutoCloseable value;
            Entry(AutoCloseable value) { this.value = value; }
            public AutoCloseable _2() { return value; }
        }
        private final Connections duckDbPool = new Connections();
        { duckDbPool.kept.put("a", () -> System.out.println("closed")); }
        """,
    ),
    "1.5.3": (
        "JdbcDbUtils$StarlakeConnectionPool$",
        """private final Object duckDbPool = this; public void clearDuckdbPool() { System.out.println("closed"); }""",
    ),
}
"""Connection pools of older versions; `test_server.py` has the newer ones."""


@pytest.mark.parametrize("version", sorted(_POOLS))
def test_connections_of_older_versions_are_closed(start, fake_starlake, tmp_path, version):
    name, body = _POOLS[version]
    source = tmp_path / f"other/ai/starlake/extract/{name}.java"
    source.parent.mkdir(parents=True)
    module = f"public static final {name} MODULE$ = new {name}();"
    source.write_text(f"package ai.starlake.extract;\npublic class {name} {{ {body} {module} }}\n")
    compile_java(tmp_path / "other", tmp_path / "classes")
    shutil.copytree(fake_starlake.home / "classes", tmp_path / "starlake")
    (tmp_path / "starlake/ai/starlake/extract/StarlakeConnectionPool$.class").unlink()
    jvm = start(classes=[tmp_path / "classes"], starlake=tmp_path / "starlake")
    assert not jvm.hello().failed_checks
    assert ("closed" in jvm.log.read_text()) is (version != "1.2")
