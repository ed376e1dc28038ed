from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import time

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor import ShellExecutor, WriterBusyError
from ai.starlake.executor import database_lock as lock
from ai.starlake.job import StarlakeCommand
from tests.waiting import PATIENCE, wait_for, whole_lines

LOAD = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
TRANSFORM = StarlakeCommand("transform", ("--name", "kpi.revenue"))

WRITER = """
log = open(os.environ["SL_ROOT"] + "/log", "a", buffering=1)
print("start", file=log)
until = time.monotonic() + float(os.environ.get("WRITE", "0.3"))
while time.monotonic() < until and not os.path.exists(os.environ["SL_ROOT"] + "/waited for"):
    time.sleep(0.01)
time.sleep(0.1)
print("end", file=log)
"""

HOLDER = """
import os, signal, sys
from pathlib import Path
from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.job import StarlakeCommand

class Report:
    def output(self, stream, line): print(line, flush=True)
    def info(self, message): print("INFO", message, flush=True)
    def warning(self, message): print("WARNING", message, flush=True)

class Facts:
    def __init__(self, root, environment): self.file = Path(root) / "datasets" / "duckdb.db"
    def duckdb_file(self, domain=None, table=None, *, task=None): return self.file

class Interrupted(BaseException):
    pass

def interrupt(number, frame):
    raise Interrupted

signal.signal(signal.SIGTERM, interrupt)
command = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
try:
    ShellExecutor(sys.argv[1], facts=Facts).run(command, Execution(sys.argv[2], "load_orders", Report()))
except Interrupted:
    print("interrupted")
"""


def writes(project):
    return (project / "log").read_text().split()


def test_writers_of_one_database_take_turns_and_say_for_whom_they_wait(driver, cli, project):
    """The first writes until the other two wait; then all write at once, if nothing keeps them from it."""
    script = cli(WRITER)
    first = driver(HOLDER, script, "run-0", WRITE="600")
    wait_for("the first writer", (project / "log").exists)
    others = [driver(HOLDER, script, f"run-{number}") for number in (1, 2)]
    waiting = [other.stdout.readline() for other in others]
    assert all("waiting" in line and "process" in line and "since" in line for line in waiting)
    assert all("step load_orders of run run-0" in line for line in waiting)
    (project / "waited for").touch()
    outputs = [holder.communicate(timeout=PATIENCE) for holder in (first, *others)]
    assert [holder.returncode for holder in (first, *others)] == [0, 0, 0], outputs
    assert writes(project) == ["start", "end"] * 3
    assert not any("waiting" in out for out, _ in outputs)


@pytest.fixture
def writer(cli):
    return cli(WRITER)


@pytest.fixture
def holder(driver, writer, project):
    """Return a process that holds the lock, and writes for ten minutes."""
    process = driver(HOLDER, writer, "run-long", WRITE="600")
    wait_for("the writer", lambda: whole_lines(project / "log"))
    return process


def test_a_killed_holder_leaves_no_lock_and_its_command_has_time_to_end(holder, writer, facts, execution, monkeypatch):
    monkeypatch.setattr(lock, "SETTLE", 1.0)
    holder.kill()
    holder.wait()
    started = time.monotonic()
    ShellExecutor(writer, facts=facts).run(LOAD, execution)
    assert 1 <= time.monotonic() - started < PATIENCE
    (message,) = execution.report.infos
    assert "run run-long" in message
    assert "was killed" in message


def test_the_wait_is_bounded(holder, writer, facts, execution):
    started = time.monotonic()
    with pytest.raises(WriterBusyError, match="run run-long"):
        ShellExecutor(writer, facts=facts, lock_timeout=0.5).run(LOAD, execution)
    assert 0.4 < time.monotonic() - started < PATIENCE
    assert len(execution.report.infos) == 1


def test_the_wait_can_be_interrupted(holder, driver, writer):
    waiting = driver(HOLDER, writer, "run-2")
    assert "waiting" in waiting.stdout.readline()
    waiting.send_signal(signal.SIGTERM)
    assert "interrupted" in waiting.communicate(timeout=PATIENCE)[0]


def test_who_waits_notices_that_its_run_is_gone(holder, writer, facts, execution):
    read, write = os.pipe()
    os.close(write)
    try:
        with pytest.raises(StarlakeError, match="the process of the run has ended"):
            ShellExecutor(writer, facts=facts, death_fd=lambda: read).run(LOAD, execution)
    finally:
        os.close(read)


def test_who_waits_is_reminded_now_and_then(holder, writer, facts, execution, monkeypatch):
    class EnoughError(Exception):
        pass

    def info(message):
        told.append(message)
        if len(told) == 3:
            raise EnoughError

    told = []
    monkeypatch.setattr(lock, "REMIND_EVERY", 0.05)
    monkeypatch.setattr(execution.report, "info", info)
    with pytest.raises(EnoughError):
        ShellExecutor(writer, facts=facts, lock_timeout=PATIENCE).run(LOAD, execution)
    assert all("run run-long" in message for message in told)


