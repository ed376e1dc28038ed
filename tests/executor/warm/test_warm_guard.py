"""Whoever ends, in whatever way: nothing of a server is left, and a server that others need stays."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil
import pytest

from ai.starlake.common import StarlakeError
from tests.executor.warm.warm_commands import Client, WarmCommands, alive, gone, wait_for


@pytest.fixture
def commands(tmp_path, runtime):
    return WarmCommands(tmp_path, runtime, owner=os.getpid())


@pytest.fixture
def client(commands):
    started = []

    def start(*faults, **settings):
        started.append(Client(commands, *faults, **settings))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL], ids=["exit", "SIGTERM", "SIGKILL"])
def test_the_end_of_the_owner_ends_the_server(commands, client, number):
    owner = client()
    server = int(owner.ask("process"))
    (file,) = commands.servers()
    assert file.process.pid == server
    owner.end(number)
    gone(server, file.guard.pid)
    wait_for(lambda: not list(commands.runtime.glob("starlake-warm/*")), "the removal of the folder")


def test_the_end_of_the_owner_soon_after_that_of_the_server_leaves_no_folder(commands, client):
    owner = client()
    server = int(owner.ask("process"))
    (file,) = commands.servers()
    os.kill(server, signal.SIGKILL)
    with suppress(psutil.TimeoutExpired):
        psutil.Process(file.guard.pid).wait(2)
    owner.end(signal.SIGKILL)
    wait_for(lambda: not list(commands.runtime.glob("starlake-warm/*")), "the removal of the folder")
    gone(file.guard.pid)


def test_the_end_of_the_owner_ends_a_server_that_resists_and_its_children(commands, client, tmp_path):
    owner = client("ignore", grace=0.3)
    owner.tell("child", str(tmp_path / "child"))
    server = int(owner.hear())
    child = int((tmp_path / "child").read_text())
    (file,) = commands.servers()
    owner.end(signal.SIGKILL)
    gone(server, child, file.guard.pid)


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL], ids=["exit", "SIGTERM", "SIGKILL"])
def test_the_end_of_a_step_leaves_the_server_to_others(commands, client, number):
    step = client(owner=os.getpid())
    assert step.ask("limited") == "cold limited"  # its watchdog runs, too
    server = int(step.ask("process"))
    step.end(number)
    assert commands.process() == server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_the_end_of_a_step_during_a_command_ends_the_server(commands, client, number):
    step = client(owner=os.getpid())
    step.tell("wait", "never")
    server = int(step.hear())
    step.end(number)
    gone(server)
    assert commands.process() != server


def test_the_end_of_the_guard_ends_the_server(commands):
    server = commands.process()
    (file,) = commands.servers()
    os.kill(file.guard.pid, signal.SIGKILL)
    gone(server)
    assert commands.process() != server
    assert f"the warm server (process {server}) has ended: nobody saw how" in commands.report.infos
    assert commands.report.warnings == []


def test_the_end_of_the_guard_during_a_command_fails_it(commands):
    def kill_guard(stream, line):
        os.kill(commands.servers()[0].guard.pid, signal.SIGKILL)

    with pytest.raises(StarlakeError, match="ended during the command\nnobody saw how: its guard ended too"):
        commands.run("wait", "never", on_line=kill_guard)
    assert commands.servers() == []
    assert commands.report.warnings == []


def test_the_end_of_the_server_during_a_command_fails_it(commands):
    server = commands.process()
    code, lines = commands.run(
        "wait", "never", on_line=lambda _, line: line == str(server) and os.kill(server, signal.SIGKILL)
    )
    assert code == -signal.SIGKILL
    assert "it was ended by signal 9" in lines[-1][1]
    assert commands.process() != server
    assert commands.report.warnings == []


def test_children_of_a_server_that_was_killed_are_ended(commands, tmp_path):
    def kill(stream, line):
        if line.isdigit():
            os.kill(int(line), signal.SIGKILL)

    code, _ = commands.run("child", str(tmp_path / "child"), on_line=kill)
    assert code == -signal.SIGKILL
    assert not alive(int((tmp_path / "child").read_text()))


def test_two_steps_that_begin_together_start_one_server(commands, client):
    steps = [client(owner=os.getpid()) for _ in range(2)]
    for step in steps:
        step.tell("process")
    assert len({step.hear() for step in steps}) == 1
    assert len(commands.servers()) == 1


def test_the_end_of_a_run_ends_its_servers_where_the_process_goes_on(commands):
    ends = []
    for _ in range(2):
        commands.run("print", context=commands.context(at_end=ends.append))
    (file,) = commands.servers()
    (end,) = ends
    end()
    assert not alive(file.process.pid)
    assert list(commands.runtime.glob("starlake-warm/*")) == []
    gone(file.guard.pid)


def test_the_guard_leaves_the_process_that_started_it(commands):
    commands.process()
    (file,) = commands.servers()
    guard, server = psutil.Process(file.guard.pid), psutil.Process(file.process.pid)
    assert server.ppid() == guard.pid
    assert guard.ppid() != os.getpid()
    assert os.getsid(guard.pid) != os.getsid(0)
    assert os.getsid(server.pid) == server.pid
    assert "SL_JOB_ID" not in server.environ()
    assert file.token not in " ".join([*guard.cmdline(), *server.cmdline(), *map(str, server.environ().values())])
