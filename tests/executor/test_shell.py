from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError
from ai.starlake.executor import (
    CommandFailedError,
    ExecutableNotFoundError,
    Execution,
    ShellExecutor,
    StarlakeCounts,
)
from ai.starlake.job import EnvironmentReference, FileReference, StarlakeCommand

LOAD = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
SHOW = "print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["x; touch P #", "$HOME", "`id`", "$(id)", 'a"b', "a'b", "a b", "\\", "*", "é"]
)


def show(executor, command, execution):
    """Return the arguments, the environment and the folder of a command."""
    executor.run(command, execution)
    return json.loads(execution.report.of("stdout")[-1])


@settings(max_examples=20)
@given(VALUES, VALUES)
def test_no_value_is_ever_interpreted(cli, execution, table, value):
    command = StarlakeCommand("load", ("--tables", table), environment={"SL_P": value})
    arguments, environment, _ = show(ShellExecutor(cli(SHOW)), command, execution)
    assert arguments == ["load", "--tables", table]
    assert environment["SL_P"] == value


def test_the_environment_is_that_of_run_time(cli, execution, monkeypatch):
    executor = ShellExecutor(cli(SHOW))
    monkeypatch.setenv("MARK", "run")
    monkeypatch.setenv("SL_HTTP_PORT", "9900")
    monkeypatch.setenv("SL_JOB_ID", "of somebody else")
    _, environment, _ = show(executor, LOAD, execution)
    assert environment["MARK"] == "run"
    assert environment["SL_API"] == "true"
    assert environment["SL_JOB_ID"] == "run-1.step-1"
    assert "SL_HTTP_PORT" not in environment


def test_the_user_has_the_last_word_but_not_on_the_server_port(cli, execution):
    mine = {"SL_JOB_ID": "mine", "SL_API": "1", "SL_HTTP_PORT": "9900"}
    _, environment, _ = show(ShellExecutor(cli(SHOW)), StarlakeCommand("load", environment=mine), execution)
    assert (environment["SL_JOB_ID"], environment["SL_API"]) == ("mine", "1")
    assert "SL_HTTP_PORT" not in environment


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}"])
def test_the_folder_is_that_of_the_project(cli, execution, tmp_path, form):
    command = StarlakeCommand("load", environment={"SL_ROOT": form.format(tmp_path)})
    assert show(ShellExecutor(cli(SHOW)), command, execution)[2] == str(tmp_path)


@pytest.mark.parametrize("root", ["gs://bucket/project", "s3a://bucket", ""])
def test_a_project_elsewhere_leaves_the_folder_as_it_is(cli, execution, root):
    command = StarlakeCommand("load", environment={"SL_ROOT": root})
    _, environment, folder = show(ShellExecutor(cli(SHOW)), command, execution)
    assert folder == str(Path.cwd())
    assert environment["SL_ROOT"] == root


def test_a_relative_root_is_not_applied_twice(cli, execution, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    command = StarlakeCommand("load", environment={"SL_ROOT": "project"})
    _, environment, folder = show(ShellExecutor(cli(SHOW)), command, execution)
    assert folder == environment["SL_ROOT"] == str(tmp_path / "project")


@pytest.mark.parametrize(
    ("root", "cause"),
    [("/no/such/project", "does not exist"), (__file__, "is not a folder"), ("file://tmp", "file:///tmp")],
)
def test_a_missing_project_is_named(cli, execution, root, cause):
    with pytest.raises(StarlakeError, match=cause) as caught:
        ShellExecutor(cli(SHOW)).run(StarlakeCommand("load", environment={"SL_ROOT": root}), execution)
    assert root in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("A=B", "x"), ("", "x"), ("NUL", "a\0b")])
def test_what_cannot_be_in_an_environment_is_named(cli, execution, name, value):
    with pytest.raises(StarlakeError, match=f"sl_env_var.*{name}"):
        ShellExecutor(cli(SHOW)).run(StarlakeCommand("load", environment={name: value}), execution)


def test_the_result_has_counts_and_a_duration(cli, execution):
    line = 'IngestionCounters:{"inputCount":3,"acceptedCount":2,"rejectedCount":1,"jobid":",x"}'
    result = ShellExecutor(cli(f"print({line!r}); time.sleep(0.2)")).run(LOAD, execution)
    assert result.counts == StarlakeCounts(3, 2, 1)
    assert result.exit_code == 0
    assert 0.2 <= result.duration < 60


def test_broken_counts_warn_and_do_not_fail(cli, execution):
    result = ShellExecutor(cli("print('IngestionCounters:{oops')")).run(LOAD, execution)
    assert result.counts is None
    assert "cannot be read" in execution.report.warnings[0]


def test_a_failure_carries_the_command_the_exit_code_and_the_last_lines(cli, execution):
    script = cli("[print('line', n) for n in range(100)]; print('y' * 5000, file=sys.stderr); sys.exit(1)")
    with pytest.raises(CommandFailedError) as caught:
        ShellExecutor(script).run(LOAD, execution)
    error = caught.value
    assert error.exit_code == 1
    assert len(error.tail) == 50
    assert "line 99" in error.tail
    assert max(map(len, error.tail)) == 2000
    assert f"{script} load --domains sales --tables orders" in str(error)
    assert "To fix it: " in str(error)


