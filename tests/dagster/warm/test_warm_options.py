"""Options of warm servers that only go together with some others."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.shell import ShellOptions
from ai.starlake.dagster.warm import StarlakeDagsterWarmJob
from ai.starlake.executor import Execution, ShellExecutor
from ai.starlake.executor.process.supervision import CommandContext
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.job import StarlakeCommand, StarlakeJobFactory, StarlakeOptionWarning
from ai.starlake.job.compute_choices import chosen_profile
from tests.executor.conftest import Recorder


class Noting:
    """A runner of a user, which can start ahead what commands need."""

    is_warm = False

    def __init__(self) -> None:
        self.noted: list[str] = []

    def bound(self, context: CommandContext) -> Noting:
        return self

    def prestart(self, context: CommandContext, *, cwd: Path, environment: Mapping[str, str]) -> None:
        self.noted.append("prestart")

    def __call__(self, argv: Sequence[str], **_: object) -> int:
        return 0


def execution(report: Recorder | None = None) -> Execution:
    return Execution("run-1", "step-1", report or Recorder())


EMBEDDED = ["starlake-embedded", "/opt/venv/bin/starlake-embedded", [sys.executable, "-m", "ai.starlake.embedded"]]


def test_the_options_become_settings_of_servers() -> None:
    assert ShellOptions.read({}).warm_settings == WarmSettings()
    given = {"warm": "true", "warm_servers": "3", "warm_scope": "code_location", "warm_jvm_options": "-Xmx4g"}
    expected = WarmSettings(servers=3, scope="code_location", jvm_options=("-Xmx4g",))
    assert ShellOptions.read(given).warm_settings == expected


@pytest.mark.parametrize("executable", EMBEDDED, ids=["name", "path", "module"])
def test_warm_with_the_embedded_engine_warns_at_once(executable: str | list[str]) -> None:
    with pytest.warns(StarlakeOptionWarning, match="option warm has no effect: .* is the embedded engine"):
        assert ShellOptions.read({"warm": True, "SL_STARLAKE_PATH": executable}).warm


def test_warm_with_dagster_shell_is_an_error_at_once() -> None:
    with pytest.raises(StarlakeError, match="warm and shell_runner: dagster-shell exclude each other"):
        ShellOptions.read({"warm": True, "shell_runner": "dagster-shell"})
    assert ShellOptions.read({"warm": False, "shell_runner": "dagster-shell"}).shell_runner == "dagster-shell"


def test_an_unknown_option_of_warm_servers_warns_with_the_nearest_one() -> None:
    with pytest.warns(StarlakeOptionWarning, match="warm_server is not known .* did you mean warm_servers"):
        ShellOptions.read({"warm_server": 2})


def test_the_warm_job_has_the_option_unless_it_is_switched_off() -> None:
    assert StarlakeJobFactory.job_class("dagster", "warm") is StarlakeDagsterWarmJob
    assert StarlakeDagsterWarmJob().settings.warm
    assert StarlakeDagsterWarmJob().settings.prestarts
    cold = StarlakeDagsterWarmJob(options={"warm": "false", "SL_STARLAKE_PATH": "/bin/echo"})
    assert not cold.settings.prestarts
    assert cold.executor().run(StarlakeCommand.of(["compile"]), execution()).warm is None


def test_a_command_that_cannot_run_in_a_server_says_so_and_runs_as_a_process(tmp_path: Path) -> None:
    options = {"SL_STARLAKE_PATH": "/bin/echo", "sl_env_var": {"SL_ROOT": str(tmp_path)}}
    warm, told = StarlakeDagsterWarmJob(options=options), Recorder()
    result = warm.executor().run(StarlakeCommand.of(["compile"]), execution(told))
    assert result.warm is False
    (warning,) = told.warnings
    assert warning.startswith("the command runs as a process, not in a warm server: ")
    assert "the class path of Starlake cannot be derived" in warning
    assert "warm_class_path" in warning


LIMITED = {"small": {"process": {"nice": 1}}, "plain": {"spark": {"driver_memory": "1g"}}}


@pytest.mark.parametrize(("profile", "expected"), [("small", []), ("plain", ["prestart"]), (None, ["prestart"])])
def test_no_server_starts_for_a_command_with_limits_of_its_own(profile: str | None, expected: list[str]) -> None:
    settings = ShellOptions.read({"compute": LIMITED, "compute_profile": profile})
    command = StarlakeCommand.of(["load"]).with_compute(chosen_profile(settings.compute, settings.default_compute))
    runner = Noting()
    ShellExecutor("/bin/echo", runner=runner).prestart(command, execution())
    assert runner.noted == expected
