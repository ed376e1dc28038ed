"""The server on a real Java virtual machine, which all of these tests share."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import uuid

import pytest

from ai.starlake.executor.warm.warm_frames import FrameKind, WarmReady, WarmRefusal, environment_digest
from ai.starlake.testing.executor_contract import ODD_VALUES
from tests.executor.warm.warm_connection import TOKEN, WarmJvm


@pytest.fixture(scope="module")
def jvm(fake_starlake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with WarmJvm(fake_starlake, folder, properties={"fake.property": "told in private"}) as jvm:
        yield jvm


@pytest.fixture
def server(jvm):
    with jvm.connect() as connection:
        yield connection


def test_a_server_says_what_it_found_in_a_file_of_its_owner(jvm):
    hello = jvm.hello()
    assert (hello.pid, hello.protocol, hello.starlake) == (jvm.process.pid, 1, "1.5.16-fake")
    assert hello.checks.keys() == {"environment", "configuration", "settings", "duckdb", "run"}
    assert not hello.failed_checks
    assert stat.S_IMODE(jvm.hello_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("token", ["another", "", "x" * 5000])
def test_a_client_without_the_token_learns_nothing(jvm, token):
    with pytest.raises(EOFError):
        jvm.connect(token).next()


def test_commands_share_the_virtual_machine_on_one_connection_and_on_several(jvm, server):
    first, second = server.fake("count"), server.fake("count")
    with jvm.connect() as other:
        third = other.fake("count")
    numbers = [int(done.lines[0].split()[1]) for done in (first, second, third)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert f"of process {jvm.process.pid} on {jvm.folder}" in third.lines[0]


def test_the_exit_code_is_that_of_starlake(server):
    assert server.fake("count").exit_code == 0
    assert server.fake("false").exit_code == 1
    broken = server.fake("throws")
    assert broken.exit_code == 1
    assert b"java.lang.IllegalStateException: broken on purpose\n\tat " in broken.stderr
    assert server.fake("count").exit_code == 0


def test_a_last_line_without_line_break_arrives(server):
    done = server.fake("unended")
    assert (done.stdout, done.stderr) == (b"out without end", b"err without end")


def test_bytes_that_are_not_utf_8_survive(server):
    done = server.fake("bytes")
    assert (done.stdout, done.stderr) == (b"a\xff\xc3\xa9\x00b\n", b"\xfe\n")


def test_large_output_arrives_whole_and_in_order(server):
    assert server.fake("lines_30000").lines == [f"line {number}" for number in range(30000)]


def test_arguments_are_a_list(server):
    arguments = ["transform", "--name", "fake.arguments", *ODD_VALUES]
    shown = [argument.replace("\n", "\\n") for argument in arguments]
    assert server.run(*arguments).stdout.decode() == "".join(f"[{argument}]\n" for argument in shown)


def _environment(done):
    found = {"entry": {}, "name": {}, "child": {}}
    for line in done.lines:
        how, _, text = line.partition(" ")
        name, _, value = text.partition("=")
        found.setdefault(how, {})[name] = value
    return found


def test_the_whole_environment_is_that_of_the_command_however_it_is_read(server, tmp_path):
    first = _environment(server.fake("environment", A="1", ODD="é€"))
    assert first["entry"] == first["name"] == {**server.wanted.environment}
    second = _environment(server.fake("environment", B="2", SL_ROOT=str(tmp_path)))
    assert second["entry"] == second["name"] == {**server.wanted.environment}
    assert second["settings"]["SL_ROOT"] == str(tmp_path)
    for read in (second["entry"], second["name"], second["child"]):
        assert read["B"] == "2"
        assert not {"A", "ODD", "OF_THE_START"} & read.keys()


def test_bytes_of_variables_survive_to_child_processes(server):
    server.fake("environment", ODD=os.fsdecode(b"\xff\xc3"))
    done = server.fake("environment", ODD=os.fsdecode(b"\xff\xc3"))
    assert b"child ODD=\xff\xc3\n" in done.stdout


@pytest.mark.slow
def test_nothing_reads_the_variables_of_a_command_that_ended(jvm, server, tmp_path):
    secret = f"hunter-{uuid.uuid4().hex}"
    server.fake("environment", PASSWORD=secret)
    server.fake("thread", PASSWORD=secret)  # one that lives on
    dump = tmp_path / "heap"
    subprocess.run(["jmap", f"-dump:live,format=b,file={dump}", str(jvm.process.pid)], check=True, capture_output=True)
    held = dump.read_bytes()
    assert TOKEN.encode() in held
    assert secret.encode() not in held


def test_another_project_is_another_project(server, tmp_path):
    assert server.fake("count").lines[0].endswith(f" on {server.jvm.folder}")
    assert server.fake("count", SL_ROOT=str(tmp_path)).lines[0].endswith(f" on {tmp_path}")
    assert server.fake("count").lines[0].endswith(f" on {server.jvm.folder}")


def test_a_file_of_duckdb_is_free_once_the_command_ended(server, tmp_path):
    assert server.fake("lock", SL_ROOT=str(tmp_path)).exit_code == 0
    with (tmp_path / "fake.lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_lines_of_a_thread_that_lives_on_are_not_of_the_next_command(server):
    server.fake("thread")
    assert server.run("transform", "--name", "contract.numbers").stdout == b""
    assert server.fake("lines_5000").lines == [f"line {number}" for number in range(5000)]


def test_the_lines_of_a_pool_belong_to_the_command_that_gave_it_work(server):
    assert server.fake("pool").lines == ["from the pool"]
    assert server.fake("pool").lines == ["from the pool"]


def test_lines_and_heartbeats_arrive_while_a_command_runs_and_another_is_refused(jvm, server, tmp_path):
    assert server.request("transform", "--name", "fake.waits", SL_ROOT=str(tmp_path)).kind == FrameKind.READY
    frames = server.frames()
    sent = set()
    while sent != {FrameKind.STDOUT, FrameKind.HEARTBEAT}:
        sent.add(next(frames).kind)
    with jvm.connect() as other:
        assert "another command" in WarmRefusal.of(other.request("load")).reason
        (tmp_path / "go").touch()
        assert list(frames)[-1].kind == FrameKind.END
        assert other.fake("count").exit_code == 0


def test_a_command_does_not_begin_before_the_client_says_so(jvm, server):
    before = int(server.fake("count").lines[0].split()[1])
    with jvm.connect() as other:
        ready = WarmReady.of(other.request("transform", "--name", "fake.count", A="1"))
        assert ready.digest == environment_digest(other.wanted.environment)
    assert int(server.fake("count").lines[0].split()[1]) == before + 1


def test_another_working_folder_is_refused(server, tmp_path):
    refusal = WarmRefusal.of(server.request("load", folder=tmp_path))
    assert str(tmp_path) in refusal.reason
    assert server.fake("count").exit_code == 0


def test_properties_are_set_that_no_command_line_shows(server):
    assert "property told in private" in server.fake("environment").lines
