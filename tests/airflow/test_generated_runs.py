"""Runs of generated DAG files: what is loaded and made of it, and what their events say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow import generated_dags
from tests.airflow.airflow_home import AirflowRun, run_dag
from tests.airflow.generated_dags import bakery, transforms
from tests.bakery import CONTENTS, assert_every_row_is_loaded_or_rejected, contents
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import TABLES, Bakery


@pytest.mark.parametrize("form", [None, "newer"])
def test_a_load_file_runs_its_commands(form: str | None, tmp_path: Path, fake: FakeStarlake) -> None:
    made = bakery(tmp_path / "starbake", "shell", form, {"SL_STARLAKE_PATH": str(fake.path)})
    run = run_dag(made.loads("imported", 1))
    assert (run.state, set(run.tasks.values())) == ("success", {"success"}), run.tasks
    assert [call.value_of("--domains") for call in fake.calls("stage")] == ["starbake"]
    assert sorted(call.value_of("--tables") or "" for call in fake.calls("load")) == sorted(TABLES)
    assert len({call.value_of("--scheduledDate") for call in fake.calls("load")}) == 1
    assert set(run.asset_events()) == {"starbake_load", *generated_dags.READ}


def test_nothing_to_load_is_a_success_without_loads(tmp_path: Path, fake: FakeStarlake) -> None:
    made = bakery(tmp_path / "starbake", "shell", "newer", {"SL_STARLAKE_PATH": str(fake.path)})
    file = made.loads("imported", 1)
    for delivered in (made.root / "incoming/starbake").iterdir():
        delivered.unlink()
    run = run_dag(file)
    assert run.state == "success"
    assert fake.calls("load") == fake.calls("stage") == []
    assert {state for task, state in run.tasks.items() if ".load_" in task or "import" in task} == {"skipped"}
    assert run.asset_events() == {}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bakery, AirflowRun, AirflowRun]]:
    """Return the sample, loaded and transformed by processes of `starlake-embedded`."""
    executable = Path(sys.executable).with_name("starlake-embedded")
    folder = tmp_path_factory.mktemp("real")
    made = bakery(folder / "starbake", "shell", "newer", {"SL_STARLAKE_PATH": str(executable)})
    loads = run_dag(made.loads("imported", 1))
    (made.root / "metadata/dags/load_shell.sl.yml").unlink()
    return made, loads, run_dag(transforms(made, "any"))


def test_the_tables_hold_the_rows_of_the_demo(real: tuple[Bakery, AirflowRun, AirflowRun]) -> None:
    made, loads, tasks = real
    assert (loads.state, tasks.state) == ("success", "success"), (loads.tasks, tasks.tasks)
    assert contents(made.root / "datasets/duckdb.db") == CONTENTS


def test_the_events_of_tables_have_their_counts(real: tuple[Bakery, AirflowRun, AirflowRun]) -> None:
    made, loads, _ = real
    accepted = assert_every_row_is_loaded_or_rejected(made.root / "datasets/duckdb.db")
    events = loads.asset_events()
    assert {table: events[f"starbake_{table.lower()}"]["rows_accepted"] for table in TABLES} == accepted