def test_the_holder_is_known_while_it_holds(cli, project, facts, execution):
    script = cli("print(open(os.environ['SL_ROOT'] + '/datasets/duckdb.db.lock.holder').read())")
    ShellExecutor(script, facts=facts).run(TRANSFORM, execution)
    note = json.loads(execution.report.of("stdout")[0])
    assert (note["run"], note["step"], note["pid"]) == ("run-1", "step-1", os.getpid())
    assert (project / "datasets" / "duckdb.db.lock.holder").read_text().strip() == ""


def test_a_failed_command_frees_the_lock(cli, project, facts, execution):
    executor = ShellExecutor(cli("sys.exit(1)"), facts=facts, lock_timeout=0.2)
    for _ in range(2):
        with pytest.raises(StarlakeError, match="exit code 1"):
            executor.run(LOAD, execution)


@pytest.mark.parametrize(
    "case",
    [
        (LOAD, "auto", ["datasets/duckdb.db.lock"]),
        (TRANSFORM, "auto", ["datasets/duckdb.db.lock"]),
        (StarlakeCommand("stage"), "auto", []),
        (StarlakeCommand("preload"), "own.lock", []),
        (LOAD, "off", []),
        (LOAD, "own.lock", ["own.lock"]),
    ],
)
def test_which_commands_take_which_lock(cli, project, facts, execution, case):
    command, option, made = case
    option = str(project / option) if option.endswith(".lock") else option
    ShellExecutor(cli(""), facts=facts, lock=option).run(command, execution)
    assert sorted(str(path.relative_to(project)) for path in project.rglob("*.lock")) == made


def test_tables_in_several_databases_take_all_locks(cli, project, facts, execution):
    class Several(facts):
        def duckdb_file(self, domain=None, table=None, *, task=None):
            return None if table == "elsewhere" else self.datasets / f"{domain}.db"

    command = StarlakeCommand("load", ("--domains", "b,a", "--tables", "x,elsewhere"))
    ShellExecutor(cli(""), facts=Several).run(command, execution)
    assert sorted(path.name for path in project.rglob("*.lock")) == ["a.db.lock", "b.db.lock"]


def test_a_link_to_a_database_is_the_same_database(cli, project, facts, execution):
    (project / "datasets").mkdir()
    (project / "real").mkdir()
    (project / "datasets" / "duckdb.db").symlink_to(project / "real" / "duckdb.db")
    ShellExecutor(cli(""), facts=facts).run(LOAD, execution)
    assert [str(path.relative_to(project)) for path in project.rglob("*.lock")] == ["real/duckdb.db.lock"]


def test_a_project_that_we_cannot_read_runs_without_a_lock_and_says_so(cli, project, unreadable_facts, execution):
    assert ShellExecutor(cli(""), facts=unreadable_facts).run(LOAD, execution).exit_code == 0
    (warning,) = execution.report.warnings
    assert "application.sl.yml cannot be read" in warning


def test_a_lock_that_cannot_be_made_names_the_option(cli, project, execution):
    (project / "file").write_text("")
    for path in (project / "file" / "x.lock", project):
        with pytest.raises(StarlakeError, match="duckdb_lock"):
            ShellExecutor(cli(""), lock=str(path)).run(LOAD, execution)
    with pytest.raises(StarlakeError, match="duckdb_lock"):
        ShellExecutor(cli(""), lock="gs://bucket/lock").run(LOAD, execution)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EACCES])
def test_a_file_system_that_refuses_locks_is_told_at_once(cli, facts, execution, monkeypatch, code):
    def refusing(*_):
        raise OSError(code, "refused")

    monkeypatch.setattr(fcntl, "flock", refusing)
    started = time.monotonic()
    with pytest.raises(StarlakeError, match=f"refuses locks: {os.strerror(code)}\n.*duckdb_lock"):
        ShellExecutor(cli(""), facts=facts, lock_timeout=600).run(LOAD, execution)
    assert time.monotonic() - started < PATIENCE
    assert execution.report.infos == []


@pytest.mark.parametrize(("environment", "patience"), [({}, "7.5"), ({"SL_DUCKDB_LOCK_TIMEOUT": "3"}, "3")])
def test_the_embedded_engine_waits_by_itself(cli, execution, project, facts, environment, patience):
    show = "print(os.environ['SL_DUCKDB_LOCK_TIMEOUT'], os.listdir(os.environ['SL_ROOT']))"
    executor = ShellExecutor(cli(show, name="starlake-embedded"), facts=facts, lock_timeout=7.5)
    executor.run(StarlakeCommand("load", ("--domains", "sales"), environment=environment), execution)
    assert execution.report.of("stdout") == [f"{patience} []"], "no lock file is made"


def test_a_lock_file_of_ones_own_is_held_for_the_embedded_engine_too(cli, execution, project, facts, tmp_path):
    lock = tmp_path / "my.lock"
    show = f"print(os.path.exists({str(lock)!r}))"
    executor = ShellExecutor(cli(show, name="starlake-embedded"), facts=facts, lock=str(lock))
    executor.run(StarlakeCommand("load", ("--domains", "sales")), execution)
    assert execution.report.of("stdout") == ["True"]
