from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.executor import ExecutableNotFoundError, run_process
from ai.starlake.executor.process.watchdog import MARK, Watchdog
from tests.waiting import PATIENCE, wait_until_gone

ECHO = "import sys, os, json; print(json.dumps([sys.argv[1:], os.environ.get('VALUE')]))"
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
METACHARACTERS = st.sampled_from(
    ["$(touch /tmp/x)", "`id`", "; rm x", "a b", "'", '"', "\\", "$HOME", "*", "é\n", "#", ""]
)


def run(*argv, **options):
    lines = []
    code = run_process(argv, on_line=lambda stream, line: lines.append((stream, line)), **options)
    return code, lines


@settings(max_examples=30)
@given(st.lists(TEXTS | METACHARACTERS, max_size=5), TEXTS | METACHARACTERS)
def test_every_value_reaches_the_process_as_it_is(arguments, value):
    environment = {**os.environ, "VALUE": value, "PYTHONUTF8": "1"}
    _, lines = run(sys.executable, "-S", "-c", ECHO, *arguments, environment=environment)
    assert [json.loads(line) for _, line in lines] == [[arguments, value]]


def test_streams_are_told_apart_and_odd_bytes_survive():
    code, lines = run("sh", "-c", r"echo out; echo err >&2; printf 'caf\351\n'; exit 3")
    assert code == 3
    assert sorted(lines) == [("stderr", "err"), ("stdout", "caf\\xe9"), ("stdout", "out")]


def test_standard_input_is_empty():
    assert run("cat") == (0, [])


def test_a_signal_is_a_negative_exit_code():
    assert run("sh", "-c", "kill -9 $$")[0] == -signal.SIGKILL


def test_working_directory_and_environment(tmp_path):
    _, lines = run("sh", "-c", 'pwd; echo "$VALUE-$HOME"', cwd=tmp_path, environment={"VALUE": "v", "PATH": "/bin"})
    assert lines == [("stdout", str(tmp_path)), ("stdout", "v-")]


