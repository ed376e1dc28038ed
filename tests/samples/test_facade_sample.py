"""The sample of a facade: the nights of another scheduler, and what Dagster shows of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from dagster import AssetCheckKey, AssetKey, AssetRecordsFilter, DagsterInstance

SAMPLES = Path(__file__).resolve().parents[2] / "samples"

pytestmark = pytest.mark.slow


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"facade_sample_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_night_in_which_a_delivery_cannot_be_read(tmp_path, monkeypatch):
    project = tmp_path / "bakery"
    nightly = [sys.executable, SAMPLES / "facade" / "nightly.py", project]
    first = subprocess.run([*nightly, "2026-11-03"], check=False)
    second = subprocess.run([*nightly, "2026-11-04", "--broken", "products"], check=False)
    assert (first.returncode, second.returncode) == (0, 1)
    monkeypatch.setenv("SL_ROOT", str(project))
    monkeypatch.setenv("SL_DAGSTER_CACHE", str(tmp_path / "cache"))
    definitions = load(SAMPLES / "facade" / "definitions.py").defs
    with DagsterInstance.ephemeral() as instance:
        assert definitions.get_job_def("starlake_sync_prod").execute_in_process(instance=instance).success
        passed = {}
        for table in ("Customers", "Ingredients", "Orders", "Products"):
            key = AssetKey(["starbake", table])
            (record,) = instance.event_log_storage.get_asset_check_execution_history(
                AssetCheckKey(key, "last_run"), limit=5
            )
            passed[table] = record.event.dagster_event.event_specific_data.passed
            assert len(instance.fetch_materializations(AssetRecordsFilter(key), limit=5).records) == 1
    assert passed == {"Customers": True, "Ingredients": True, "Orders": True, "Products": False}
