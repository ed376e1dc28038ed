"""Options of warm servers that only go together with some others."""

from __future__ import annotations

import sys

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.shell import ShellOptions
from ai.starlake.executor.warm.warm_settings import WarmSettings
from ai.starlake.job import StarlakeOptionWarning

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
