"""The file through which a process tells the outcomes of its tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ai.starlake.common.outcomes.outcome_data import outcomes_text
from ai.starlake.executor import CommandFailedError, ShellExecutor, TableOutcome
from ai.starlake.job import StarlakeCommand

LOAD = StarlakeCommand("load", ("--domains", "sales", "--tables", "orders"))
TOLD = outcomes_text([TableOutcome("sales.orders", error="hush hush", checks=())])
WRITES = f"open(os.environ['SL_OUTCOME_FILE'], 'w').write({TOLD!r})"


@pytest.fixture
def asked(execution):
    return replace(execution, outcomes=True)


def test_what_the_command_writes_is_told(cli, asked):
    result = ShellExecutor(cli(WRITES)).run(LOAD, asked)
    assert result.tables == (TableOutcome("sales.orders", error="hush hush", checks=()),)


def test_a_command_that_fails_tells_it_too(cli, asked):
    with pytest.raises(CommandFailedError) as failure:
        ShellExecutor(cli(f"{WRITES}; sys.exit(3)")).run(LOAD, asked)
    assert [table.name for table in failure.value.tables] == ["sales.orders"]


def test_secrets_in_it_are_masked(cli, asked):
    command = LOAD.with_environment({"DB_PASSWORD": "hush hush"})
    (table,) = ShellExecutor(cli(WRITES)).run(command, asked).tables
    assert "hush" not in str(table.error)


@pytest.mark.parametrize("body", ["pass", WRITES.replace("'w'", "'a'").replace(TOLD[:9], TOLD[1:9]), "os.abort()"])
def test_a_file_that_is_missing_or_broken_is_no_failure(cli, asked, body):
    executor = ShellExecutor(cli(body))
    if body == "os.abort()":
        with pytest.raises(CommandFailedError) as failure:
            executor.run(LOAD, asked)
        tables = failure.value.tables
    else:
        tables = executor.run(LOAD, asked).tables
    assert all(table.checks is None and table.checks_unknown for table in tables)


def test_nobody_is_asked_unless_somebody_wants_to_know(cli, execution, monkeypatch):
    body = "print(json.dumps(os.environ.get('SL_OUTCOME_FILE')))"
    assert ShellExecutor(cli(body)).run(LOAD, execution).tables == ()
    assert json.loads(execution.report.of("stdout")[-1]) is None


def test_each_command_has_a_file_of_its_own_which_goes_with_it(cli, asked, monkeypatch):
    monkeypatch.setenv("SL_OUTCOME_FILE", "/somewhere/else")
    executor = ShellExecutor(cli(f"{WRITES}; print(os.environ['SL_OUTCOME_FILE'])"))
    for _ in range(2):
        assert executor.run(LOAD, asked).tables
    files = [Path(line) for line in asked.report.of("stdout")]
    assert len(set(files)) == 2
    assert not any(file.parent.exists() for file in files)