@pytest.mark.parametrize(
    ("content", "mode", "cause"),
    [
        (None, 0, "does not exist"),
        ("#!/no/such/interpreter\n", 0o755, "does not exist"),
        ("echo no interpreter named", 0o755, "#!"),
        ("#!/bin/sh\n", 0o644, "may not be executed"),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path, content, mode, cause):
    path = tmp_path / "starlake"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ExecutableNotFoundError, match=cause) as caught:
        run(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_working_directory_is_not_taken_for_a_missing_executable(tmp_path):
    with pytest.raises(StarlakeError, match="working directory") as caught:
        run("true", cwd=tmp_path / "missing")
    assert not isinstance(caught.value, ExecutableNotFoundError)


def test_too_many_arguments_are_an_error_of_ours():
    with pytest.raises(StarlakeError, match="cannot be started"):
        run("true", *["x" * 100_000] * 100)


@pytest.mark.parametrize("redirect", ["", ">/dev/null 2>&1"])
def test_a_background_process_neither_hangs_the_command_nor_survives_it(pids, redirect):
    child = f"{pids.path}/child"
    script = f"(echo $BASHPID > {child}; exec sleep 600) {redirect} & while [ ! -s {child} ]; do :; done; echo done"
    started = time.monotonic()
    code, lines = run("bash", "-c", script)
    assert (code, lines) == (0, [("stdout", "done")])
    assert time.monotonic() - started < PATIENCE
    wait_until_gone(*pids.wait_for("child"))


def test_what_a_background_process_prints_in_time_is_heard():
    code, lines = run("sh", "-c", "(sleep 0.3; echo late) & echo early")
    assert code == 0
    assert lines == [("stdout", "early"), ("stdout", "late")]


def test_an_error_of_the_listener_ends_the_command(pids):
    def refuse(stream, line):
        raise KeyError(line)

    with pytest.raises(KeyError):
        run_process(["sh", "-c", f"echo $$ > {pids.path}/shell; echo x; sleep 600"], on_line=refuse)
    wait_until_gone(*pids.wait_for("shell"))


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(pids):
    def refuse(stream, line):
        raise KeyError(line)

    script = f"trap '' TERM; echo $$ > {pids.path}/shell; echo x; while :; do sleep 0.1; done"
    started = time.monotonic()
    with pytest.raises(KeyError):
        run_process(["sh", "-c", script], on_line=refuse, grace=0.5)
    assert 0.4 < time.monotonic() - started < PATIENCE
    wait_until_gone(*pids.wait_for("shell"))


def test_a_command_may_clean_up_in_the_grace(tmp_path):
    def refuse(stream, line):
        raise KeyError(line)

    script = f"trap 'echo bye > {tmp_path}/note; exit' TERM; echo x; while :; do sleep 0.05; done"
    with pytest.raises(KeyError):
        run_process(["sh", "-c", script], on_line=refuse, grace=PATIENCE)
    assert (tmp_path / "note").read_text() == "bye\n"


def descriptors():
    """Return the open files of this process, without the folder that is read here."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_no_file_descriptors_are_lost():
    run("true")
    before = descriptors()
    for _ in range(20):
        run("sh", "-c", "echo x")
        with pytest.raises(ExecutableNotFoundError):
            run("/no/such/executable")
    assert descriptors() <= before


def test_a_lost_exit_code_is_an_error_and_no_success():
    handler = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(StarlakeError, match="exit code of the command is lost"):
            run("sh", "-c", "sleep 0.1; exit 3")
    finally:
        signal.signal(signal.SIGCHLD, handler)


ROOT = Path(__file__).parents[2]
MEMORY = """
import sys
from ai.starlake.executor import run_process
from tests.peak_memory import peak_kilobytes
run_process(["true"], on_line=print)
seen = [0, 0]
def count(stream, line):
    seen[0] += 1
    seen[1] += len(line)
before = peak_kilobytes()
run_process(sys.argv[1:], on_line=count)
print(*seen, peak_kilobytes() - before)
"""


@pytest.mark.parametrize(
    ("script", "breaks"),
    [
        ("head -c 40000000 /dev/zero | tr '\\0' 'x'", False),
        ("yes 2026-03-01 12:00:00 INFO one line of a log | head -c 40000000", True),
    ],
)
def test_forty_megabytes_pass_through_in_constant_memory(driver, script, breaks):
    out, err = driver(MEMORY, "sh", "-c", script, PYTHONPATH=str(ROOT)).communicate(timeout=PATIENCE)
    lines, characters, kilobytes = map(int, out.split())
    assert 39_999_999 <= characters + lines * breaks <= 40_000_001, err
    assert lines > 400
    assert kilobytes < 8 * 1024


RACE = """
import random, signal, psutil
from ai.starlake.executor import run_process
from ai.starlake.executor.process.watchdog import WATCHDOG

class Interrupted(BaseException):
    pass

def interrupt(number, frame):
    raise Interrupted

signal.signal(signal.SIGTERM, interrupt)
signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGTERM))
run_process(["true"], on_line=print)
random.seed(1)
interrupted = 0
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00005, 0.002))
        run_process(["sleep", "600"], on_line=print)
    except Interrupted:
        interrupted += 1
    left = [child.pid for child in psutil.Process().children() if child.pid != WATCHDOG.pid]
    assert not left, left
print(interrupted)
"""


def test_an_interruption_at_any_moment_leaves_nothing_behind(driver):
    out, err = driver(RACE).communicate(timeout=PATIENCE)
    assert out == "300\n", err


OWNER = """
import os, signal, sys
from ai.starlake.executor import run_process
from ai.starlake.executor.process.watchdog import WATCHDOG

class Interrupted(BaseException):
    pass

def interrupt(number, frame):
    raise Interrupted

grace = WATCHDOG.grace = float(sys.argv[3]) if len(sys.argv) > 3 else 5
if sys.argv[1] == "handled":
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
try:
    run_process([sys.argv[2]], on_line=lambda stream, line: None, grace=grace)
except Interrupted:
    print("interrupted")
"""

SHORT_GRACE = "1.5"
"""Seconds between SIGTERM and SIGKILL where a command ignores the first; marks are searched for a second."""

IGNORANT = """
import signal, sys
from ai.starlake.executor.process.supervision import run_process

def refuse(stream, line):
    raise KeyError(line)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
try:
    run_process(["sh", "-c", sys.argv[1]], on_line=refuse, grace=120)
