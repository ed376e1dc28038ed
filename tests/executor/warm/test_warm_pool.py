"""Commands that run at the same time: how many servers they get, and how they wait for each other."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor.notes import LoadNote, load_by_hand_runs
from ai.starlake.executor.warm import warm_runner
from tests.executor.warm.warm_commands import PATIENCE, WarmCommands


class Beside:
    """A command that runs in a thread until it is released."""

    def __init__(self, warm: WarmCommands, folder: Path, verb: str = "wait", **options) -> None:
        self.file = folder / f"end-{verb}"
        self.begun = threading.Event()
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self.run, args=[warm, verb, options])
        self.thread.start()
        assert self.begun.wait(PATIENCE)

    def run(self, warm, verb, options):
        try:
            _, lines = warm.run(verb, str(self.file), on_line=lambda *_: self.begun.set(), **options)
            self.lines += [line for _, line in lines]
        finally:
            self.begun.set()

    def end(self) -> int:
        """Let it end; return the process that ran it."""
        self.file.touch()
        self.thread.join(PATIENCE)
        return int(self.lines[0])


@pytest.fixture
def beside(tmp_path):
    started = []

    def start(warm, verb="wait", **options):
        started.append(Beside(warm, tmp_path, verb, **options))
        return started[-1]

    yield start
    for one in started:
        one.file.touch()
        one.thread.join(PATIENCE)


@pytest.fixture
def commands(tmp_path, runtime):
    return lambda **settings: WarmCommands(tmp_path, runtime, **settings)


@pytest.fixture
def when_waiting(monkeypatch):
    """Do something once a command says that it waits for its turn."""
    monkeypatch.setattr(warm_runner, "_TELL_AFTER", 0.0)

    def start(warm, act):
        tell = warm.report.info

        def info(message):
            tell(message)
            if message.startswith("waiting"):
                act()

        monkeypatch.setattr(warm.report, "info", info)

    return start


class Facts:
    def __init__(self, file: Path | None) -> None:
        self.file = file

    def duckdb_file(self):
        return self.file


def unreadable():
    raise StarlakeError("application.sl.yml cannot be read")


def test_commands_run_beside_each_other_as_far_as_the_pool_allows(commands, beside):
    warm = commands(servers=2)
    first = beside(warm)
    second = warm.process()
    assert first.end() != second
    assert len(warm.servers()) == 2
    assert warm.process() in {server.process.pid for server in warm.servers()}


def test_one_server_is_not_left_for_a_new_one(commands, beside):
    warm = commands(servers=2)
    server = warm.process()
    assert [warm.process() for _ in range(3)] == [server] * 3


@pytest.mark.parametrize(
    ("facts", "servers"),
    [(lambda: Facts(None), 2), (lambda: Facts(Path("/project/duckdb.db")), 1), (unreadable, 1), (None, 1)],
    ids=["no DuckDB file", "one DuckDB file", "an unreadable project", "an unknown project"],
)
def test_how_many_servers_there_are_by_default(commands, beside, facts, servers, when_waiting):
    warm = commands()
    first = beside(warm)
    when_waiting(warm, first.file.touch)
    assert warm.run("print", "a", context=warm.context(facts=facts)) == (0, [("stdout", "a")])
    assert len(warm.servers()) == servers
    first.end()


def test_a_command_that_waits_tells_for_whom(commands, beside, when_waiting):
    warm = commands(servers=1)
    first = beside(warm, context=warm.context(step="long_step"))
    when_waiting(warm, first.file.touch)
    _, lines = warm.run("process", context=warm.context(step="short_step"))
    assert lines == [("stdout", str(first.end()))]
    assert warm.report.infos[-1].startswith("waiting for a warm server, which step long_step of run run-1 (process ")


def test_a_wait_is_interrupted_at_once_and_the_other_command_goes_on(commands, beside, when_waiting):
    class Stopped(BaseException):
        pass

    def stop(number, frame):
        raise Stopped

    warm = commands(servers=1)
    first = beside(warm)
    when_waiting(warm, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    previous = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Stopped):
            warm.process()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert not first.file.exists()
    assert first.end() == warm.process()


def test_a_wait_ends_with_the_process_of_the_run(commands, beside, when_waiting):
    warm = commands(servers=1)
    first = beside(warm)
    read, write = os.pipe()
    when_waiting(warm, lambda: os.close(write))
    with pytest.raises(StarlakeError, match="the process of the run has ended"):
        warm.run("process", death_fd=read)
    os.close(read)
    assert not first.file.exists()
    assert first.end() == warm.process()
    assert warm.report.warnings == []


def test_a_warm_load_is_seen_by_others_and_not_by_itself(commands, beside):
    warm = commands()
    root, another = str(warm.folder), str(warm.folder.parent)
    warm.process()
    assert not load_by_hand_runs(root, "run-2.step-1")
    first = beside(warm, "load")
    assert load_by_hand_runs(root, "run-2.step-1")
    assert not load_by_hand_runs(root, warm.job_id)
    assert not load_by_hand_runs(another, "run-2.step-1")
    first.end()
    assert not load_by_hand_runs(root, "run-2.step-1")


def test_the_load_of_a_step_that_was_killed_counts_as_long_as_a_server_runs_it(commands, beside, monkeypatch):
    monkeypatch.setattr("ai.starlake.executor.notes._SETTLE", 0.5)
    warm = commands()
    execution = warm.context().execution
    note = LoadNote.of(execution, warm.job_id, {})
    killed = LoadNote(**{**vars(note), "worker": (2**22 + 1, "12")})
    first = beside(warm, "load")
    assert killed.is_alive(execution, lambda *_: None)
    first.end()
    assert not killed.is_alive(execution, lambda *_: None)
