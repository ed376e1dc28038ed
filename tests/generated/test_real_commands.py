"""Generated files as users run them: Dagster's own commands, and real processes for Starlake's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance

from ai.starlake.testing.gcp import GcpEmulator
from tests.generated.machinery import GCP_PROJECT, REGION, RUN_JOB, SAMPLE, Bakery, imported, run

EXECUTABLE = str(Path(sys.executable).with_name("starlake-embedded"))
GENERATED = sorted((SAMPLE.parent / "generated").glob("*.py"))
KPIS = "SELECT count(*), sum(revenue) > 0 FROM kpis.DailySales"

pytestmark = pytest.mark.slow


def dagster(home: Path, *arguments: object, **variables: str) -> str:
    """What a command of Dagster prints."""
    command = [sys.executable, "-W", "ignore", "-m", "dagster", *map(str, arguments)]
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "DAGSTER_HOME": str(home), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def test_dagster_finds_the_samples_valid_side_by_side(tmp_path: Path) -> None:
    files = [part for file in GENERATED for part in ("-f", file)]
    assert "Validation successful" in dagster(tmp_path / "home", "definitions", "validate", *files)


def test_the_samples_load_and_transform_in_processes_of_their_own(tmp_path: Path) -> None:
    root = Bakery(tmp_path / "starbake", "shell").root
    variables = {
        "SL_ROOT": str(root),
        "SL_STARLAKE_PATH": EXECUTABLE,
        "PATH": f"{Path(EXECUTABLE).parent}:/usr/bin:/bin",
    }
    for job in ("starbake_load_shell", "starbake_transform_shell"):
        file = SAMPLE.parent / "generated" / f"{job}.py"
        dagster(tmp_path / "home", "job", "execute", "-f", file, "-j", job, **variables)
    assert days(root) > 0


def days(root: Path) -> int:
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        found: int = connection.execute("SELECT count(*) FROM kpis.DailySales WHERE revenue > 0").fetchall()[0][0]
        return found


@pytest.fixture(scope="module")
def clouds() -> Iterator[dict[str, dict[str, str]]]:
    """The options of Google Cloud, where the embedded engine stands for Starlake."""
    with GcpEmulator(speed=3000) as gcp:
        gcp.add_job(f"projects/{GCP_PROJECT}/locations/{REGION}/jobs/{RUN_JOB}", max_retries=0)
        given = {**gcp.options(), "poll_interval": "0.05"}
        cloud_run = {name: value for name, value in given.items() if not name.startswith("dataproc")}
        dataproc = {name: value for name, value in given.items() if not name.startswith("cloud_run")}
        yield {"cloud_run": cloud_run, "dataproc": dataproc, "shell": {"SL_STARLAKE_PATH": EXECUTABLE}}


@pytest.mark.parametrize("place", ["shell", "cloud_run", "dataproc"])
def test_the_bakery_opens_wherever_commands_run(
    place: str, tmp_path: Path, clouds: dict[str, dict[str, Any]], instance: DagsterInstance
) -> None:
    bakery = Bakery(tmp_path / "starbake", place, clouds[place])
    with imported(bakery.loads("imported", 1)) as module:
        run(module, "starbake_load", instance)
    bakery.configure("transform", "starbake_transform.py", dataset_triggering_strategy="all")
    (bakery.root / f"metadata/dags/load_{place}.sl.yml").unlink()
    with imported(bakery.generate()) as module:
        run(module, "starbake_transform", instance)
    assert days(bakery.root) > 0
