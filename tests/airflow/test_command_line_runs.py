"""``python -m ai.starlake.orchestration`` runs DAGs in this process: its reports and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ai.starlake.orchestration.cli import run as run_command_line
from ai.starlake.orchestration.cli.loading import load_pipelines
from ai.starlake.orchestration.pipeline_runs import RunOptions, StepState
from tests.airflow.airflow_home import fresh_database
from tests.airflow.dag_files import load_file, node, table, transform_file
from tests.fakes.fake_cli import FakeStarlake


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the command line in this process, and returns its exit code, and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = run_command_line(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


@pytest.fixture
def loads(tmp_path: Path, fake: FakeStarlake) -> Path:
    options = {"SL_STARLAKE_PATH": str(fake.path), "sl_env_var": json.dumps({"SL_ROOT": str(tmp_path)}), "retries": "0"}
    return load_file(tmp_path, [("daily", "0 5 * * *", {"crm": ["people", "calls"]})], **options)


def test_a_dry_run_shows_the_commands_and_runs_nothing(command, loads, fake):
    code, shown = command("dry-run", "--file", str(loads), "--date", "2026-03-01", "--options", "country=FR")
    assert code == 0, shown
    assert "load --domains crm --tables people" in shown
    assert "--scheduledDate 2026-03-02T05:00:00+0000" in shown
    assert "country=FR" in shown
    assert fake.calls() == []


def test_a_section_for_nothing_is_refused(command, loads):
    code, shown = command("dry-run", "--file", str(loads), "--options", '{"crm.person": {"a": "b"}}')
    assert code != 0
    assert "has no table, task or op of that name" in shown


def test_the_pipelines_of_a_file_are_listed(command, tmp_path):
    tree = repr(json.dumps([node("kpi.a", table("shop.orders"), table("shop.lines"))]))
    code, shown = command("list", "--file", str(transform_file(tmp_path, tree, dataset_triggering_strategy="all")))
    assert code == 0, shown
    assert "kpi_tasks" in shown
    assert "shop.orders & shop.lines" in shown


def test_a_run_that_fails_ends_with_code_1_and_says_why(loads, fake, tmp_path):
    fake.behave("load", exit_codes=[0, 7], stderr=["the disk is full"])
    command = [sys.executable, "-m", "ai.starlake.orchestration", "run", "--file", str(loads), "--date", "2026-03-01"]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "starlake load" in done.stdout
    assert sorted(call.value_of("--tables") for call in fake.calls()) == ["calls", "people"]
    assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-02T05:00:00+0000"}


def test_a_run_that_succeeds_is_reported_with_its_steps(loads, fake):
    fresh_database(loads)
    (pipeline,) = load_pipelines(loads)
    report = pipeline.execute(pipeline.date_of(date(2026, 3, 1)), RunOptions(recorded=True))
    assert report.success
    assert report.outcome == "succeeded"
    states = {step.name.rpartition(".")[2]: step.state for step in report.steps}
    done = dict.fromkeys(["start", "load_crm_people", "load_crm_calls"], StepState.SUCCEEDED)
    assert states == {**done, "end": StepState.SKIPPED}  # there was no file
    assert report.steps[0].name == "start"


def test_the_intervals_of_a_time_are_those_of_the_cron_expression(loads):
    (pipeline,) = load_pipelines(loads)
    found = pipeline.dates_between(date(2026, 3, 1), date(2026, 3, 2))
    assert [str(each.interval and each.interval.start) for each in found] == [
        "2026-03-01 05:00:00+00:00",
        "2026-03-02 05:00:00+00:00",
    ]
    assert [each.logical.isoformat() for each in found] == ["2026-03-02T05:00:00+00:00", "2026-03-03T05:00:00+00:00"]
