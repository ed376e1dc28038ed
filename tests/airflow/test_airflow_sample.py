"""samples/airflow: its DAGs run by dag.test(), and make the tables that `make demo` makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.airflow_home import AirflowRun, dag_bag, migrated_database, run_dag
from tests.bakery import SAMPLE, TABLES, TRANSFORMS, assert_every_row_is_loaded_or_rejected

HERE = Path(__file__).resolve().parents[2] / "samples" / "airflow"
SECRET = "s3cr3t/of+bakery"


def a_copy_of_the_bakery(folder: Path) -> Path:
    project = folder / "starbake"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("datasets", "__pycache__"))
    return project


def test_the_script_loads_the_bakery_and_shows_the_tables(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    home = tmp_path / "home"
    (home / "airflow").mkdir(parents=True)
    shutil.copy(migrated_database(), home / "airflow" / "airflow.db")  # which it would take 7 s to make
    environment = {**os.environ, "COLUMNS": "160", "SL_ROOT": "/nowhere"}
    command = [sys.executable, str(HERE / "run.py"), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    accepted = assert_every_row_is_loaded_or_rejected(home / "starbake" / "datasets" / "duckdb.db")
    assert [table for table, count in accepted.items() if str(count) not in done.stdout] == []
    assert {path: path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()} == before


class Pair:
    """The runs of the generated DAGs, one after the other."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.load: AirflowRun = run_dag(HERE / "generated" / "starbake_load.py")
        self.transform: AirflowRun = run_dag(HERE / "generated" / "starbake_transform.py", logical_date=None)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    with pytest.MonkeyPatch.context() as patch:
        project = a_copy_of_the_bakery(tmp_path_factory.mktemp("bakery"))
        patch.setenv("SL_ROOT", str(project))
        patch.setenv("AIRFLOW_VAR_BAKERY_DB_PASSWORD", SECRET)
        return Pair(project)


def test_the_generated_dags_make_the_tables_of_the_demo(pair: Pair) -> None:
    assert (pair.load.state, set(pair.load.tasks.values())) == ("success", {"success"})
    assert (pair.transform.state, set(pair.transform.tasks.values())) == ("success", {"success"})
    assert_every_row_is_loaded_or_rejected(pair.project / "datasets" / "duckdb.db")


def test_each_table_and_task_has_one_asset_event(pair: Pair) -> None:
    assert set(pair.load.asset_events()) == {*(f"starbake_{table}".lower() for table in TABLES), "starbake_load"}
    made = {name.replace(".", "_").lower() for name in TRANSFORMS}
    assert set(pair.transform.asset_events()) == {*made, "starbake_transform"}


def test_the_password_stays_a_reference(pair: Pair) -> None:
    for run in (pair.load, pair.transform):
        assert SECRET.encode() not in run.database.read_bytes()


@pytest.mark.parametrize("file", ["dags/starbake.py", "generated/starbake_load.py", "generated/starbake_transform.py"])
def test_each_file_loads_without_a_word(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    bag = dag_bag(HERE / file)
    assert (bag.import_errors, bag.captured_warnings) == ({}, {})
    assert list(bag.dags) == [Path(file).stem]
    assert [line for line in capfd.readouterr().out.splitlines() if "Filling up the DagBag" not in line] == []
