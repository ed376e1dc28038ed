"""A project as `Definitions`: materialized for real, on the embedded engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dagster import DagsterInstance, Definitions

from ai.starlake.dagster import build_starlake_definitions
from tests.dagster_assets.conftest import SAMPLE


@pytest.fixture
def starbake(tmp_path: Path) -> Path:
    """A copy of the sample project, with files in its landing area."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "starbake"))


def test_the_sample_is_materialized_in_one_run(starbake: Path) -> None:
    definitions = build_starlake_definitions(starbake)
    Definitions.validate_loadable(definitions)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=DagsterInstance.ephemeral())
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {
        "starbake/Customers",
        "starbake/Ingredients",
        "starbake/Orders",
        "starbake/Products",
        "Customers/CustomerLifeTimeValue",
        "Customers/HighValueCustomers",
        "Products/ProductMargins",
        "kpis/DailySales",
    }
