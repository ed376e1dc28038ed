"""Tests of the shell executor hold for warm servers: their scripts run in a server, by the fake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import tests.executor.test_recovery
import tests.executor.test_shell
from ai.starlake.executor import ShellExecutor
from ai.starlake.executor.warm.warm_runner import WarmRunner
from ai.starlake.executor.warm.warm_server import Owner
from ai.starlake.executor.warm.warm_settings import WarmSettings
from tests.executor.conftest import (  # noqa: F401  fixtures
    cli,
    execution,
    facts,
    project,
    report,
    unreadable_facts,
)
from tests.executor.test_recovery import (  # noqa: F401  the tests
    datasets,
    executor,
    test_a_failure_takes_only_the_files_of_its_own_load,
    test_a_load_that_cannot_be_repeated_safely_fails_and_does_not_run,
    test_a_newer_file_of_the_same_name_is_never_replaced,
    test_a_success_that_leaves_its_files_is_none,
    test_files_of_other_tables_stay_where_they_are,
    test_the_repeated_load_loads_what_the_failed_one_left,
)
from tests.executor.test_shell import (  # noqa: F401
    test_a_relative_root_is_not_applied_twice,
    test_broken_counts_warn_and_do_not_fail,
    test_known_failures_come_with_a_way_out,
    test_no_value_is_ever_interpreted,
    test_the_environment_is_that_of_run_time,
    test_the_folder_is_that_of_the_project,
    test_the_result_has_counts_and_a_duration,
    test_the_user_has_the_last_word_but_not_on_the_server_port,
)
from tests.executor.warm.fake_starlake import RUNS, FakeStarlake

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _warm(
    fake_starlake: FakeStarlake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    runtime: Path,
) -> Iterator[None]:
    """Let executors that these tests make run their executable in a server."""
    monkeypatch.chdir(tmp_path)
    request.getfixturevalue("report")

    def warm_executor(executable: str, **options: object) -> ShellExecutor:
        monkeypatch.setenv(RUNS, executable)
        owner = partial(Owner.of_process, os.getpid())
        runner = WarmRunner(WarmSettings(servers=1), owner=owner, scope=lambda _: str(tmp_path))
        return ShellExecutor(str(fake_starlake.starlake), runner=runner, **options)

    for module in (tests.executor.test_shell, tests.executor.test_recovery):
        monkeypatch.setattr(module, "ShellExecutor", warm_executor)
    yield
    assert "runs as a process" not in request.getfixturevalue("report").everything()