finally:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
"""


def test_a_command_notices_a_sigterm_that_its_owner_ignores(driver, tmp_path):
    script = f"trap 'echo bye > {tmp_path}/note; exit' TERM; echo x; while :; do sleep 0.05; done"
    assert "KeyError" in driver(IGNORANT, script).communicate(timeout=PATIENCE)[1]
    assert (tmp_path / "note").read_text() == "bye\n"


@pytest.fixture
def wrapper(tmp_path, pids):
    """Return a launcher as Starlake's own: a script whose child does the work. It outlives its terminal."""
    path = tmp_path / "wrapper"
    path.write_text(
        f"#!/bin/bash\ntrap '' INT HUP\necho $$ > {pids.path}/wrapper\n"
        f"bash -c 'echo $$ > {pids.path}/child; sleep 600 & wait'\necho after\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_handler_that_raises_ends_the_wrapper_and_its_child(driver, pids, wrapper, number):
    owner = driver(OWNER, "handled", wrapper)
    left = pids.wait_for("wrapper", "child")
    owner.send_signal(number)
    assert owner.communicate(timeout=PATIENCE)[0] == "interrupted\n"
    wait_until_gone(*left)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_owner_leaves_nothing_behind(driver, pids, wrapper, number):
    owner = driver(OWNER, "unhandled", wrapper)
    left = pids.wait_for("wrapper", "child")
    owner.send_signal(number)
    owner.wait()
    wait_until_gone(*left)


STRAYS = {
    "setsid": "setsid bash -c 'echo $$ > {stray}; exec sleep 600' & wait",
    "without its environment": "env -i setsid bash -c 'echo $$ > {stray}; exec sleep 600' & wait",
    "daemon": "(setsid bash -c 'echo $$ > {stray}; exec sleep 600' </dev/null >/dev/null 2>&1 &) & sleep 600",
    "nohup": "nohup setsid bash -c 'echo $$ > {stray}; sleep 600' </dev/null >/dev/null 2>&1 & sleep 600",
    "ignores SIGTERM": "setsid bash -c \"trap '' TERM; echo \\$\\$ > {stray}; while :; do sleep 1; done\" & sleep 60",
    "daemon of a daemon": "(setsid bash -c '(setsid bash -c \"echo \\$\\$ > {stray}; sleep 600\" &)&' &) & sleep 600",
}


@pytest.fixture(params=STRAYS.values(), ids=STRAYS)
def stray(request, tmp_path, pids):
    """Return a command whose child makes a session of its own."""
    path = tmp_path / "strays"
    path.write_text(f"#!/bin/bash\necho $$ > {pids.path}/leader\n{request.param.format(stray=f'{pids.path}/stray')}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGKILL))],
)
def test_a_child_with_a_session_of_its_own_is_ended_too(driver, pids, stray, number):
    owner = driver(OWNER, "unhandled" if number == signal.SIGKILL else "handled", stray, SHORT_GRACE)
    left = pids.wait_for("leader", "stray")
    owner.send_signal(number)
    owner.communicate(timeout=PATIENCE)
    wait_until_gone(*left)


def test_a_daemon_does_not_outlive_a_command_that_succeeds(pids):
    bystander = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: "another"}, start_new_session=True)
    note = f"{pids.path}/stray"
    daemon = f"(setsid bash -c 'echo $$ > {note}; sleep 600' >/dev/null 2>&1 &)"
    script = f"{daemon}; while [ ! -s {note} ]; do :; done"
    assert run("bash", "-c", script)[0] == 0
    wait_until_gone(*pids.wait_for("stray"))
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_killed_owner_whose_command_ignores_sigterm(driver, pids, tmp_path):
    path = tmp_path / "stubborn"
    path.write_text(f"#!/bin/bash\ntrap '' TERM\necho $$ > {pids.path}/stubborn\nwhile :; do sleep 0.1; done\n")
    path.chmod(0o755)
    owner = driver(OWNER, "unhandled", str(path), SHORT_GRACE)
    left = pids.wait_for("stubborn")
    started = time.monotonic()
    owner.kill()
    wait_until_gone(*left)
    assert time.monotonic() - started > 1
    assert Watchdog().grace == 5


