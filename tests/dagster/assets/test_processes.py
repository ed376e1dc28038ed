"""Definitions in processes of their own: validated, and run with a process for each step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus

from tests.dagster.assets.conftest import SAMPLE, Folder

pytestmark = pytest.mark.slow

FILE = """
from dagster import AssetSelection, Definitions, define_asset_job, multiprocess_executor

from ai.starlake.dagster import build_starlake_definitions

defs = Definitions.merge(
    build_starlake_definitions({project!r}),
    Definitions(jobs=[define_asset_job("everything", AssetSelection.all())], executor=multiprocess_executor),
)
"""


def dagster(folder: Path, *arguments: str) -> str:
    """Run the command line of Dagster in a folder, which is its home as well."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    command = [sys.executable, "-m", "dagster", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_sample_is_valid(tmp_path: Path) -> None:
    project = shutil.copytree(SAMPLE, tmp_path / "starbake")
    (tmp_path / "definitions.py").write_text(FILE.format(project=str(project)))
    assert "Validation successful" in dagster(tmp_path, "definitions", "validate", "-f", "definitions.py")


def test_each_step_has_a_process(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(
        "load/shop/_config.sl.yml", "load:\n  name: shop\n  metadata: {directory: '{{SL_ROOT}}/incoming/shop'}\n"
    )
    folder.table("shop", "orders")
    folder.task("kpis", "sales", "select id from shop.orders")
    landing = folder.root / "incoming/shop"
    landing.mkdir(parents=True)
    (landing / "orders_1.csv").write_text("id\n1\n2\n")
    (tmp_path / "definitions.py").write_text(FILE.format(project=str(folder.root)))
    dagster(tmp_path, "job", "execute", "-f", "definitions.py", "-j", "everything")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        assert run.status is DagsterRunStatus.SUCCESS
        made = instance.get_latest_materialization_event(AssetKey(["shop", "orders"])).asset_materialization
        assert made.metadata["starlake/rows_accepted"].value == 2
        assert made.metadata["dagster/row_count"].value == 2
        pids = {entry.dagster_event.pid for entry in instance.all_logs(run.run_id) if entry.dagster_event.step_key} - {
            None
        }
        assert len(pids) > 1
