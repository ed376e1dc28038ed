"""Files of servers that were changed, and others who listen in their place: no command runs there, each runs once."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run

import pytest

from ai.starlake.executor.warm import warm_server
from ai.starlake.executor.warm.discovery import ServerFile
from ai.starlake.executor.warm.warm_frames import WarmHello
from ai.starlake.executor.warm.warm_server import WarmServer
from tests.executor.warm.warm_commands import WarmCommands, gone
from tests.waiting import wait_for


@pytest.fixture
def warm(tmp_path: Path, runtime: Path) -> WarmCommands:
    return WarmCommands(tmp_path, runtime)


@pytest.fixture
def web_server() -> Iterator[int]:
    """Somebody else who listens on a port of five digits, as servers do: to whatever is sent the answer is HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def server_file(warm: WarmCommands) -> Path:
    (found,) = warm.runtime.glob("starlake-warm/*/*-0.json")
    return found


def changed(file: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_wrong_token_ends_the_server_and_another_one_is_started(warm):
    first = warm.process()
    changed(server_file(warm), lambda content: content.update(token="0" * 64))
    assert warm.run("print", "a") == (0, [("stdout", "a")])
    assert warm.process() != first
    gone(first)
    assert warm.report.warnings == []


def test_a_command_is_not_sent_to_somebody_else_who_listens_on_the_port(warm, web_server):
    warm.process()
    hello = Path(json.loads(server_file(warm).read_text())["hello"])
    port = WarmHello.of_bytes(hello.read_bytes()).port
    length = len(str(port))
    assert len(str(web_server)) == length
    hello.write_bytes(hello.read_bytes().replace(str(port).encode(), str(web_server).encode()))
    assert warm.run("print", "a") == (0, [("stdout", "cold print a")])
    (warning,) = warm.report.warnings
    assert "cannot be understood" in warning


def test_a_process_id_of_somebody_else_is_not_killed(warm, monkeypatch):
    first = warm.process()
    monkeypatch.setattr(warm_server, "_NOTED_WITHIN", 0.1)  # the guard, whose server runs, has no end to record
    changed(server_file(warm), lambda content: content.update(process=[1, content["process"][1]]))
    assert warm.run("print", "a") == (0, [("stdout", "a")])
    gone(first)


def test_a_server_whose_file_alone_vanished_is_replaced_at_once(warm):
    first = warm.process()
    (server,) = warm.servers()
    server.hello.unlink()
    os.kill(first, signal.SIGKILL)  # the server in Java ends by itself when its file is gone
    assert warm.process() != first
    assert warm.report.warnings == []


def test_a_server_whose_guard_never_saw_it_listen_is_replaced_at_once(warm):
    """The guard looks for the file from time to time: it may vanish in between."""
    first = warm.process()
    (server,) = warm.servers()
    server.hello.unlink()
    os.kill(first, signal.SIGKILL)
    wait_for("the note of the end", server.end.exists)
    changed(server.end, lambda content: content.update(listened=False))
    assert warm.process() != first
    assert warm.report.warnings == []


def test_a_server_whose_guard_was_killed_before_it_noted_its_process_is_replaced_at_once(warm):
    first = warm.process()
    (server,) = warm.servers()
    os.kill(server.guard.pid, signal.SIGKILL)
    gone(server.guard.pid, first)
    server.hello.unlink()
    changed(server_file(warm), lambda content: content.update(process=[0, ""]))
    assert warm.process() != first
    assert warm.report.warnings == []


def test_a_server_that_is_found_before_its_guard_noted_its_process_is_used(warm, monkeypatch):
    """This is what the next command finds if the one that started the server was killed at that time."""
    first = warm.process()
    file = server_file(warm)
    noted, find = file.read_text(), WarmServer.find
    changed(file, lambda content: content.update(process=[0, ""]))

    def find_and_let_the_guard_continue(*arguments):
        found = find(*arguments)
        file.write_text(noted)
        return found

    monkeypatch.setattr(WarmServer, "find", find_and_let_the_guard_continue)
    assert warm.process() == first
    assert warm.report.warnings == []


def test_half_a_file_makes_processes_of_commands(warm):
    warm.process()
    file = server_file(warm)
    text = file.read_text()
    file.write_text(text[:20])
    assert warm.run("print", "a") == (0, [("stdout", "cold print a")])
    (warning,) = warm.report.warnings
    assert f"{file} cannot be trusted" in warning
    file.write_text(text)
    assert isinstance(ServerFile.read(file), ServerFile)
    assert warm.run("print", "a") == (0, [("stdout", "a")])


_FINGERPRINT = """
import sys
from pathlib import Path
from ai.starlake.executor.warm.launch import WarmLaunch
from ai.starlake.executor.warm.warm_settings import WarmSettings
folder = Path(sys.argv[1])
settings = WarmSettings(java=sys.argv[2], class_path=("a.jar", "b.jar"))
variables = {"SL_ROOT": str(folder), "SPARK_CONF_X": "1", "AWS_REGION": "x", "SL_ENV": "e"}
print(WarmLaunch.of(["starlake"], variables, settings, folder=folder).fingerprint)
"""


def test_processes_agree_on_what_shares_a_server_whatever_their_hash_seeds(warm, tmp_path):
    java = str(warm.settings.java) if (tmp_path / "java").exists() else sys.executable
    told = {
        run(
            [sys.executable, "-c", _FINGERPRINT, str(tmp_path), java],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(told) == 1