def test_a_failure_by_a_signal(cli, execution):
    with pytest.raises(CommandFailedError, match="signal 9") as caught:
        ShellExecutor(cli("os.kill(os.getpid(), 9)")).run(LOAD, execution)
    assert caught.value.exit_code == -signal.SIGKILL
    assert "memory" in caught.value.fix


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("IO Error: Could not set lock on file duckdb.db: Conflicting lock is held in java", "duckdb_lock"),
        ("java.lang.OutOfMemoryError: Java heap space", "SPARK_DRIVER_MEMORY"),
        ("Error: Unknown option --scheduledDate", "starlake_version"),
    ],
)
def test_known_failures_come_with_a_way_out(cli, execution, line, fix):
    with pytest.raises(CommandFailedError) as caught:
        ShellExecutor(cli(f"print({line!r}, file=sys.stderr); sys.exit(1)")).run(LOAD, execution)
    assert fix in caught.value.fix


def test_a_missing_executable_names_what_where_and_both_ways_to_get_one(execution, monkeypatch):
    monkeypatch.setenv("PATH", "/some/folder")
    with pytest.raises(ExecutableNotFoundError) as caught:
        ShellExecutor("starlake").run(LOAD, execution)
    for part in ("'starlake'", "/some/folder", str(Path(sys.executable).parent), "SL_STARLAKE_PATH", "[embedded]"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("code", "what"), [(127, "was not found"), (126, "may not be executed")])
def test_a_launcher_that_finds_no_program_is_explained(cli, execution, code, what):
    script = cli(f"print('java: command not found', file=sys.stderr); sys.exit({code})")
    with pytest.raises(ExecutableNotFoundError, match=what) as caught:
        ShellExecutor(script).run(LOAD, execution)
    for part in (script, f"exit code {code}", "java: command not found", os.environ["PATH"], "SL_STARLAKE_PATH"):
        assert part in str(caught.value)


def test_an_executable_with_arguments_of_its_own(execution):
    executor = ShellExecutor([sys.executable, "-c", "import sys; print(sys.argv[1:])"])
    executor.run(LOAD, execution)
    assert execution.report.of("stdout") == [str(list(LOAD.argv))]


class TestSecrets:
    SECRET = "s3cr3t val/ue"

    @pytest.fixture
    def command(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VAULT", self.SECRET)
        (tmp_path / "secret").write_text("from-a-file\n")
        environment = {
            "BY_REFERENCE": EnvironmentReference("VAULT"),
            "BY_FILE": FileReference(str(tmp_path / "secret")),
            "DB_PASSWORD": "hunter22",
            "SL_ENV": "PROD",
        }
        return StarlakeCommand("load", environment=environment)

    def test_they_reach_the_command_and_nobody_else(self, cli, command, execution, tmp_path):
        body = f"""
            names = ("BY_REFERENCE", "BY_FILE", "DB_PASSWORD", "SL_ENV")
            values = [os.environ[name] for name in names]
            open({str(tmp_path / "got")!r}, "w").write(json.dumps(values))
            for stream in (sys.stdout, sys.stderr):
                print(*values, json.dumps(values), file=stream)
            sys.exit(1)
        """
        with pytest.raises(CommandFailedError) as caught:
            ShellExecutor(cli(body)).run(command, execution)
        assert json.loads((tmp_path / "got").read_text()) == [self.SECRET, "from-a-file", "hunter22", "PROD"]
        told = f"{execution.report.everything()} {caught.value} {caught.value.tail} {caught.value.args} {command!r}"
        for secret in (self.SECRET, "from-a-file", "hunter22"):
            assert secret not in told
        assert "*** *** *** PROD" in told

    def test_they_are_on_no_command_line(self, cli, command, execution, tmp_path):
        seen = []

        class Looking(type(execution.report)):
            def output(self, stream, line):
                running = psutil.process_iter(["cmdline"])
                seen.extend(" ".join(process.info["cmdline"] or ()) for process in running)
                (tmp_path / "seen").touch()

        script = cli(
            f"print('now', flush=True)\nwhile not os.path.exists({str(tmp_path / 'seen')!r}): time.sleep(0.01)"
        )
        ShellExecutor(script).run(command, Execution("run-1", "step-1", Looking()))
        assert any(script in line for line in seen)
        assert not any(secret in line for line in seen for secret in (self.SECRET, "from-a-file", "hunter22"))

    def test_a_secret_without_value_names_the_entry(self, cli, execution):
        command = StarlakeCommand("load", environment={"TOKEN": EnvironmentReference("NOT_SET_ANYWHERE")})
        with pytest.raises(StarlakeError, match=r"TOKEN of option sl_env_var(.|\n)*NOT_SET_ANYWHERE") as caught:
            ShellExecutor(cli(SHOW)).run(command, execution)
        assert not isinstance(caught.value, MissingEnvironmentVariable)

    def test_an_option_that_is_one_is_masked_in_errors(self, cli, execution):
        command = StarlakeCommand("transform", ("--name", "a.b"), {"api_key": "k-123456"})
        with pytest.raises(CommandFailedError) as caught:
            ShellExecutor(cli("sys.exit(1)")).run(command, execution)
        assert "k-123456" not in str(caught.value)
        assert "--name a.b" in str(caught.value)


def test_another_runner_gets_what_the_command_needs(cli, execution, project):
    calls = []

    def runner(argv, *, cwd, environment, on_line, death_fd=None):
        calls.append((list(argv), cwd, environment["SL_JOB_ID"]))
        on_line("stdout", "from the runner")
        return 0

    script = cli("sys.exit(1)")
    ShellExecutor(script, runner=runner).run(LOAD, execution)
    assert calls == [([script, *LOAD.argv], project, "run-1.step-1")]
    assert execution.report.of("stdout") == ["from the runner"]


def test_what_runs_commands_is_imported_when_a_command_runs():
    script = """
import sys
import ai.starlake.executor as executor
print("ai.starlake.executor.shell" in sys.modules)
print([name for name in executor.__all__ if getattr(executor, name, None) is None])
print({"upath", "tenacity", "fsspec", "dagster", "duckdb"} & set(sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["False", "[]", "set()"]
