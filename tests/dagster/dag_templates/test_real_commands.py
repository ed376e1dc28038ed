"""Generated files as users run them: Dagster's own commands, and real processes for Starlake's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance

from starlake_gcp_emulator import GcpEmulator
from tests.dagster.dag_templates.machinery import imported, on_google_cloud, run
from tests.dagster.run_configs import config_file
from tests.fakes.shops import GCP_PROJECT, REGION, RUN_JOB, SAMPLE, Bakery

EXECUTABLE = str(Path(sys.executable).with_name("starlake-embedded"))
GENERATED = [SAMPLE.parent / "generated" / f"starbake_{name}.py" for name in ("load_shell", "transform_dataproc")]

pytestmark = pytest.mark.slow


def dagster(home: Path, *arguments: object, **variables: str) -> str:
    """Return the output of a Dagster command."""
    command = [sys.executable, "-W", "ignore", "-m", "dagster", *map(str, arguments)]
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "DAGSTER_HOME": str(home), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def test_dagster_finds_files_valid_side_by_side(tmp_path: Path) -> None:
    files = [part for file in GENERATED for part in ("-f", file)]
    assert "Validation successful" in dagster(tmp_path / "home", "definitions", "validate", *files)


def test_a_file_loads_in_processes_of_its_own(tmp_path: Path) -> None:
    root = Bakery(tmp_path / "starbake", "shell").root
    search = f"{Path(EXECUTABLE).parent}{os.pathsep}{os.environ['PATH']}"
    arguments = ("job", "execute", "-f", GENERATED[0], "-j", GENERATED[0].stem, "-c", config_file(tmp_path))
    dagster(tmp_path / "home", *arguments, SL_ROOT=str(root), PATH=search)
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM starbake.Orders").fetchall() == [(True,)]


def days(root: Path) -> int:
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        found: int = connection.execute("SELECT count(*) FROM kpis.DailySales WHERE revenue > 0").fetchall()[0][0]
        return found


@pytest.fixture(scope="module")
def cloud() -> Iterator[GcpEmulator]:
    """Google Cloud, where the embedded engine stands for Starlake."""
    with GcpEmulator(speed=3000) as gcp:
        gcp.add_job(f"projects/{GCP_PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        yield gcp


@pytest.mark.parametrize("place", ["shell", "cloud_run", "dataproc"])
def test_the_bakery_opens_wherever_commands_run(
    place: str, tmp_path: Path, cloud: GcpEmulator, instance: DagsterInstance
) -> None:
    own = {"SL_STARLAKE_PATH": EXECUTABLE} if place == "shell" else on_google_cloud(cloud, place, poll_interval=0.05)
    bakery = Bakery(tmp_path / "starbake", place, own)
    with imported(bakery.loads("imported", 1)) as module:
        run(module, "starbake_load", instance)
    bakery.configure("transform", "starbake_transform.py", dataset_triggering_strategy="all")
    (bakery.root / f"metadata/dags/load_{place}.sl.yml").unlink()
    with imported(bakery.generate()) as module:
        run(module, "starbake_transform", instance)
    assert days(bakery.root) > 0
