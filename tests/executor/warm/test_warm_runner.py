from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from tests.executor.warm.warm_commands import WarmCommands, alive, gone, wait_for


@pytest.fixture
def commands(tmp_path, runtime):
    def make(*faults, **settings):
        return WarmCommands(tmp_path, runtime, *faults, **settings)

    return make


def test_commands_share_one_server(commands):
    warm = commands()
    first = warm.process()
    assert warm.process() == first
    assert warm.run("print", "a", "b é") == (0, [("stdout", "a"), ("stdout", "b é")])
    assert warm.report.warnings == []


def cold(*arguments):
    return 0, [("stdout", " ".join(["cold", *arguments]))]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("start", "the warm server did not start: its exit code is 1"),
        ("hang", "it did not answer within 0.2 s"),
        ("checks", "Starlake 1.5.16 cannot be kept warm: environment: no such field"),
        ("protocol", "version 99 of the protocol"),
        ("garbage", "the warm server cannot be understood"),
        ("pid", "another process answers for the warm server"),
        ("close", "the warm server has ended"),
        ("refuse", "the warm server refused the command: the class is final"),
    ],
)
def test_a_doubt_about_the_server_makes_processes_of_commands(commands, fault, reason):
    warm = commands(fault, start_timeout=0.2 if fault == "hang" else 60.0)
    assert [warm.run("print", text) for text in "abc"] == [cold("print", text) for text in "abc"]
    (warning,) = warm.report.warnings
    assert reason in warning
    assert warning.startswith("the command runs as a process, not in a warm server: ")


def test_the_warning_quotes_what_the_virtual_machine_said_without_secrets(commands):
    warm = commands("start")
    context = warm.context(mask=lambda text: text.replace("hunter2", "***"))
    assert warm.run("print", "a", context=context) == cold("print", "a")
    assert warm.report.warnings[0].endswith("it said:\nError: no main class; password=***")


@pytest.mark.parametrize(
    "scope", [lambda execution: execution.run_id, lambda _: "code location"], ids=["run", "shared"]
)
def test_each_run_is_warned(commands, scope):
    warm = commands("start")
    warm.runner.scope = scope
    for run in ("run-1", "run-2", "run-1"):
        warm.run("print", context=warm.context(run))
    assert len(warm.report.warnings) == 2


def test_a_java_that_is_missing_makes_processes_of_commands(commands, tmp_path):
    warm = commands(java=str(tmp_path / "none"))
    assert warm.run("print", "a") == cold("print", "a")
    assert "Java was not found for the warm server" in warm.report.warnings[0]


