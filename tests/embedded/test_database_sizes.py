"""Limits of DuckDB for a command: in the process of the step, and as a process of its own."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import CommandFailedError, Execution, ShellExecutor, StarlakeExecutor
from ai.starlake.job import JobOptions, StarlakeCommand
from ai.starlake.testing.executor_contract import ContractReporter
from tests.embedded.conftest import Workshop

NAMES = ("threads", "memory_limit", "max_temp_directory_size")
SETTINGS = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in NAMES)
HUGE = "SELECT list(range) AS all_of_them FROM range(30000000)"
ENGINE = [sys.executable, "-m", "ai.starlake.embedded"]


@pytest.fixture(params=["in this process", "as a process"])
def executor(request: pytest.FixtureRequest) -> StarlakeExecutor:
    return EmbeddedExecutor() if request.param == "in this process" else ShellExecutor(ENGINE)


@pytest.fixture
def settings(shop: Workshop) -> Workshop:
    shop.task("shop.settings", SETTINGS, writeStrategy={"type": "OVERWRITE"})
    shop.task("shop.huge", HUGE)
    return shop


def run(executor: StarlakeExecutor, shop: Workshop, task: str = "shop.settings", **duckdb_sizes: Any) -> Any:
    """Run a task with a profile; return the result and what the task wrote."""
    profile = JobOptions.read({"compute": {"small": {"duckdb": duckdb_sizes}}}).compute["small"]
    command = StarlakeCommand("transform", ("--name", task), environment={"SL_ROOT": str(shop.root)})
    command = replace(command, compute=profile if duckdb_sizes else None)
    return executor.run(command, Execution(str(uuid.uuid4()), "step", ContractReporter()))


def test_a_command_has_the_threads_and_the_memory_of_its_profile(
    executor: StarlakeExecutor, settings: Workshop
) -> None:
    result = run(executor, settings, threads=1, memory_limit="200MiB", max_temp_directory_size="1GiB")
    assert settings.query("SELECT * FROM shop.settings") == [(1, "200.0 MiB", "1.0 GiB")]
    assert result.sizes == {
        "duckdb.threads": "1",
        "duckdb.memory_limit": "200MiB",
        "duckdb.max_temp_directory_size": "1GiB",
    }


def test_commands_of_one_process_have_each_their_own(settings: Workshop) -> None:
    executor, seen = EmbeddedExecutor(), []
    usual = [duckdb.sql(f"SELECT current_setting('{name}')").fetchall()[0][0] for name in NAMES[:2]]
    for sizes in ({"threads": 1, "memory_limit": "200MiB"}, {"threads": 3, "memory_limit": "300MiB"}, {}):
        run(executor, settings, **sizes)
        seen += settings.query("SELECT threads, memory_limit FROM shop.settings")
    assert seen == [(1, "200.0 MiB"), (3, "300.0 MiB"), tuple(usual)]


def test_a_profile_counts_more_than_the_connection(settings: Workshop) -> None:
    url = f"jdbc:duckdb:{settings.root}/datasets/duckdb.db"
    connection = {"type": "jdbc", "options": {"url": url, "preActions": "SET threads = 2"}}
    settings.application(connections={"duckdb": connection})
    run(EmbeddedExecutor(), settings)
    assert settings.query("SELECT threads FROM shop.settings") == [(2,)]
    run(EmbeddedExecutor(), settings, threads=1)
    assert settings.query("SELECT threads FROM shop.settings") == [(1,)]


def test_a_command_that_needs_more_memory_names_the_profile_and_the_setting(
    executor: StarlakeExecutor, settings: Workshop
) -> None:
    with pytest.raises(CommandFailedError) as error:
        run(executor, settings, "shop.huge", memory_limit="50MB", threads=1)
    text = str(error.value)
    assert "the command exceeded the memory limit 50MB of compute profile small (duckdb.memory_limit)" in text
    assert "raise duckdb.memory_limit of profile small" in text
    assert "Out of Memory Error" in text


def test_a_variable_that_is_no_size_is_an_error(settings: Workshop, tmp_path: Path) -> None:
    command = StarlakeCommand(
        "transform",
        ("--name", "shop.settings"),
        environment={"SL_ROOT": str(settings.root), "SL_DUCKDB_MEMORY_LIMIT": "lots"},
    )
    with pytest.raises(StarlakeError, match="SL_DUCKDB_MEMORY_LIMIT is 'lots', which DuckDB does not accept"):
        EmbeddedExecutor().run(command, Execution("run", "step", ContractReporter()))
