"""The server in Java with a fake Starlake: tests that need a virtual machine."""

from __future__ import annotations

import os
import re
import signal
import threading
import time

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from tests.executor.warm.warm_commands import WarmCommands, alive, gone, wait_for


class JavaCommands(WarmCommands):
    """Runs commands of the fake Starlake in one scope."""

    def __init__(self, fake, folder, runtime) -> None:
        super().__init__(folder, runtime)
        self.fake = fake
        self.executable = fake.starlake
        self.runner = WarmRunner(WarmSettings(), owner=self.owner)

    def environment(self, **variables):
        return {**self.fake.environment(self.folder), "SL_JOB_ID": self.job_id, **variables}

    def do(self, what, **options):
        return self.run("transform", "--name", f"fake.{what}", **options)

    def process(self):
        code, lines = self.do("count")
        assert code == 0
        return int(re.search(r"of process (\d+)", lines[0][1])[1])


@pytest.fixture
def commands(fake_starlake, tmp_path, runtime):
    return JavaCommands(fake_starlake, tmp_path, runtime)


class Stopped(BaseException):
    pass


def stop(number, frame):
    raise Stopped


def test_commands_share_a_virtual_machine_until_one_is_interrupted(commands, tmp_path):
    server = commands.process()
    assert commands.do("false") == (1, [])
    code, lines = commands.do("throws")
    assert (code, lines[0]) == (1, ("stderr", "java.lang.IllegalStateException: broken on purpose"))
    assert commands.run("transform", "--name", "fake.arguments", "a b", "", "'é$HOME")[1][-3:] == [
        ("stdout", "[a b]"),
        ("stdout", "[]"),
        ("stdout", "['é$HOME]"),
    ]
    for value in ("one", "two"):
        _, lines = commands.do("environment", MINE=value)
        assert [("stdout", f"{how} MINE={value}") for how in ("entry", "name", "child")] == [
            line for line in lines if "MINE" in line[1]
        ]
    assert sorted(commands.do("unended")[1]) == [("stderr", "err without end"), ("stdout", "out without end")]
    assert commands.process() == server

    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\necho $$\nsleep 600\n")
    sleeper.chmod(0o755)
    children: list[int] = []

    def interrupt(stream, line):
        children.append(int(line))
        began.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGUSR1)

    began: list[float] = []
    previous = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Stopped):
            commands.run("load", on_line=interrupt, FAKE_STARLAKE_RUNS=str(sleeper))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert time.monotonic() - began[0] < 20  # half a second on a machine that is idle
    assert not alive(server)
    assert not alive(children[0])
    assert commands.report.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "code"), [("exits_0", 0), ("exits_3", 3), ("beside_0", 0), ("halts_4", 4), ("killed", -9)]
)
def test_a_command_that_ends_the_virtual_machine_has_its_exit_code(commands, what, code):
    assert commands.do(what)[0] == code
    assert commands.do("false") == (1, [])
    assert commands.report.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 3])
def test_a_thread_of_an_earlier_command_that_ends_the_virtual_machine_fails_the_command(commands, tmp_path, code):
    server = commands.process()
    assert commands.do(f"leaves_{code}") == (0, [])
    lines: list[tuple[str, str]] = []

    def let_exit(stream, line):
        lines.append((stream, line))
        (tmp_path / "exit").touch()

    if code:
        assert commands.do("waits", on_line=let_exit)[0] == code
    else:
        with pytest.raises(StarlakeError, match="ended during the command\na thread of an earlier command ended it"):
            commands.do("waits", on_line=let_exit)
    assert ("stderr", "a thread that is not of this command ends the virtual machine") in lines
    assert commands.process() != server
    assert commands.report.warnings == []


@pytest.mark.slow
def test_a_thread_that_ends_the_virtual_machine_between_commands_is_told(commands, tmp_path):
    server = commands.process()
    assert commands.do("leaves_0") == (0, [])
    (tmp_path / "exit").touch()
    gone(server)
    assert commands.process() != server
    reason = "a thread of an earlier command ended it with exit code 0"
    assert f"the warm server (process {server}) has ended: {reason}" in commands.report.infos


@pytest.mark.slow
def test_what_a_killed_virtual_machine_started_is_ended(commands, tmp_path):
    daemon = tmp_path / "daemon"
    daemon.write_text("#!/bin/sh\nsetsid sh -c 'echo $$; sleep 600' & wait\n")
    daemon.chmod(0o755)
    server = commands.process()
    children: list[int] = []

    def kill(stream, line):
        if line.isdigit():
            children.append(int(line))
            os.kill(server, signal.SIGKILL)

    assert commands.run("load", on_line=kill, FAKE_STARLAKE_RUNS=str(daemon))[0] == -signal.SIGKILL
    assert not alive(children[0])


@pytest.mark.slow
def test_memory_that_runs_out_fails_the_command_alone(commands):
    commands.runner = WarmRunner(WarmSettings(jvm_options=("-Xmx64m",)), owner=commands.owner)
    code, lines = commands.do("memory")
    assert code == 1
    assert any("OutOfMemoryError" in line for _, line in lines)
    assert commands.do("false") == (1, [])
    assert not any("it got no command" in message for message in commands.report.infos), commands.report.infos
    assert commands.report.warnings == []


@pytest.mark.slow
def test_the_virtual_machine_halts_when_its_guard_is_killed(commands):
    server = commands.process()
    (file,) = commands.servers()
    os.kill(file.guard.pid, signal.SIGKILL)
    gone(server)

    def kill_guard(stream, line):
        if line == "slow began":
            os.kill(commands.servers()[0].guard.pid, signal.SIGKILL)

    with pytest.raises(StarlakeError, match="ended during the command\nnobody saw how: its guard ended too"):
        commands.do("slow", on_line=kill_guard)


@pytest.mark.slow
def test_two_commands_that_begin_together_start_one_virtual_machine(commands):
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(commands.process())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1


@pytest.mark.slow
def test_a_virtual_machine_starts_beside_other_work(commands):
    commands.prestart()
    (server,) = commands.servers()
    wait_for(lambda: server.read_hello() is not None)
    assert commands.process() == server.process.pid