def test_a_java_that_cannot_be_started_makes_processes_of_commands(commands, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    warm = commands(java=str(broken))
    assert warm.run("print", "a") == cold("print", "a")
    assert "broken cannot be started: No such file or directory" in warm.report.warnings[0]


def test_a_folder_that_others_may_use_makes_processes_of_commands(commands, runtime):
    (runtime / "starlake-warm").mkdir()
    (runtime / "starlake-warm").chmod(0o750)
    warm = commands()
    assert [warm.run("print", text) for text in "ab"] == [cold("print", text) for text in "ab"]
    (warning,) = warm.report.warnings
    assert "its mode is 0750: others may use it" in warning


@contextmanager
def no_file_grows():
    """Refuse to write into files, as a full disk does: the error names no file either."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("full", ["from the beginning", "later"])
def test_the_warning_about_a_disk_that_is_full_names_the_folder(commands, runtime, full):
    warm = commands()
    if full == "later":
        os.kill(warm.process(), signal.SIGKILL)
    with no_file_grows():
        assert warm.run("print", "a") == cold("print", "a")
    (warning,) = warm.report.warnings
    assert str(runtime / "starlake-warm") in warning


def test_a_command_with_limits_is_a_process(commands):
    warm = commands()
    argv = ("/usr/bin/env", str(warm.executable), "print", "a")
    assert warm.run(argv=argv) == cold("print", "a")
    assert "its compute profile limits the process" in warm.report.warnings[0]
    assert warm.files() == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ready_root", "its SL_ROOT is /elsewhere"),
        ("ready_digest", "some of its variables differ"),
    ],
)
def test_a_command_never_begins_in_another_environment(commands, fault, reason):
    warm = commands()
    server = warm.process()
    assert warm.run("print", "a", FAULT=fault) == cold("print", "a")
    assert reason in warm.report.warnings[0]
    gone(server)


@pytest.mark.parametrize("fault", ["end_root", "end_digest"])
def test_the_result_of_another_environment_is_refused(commands, fault):
    warm = commands()
    server = warm.process()
    with pytest.raises(StarlakeError, match="the result of the command cannot be trusted"):
        warm.run("print", "a", FAULT=fault)
    gone(server)
    assert warm.report.warnings == []


def test_exit_codes_are_those_of_the_command(commands):
    warm = commands()
    assert warm.run("fail", "3") == (3, [("stderr", "ERROR it fails")])
    assert warm.run("exit", "4") == (4, [("stdout", "about to exit")])
    assert warm.run("exit", "0") == (0, [("stdout", "about to exit")])
    assert warm.report.warnings == []


def test_a_crash_is_one_failed_command(commands):
    warm = commands()
    server = warm.process()
    code, lines = warm.run("crash", str(int(signal.SIGABRT)))
    assert code == -signal.SIGABRT
    assert lines == [
        ("stdout", "about to crash"),
        ("stderr", "# A fatal error has been detected"),
        ("stderr", f"the warm server (process {server}) ended during the command: it was ended by signal 6"),
    ]
    assert warm.process() != server
    assert warm.report.warnings == []


def test_an_end_of_the_server_that_the_command_did_not_ask_for_is_no_success(commands):
    warm = commands()
    server = warm.process()
    with pytest.raises(StarlakeError, match=rf"\(process {server}\) ended during the command\n.*with exit code 0"):
        warm.run("halt", "0")
    assert warm.process() != server
    assert warm.report.warnings == []


def test_a_connection_that_ends_during_a_command_fails_it(commands):
    warm = commands()
    server = warm.process()
    with pytest.raises(StarlakeError, match="ended during the command\nit closed the connection"):
        warm.run("disconnect")
    assert not alive(server)


def test_a_server_that_ended_between_commands_is_replaced(commands):
    warm = commands()
    server = warm.process()
    os.kill(server, signal.SIGKILL)
    gone(server)
    assert warm.process() != server
    assert f"the warm server (process {server}) has ended: it was ended by signal 9" in warm.report.infos
    assert warm.report.warnings == []


UNUSED = "it got no command for a while, or its files are gone"


def test_a_server_that_nobody_uses_ends(commands):
    warm = commands(idle_timeout=0.2)
    server = warm.process()
    gone(server)
    assert warm.process() != server
    assert f"the warm server (process {server}) has ended: {UNUSED}" in warm.report.infos


def test_a_silent_server_is_ended(commands):
    warm = commands()
    server = warm.process()
    warm.runner.silence = 4.0
    with pytest.raises(StarlakeError, match=r"did not answer for 4 s\n.*how far the command came is not known"):
        warm.run("wait", "never", FAULT="silent")
    assert not alive(server)
    warm.runner.silence = 60.0
    assert warm.process() != server


def test_heartbeats_keep_a_quiet_command_alive(commands, tmp_path):
    """On a machine that is busy, the heartbeats of a server may come late, too: then it is given more time."""
    warm, done = commands(), tmp_path / "done"
    for silence in (1.0, 4.0, 16.0):
        warm.process()
        warm.runner.silence = silence
        timer = threading.Timer(silence + 1, done.touch)
        timer.start()
        try:
            ended = warm.run("wait", str(done))[0]
        except StarlakeError:
            continue
        finally:
            timer.join()
            warm.runner.silence = 60.0
            done.unlink()
        assert ended == 0
        return
    pytest.fail("heartbeats keep no command alive")


def test_a_server_that_speaks_nonsense_is_ended(commands):
    warm = commands()
    server = warm.process()
    with pytest.raises(StarlakeError, match="cannot be understood"):
        warm.run("print", "a", FAULT="garbage")
    gone(server)


def test_nothing_but_the_caller_knows_whose_end_ends_a_server():
    with pytest.raises(TypeError, match="owner"):
        WarmRunner(WarmSettings())


class Stopped(BaseException):
    pass


def stop(number, frame):
    raise Stopped


def test_an_interruption_ends_the_server_and_its_children_at_once(commands, tmp_path, monkeypatch):
    warm = commands("ignore")
    server, child = warm.process(), tmp_path / "child"
    previous = signal.signal(signal.SIGUSR1, stop)
    interrupted = []

    def interrupt(stream, line):
        interrupted.append(time.monotonic())
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGUSR1]).start()

    try:
        with pytest.raises(Stopped):
            warm.run("child", str(child), on_line=interrupt)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert not alive(server)
    assert not alive(int(child.read_text()))
    assert time.monotonic() - interrupted[0] < 20  # half a second on a machine that is idle
    assert warm.process() != server


def test_an_error_of_the_listener_ends_the_server(commands):
    warm = commands()
    server = warm.process()

    def refuse(stream, line):
        raise KeyError(line)

    with pytest.raises(KeyError):
        warm.run("print", "a", on_line=refuse)
    assert not alive(server)


def test_a_command_ends_with_the_process_of_the_run(commands):
    warm = commands()
    server = warm.process()
    read, write = os.pipe()
    with pytest.raises(StarlakeError, match="the process of the run has ended"):
        warm.run("wait", "never", on_line=lambda *_: os.close(write), death_fd=read)
    os.close(read)
    assert not alive(server)


def test_what_is_told_of_memory(commands, monkeypatch):
    warm = commands()
    server = warm.process()
    assert warm.runner.status.pid == server
    assert warm.runner.status.commands == 1
    assert warm.runner.status.resident > 1_000_000
    warm.process()
    (told,) = warm.report.infos
    assert re.fullmatch(
        rf"a warm server was started \(process {server}; Starlake 1.5.16, Java 17.0.1; "
        r"\d+ MB of memory, heap of at most 4g\); "
        rf"`ps -o rss,time,args -p {server}` shows it",
        told,
    )
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    warm.process()
    assert re.fullmatch(
        rf"the warm server \(process {server}\) has run 3 commands; \d+ MB of memory", warm.report.infos[-1]
    )
    warm.process()
    assert len(warm.report.infos) == 2


def test_a_start_beside_other_work(commands):
    warm = commands()
    warm.prestart()
    (server,) = warm.servers()
    warm.prestart()
    assert warm.process() == server.process.pid


def test_what_goes_wrong_with_a_start_beside_other_work_is_told_by_the_first_command(commands):
    warm = commands("start")
    warm.prestart()
    assert warm.report.warnings == []
    (server,) = warm.servers()
    wait_for(server.read_end)
    assert warm.run("print", "a") == cold("print", "a")
    assert "its exit code is 1" in warm.report.warnings[0]
    assert warm.servers() == []


def test_a_start_beside_other_work_never_fails(commands, runtime):
    (runtime / "starlake-warm").write_text("not a folder")
    commands().prestart()