def test_signals_during_the_grace_do_not_save_the_command(driver, pids, tmp_path):
    path = tmp_path / "stubborn"
    path.write_text(f"#!/bin/bash\ntrap '' TERM\necho $$ > {pids.path}/stubborn\nwhile :; do sleep 0.1; done\n")
    path.chmod(0o755)
    owner = driver(OWNER, "handled", str(path))
    left = pids.wait_for("stubborn")
    owner.terminate()
    time.sleep(0.3)
    owner.terminate()
    assert owner.communicate(timeout=PATIENCE)[0] == "interrupted\n"
    wait_until_gone(*left)


WORKER = """
import multiprocessing, os, sys, time
from ai.starlake.common import StarlakeError
from ai.starlake.executor import parent_death_fd, run_process

def work(pids, wrapper):
    with open(f"{pids}/worker", "w") as file:
        print(os.getpid(), file=file)
    try:
        run_process([wrapper], on_line=lambda stream, line: None, death_fd=parent_death_fd())
    except StarlakeError as error:
        with open(f"{pids}/error", "w") as file:
            file.write(str(error))

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work, args=sys.argv[1:]).start()
    time.sleep(600)
"""


def test_a_killed_run_worker_ends_the_commands_of_its_steps(driver, pids, wrapper):
    owner = driver(WORKER, pids.path, wrapper)
    left = pids.wait_for("worker", "wrapper", "child")
    owner.kill()
    owner.wait()
    wait_until_gone(*left)
    assert "the process of the run has ended" in Path(pids.path, "error").read_text()


def test_without_a_parent_by_multiprocessing_nothing_is_watched(driver):
    script = "from ai.starlake.executor import parent_death_fd; print(parent_death_fd())"
    assert driver(script).communicate(timeout=PATIENCE)[0] == "None\n"


def test_a_readable_death_fd_starts_nothing(tmp_path):
    read, write = os.pipe()
    os.close(write)
    try:
        with pytest.raises(StarlakeError, match="the process of the run has ended"):
            run("touch", str(tmp_path / "made"), death_fd=read)
    finally:
        os.close(read)
    assert not (tmp_path / "made").exists()


WATCHED = """
import os, sys, time
from ai.starlake.executor import run_process
from ai.starlake.executor.process.watchdog import WATCHDOG

run_process(["true"], on_line=print)
print(WATCHDOG.pid, flush=True)
if sys.argv[1] == "fork" and os.fork() == 0:
    sys.stdout.flush()
    os.close(1), os.close(2)
    time.sleep(20)
    os._exit(0)
if sys.argv[1] == "dead":
    os.kill(WATCHDOG.pid, 9)
    os.waitid(os.P_PID, WATCHDOG.pid, os.WEXITED | os.WNOWAIT)
if len(sys.argv) > 2:
    run_process([sys.argv[2]], on_line=print)
"""


@pytest.mark.parametrize("how", ["exit", "fork"])
def test_the_watchdog_ends_with_its_owner(driver, pids, how):
    owner = driver(WATCHED, how)
    watchdog = int(owner.stdout.readline())
    owner.wait(timeout=PATIENCE)
    wait_until_gone(watchdog)


def test_a_dead_watchdog_is_replaced(driver, pids, wrapper):
    owner = driver(WATCHED, "dead", wrapper)
    left = pids.wait_for("wrapper", "child")
    owner.kill()
    owner.wait()
    wait_until_gone(*left)


def test_a_watchdog_that_cannot_start_is_mentioned_and_hinders_nothing(monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    watchdog = Watchdog()
    mark = watchdog.announce()
    watchdog.guard(12345678)
    watchdog.release(mark, 12345678)
    assert "watchdog does not start" in caplog.text
    assert watchdog.pid is None


def test_a_group_that_was_started_but_not_noted_yet_is_found_by_its_mark(pids):
    watchdog = Watchdog(grace=2)
    environment = {**os.environ, MARK: watchdog.announce()}
    bystander = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: "another"}, start_new_session=True)
    started = subprocess.Popen(["sh", "-c", "sleep 600; :"], env=environment, start_new_session=True)
    try:
        watchdog._stop()
        assert started.wait(timeout=PATIENCE) == -signal.SIGTERM
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_groups_that_ended_are_forgotten(pids):
    watchdog = Watchdog(grace=0.2)
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        mark = watchdog.announce()
        watchdog.guard(sleeper.pid)
        watchdog.release(mark, sleeper.pid)
        watchdog._stop()
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
