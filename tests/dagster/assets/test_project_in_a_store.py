"""A project whose metadata are in an object store: its definitions, and what they materialize."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dagster import AssetKey, materialize
from upath import UPath

from ai.starlake.dagster import StarlakeProject, build_starlake_asset_specs, build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.dagster.assets.conftest import Folder, by_key, columns_of, lineage_of

ADDRESS = "memory://starlake-assets/shop"


@pytest.fixture
def stored(folder: Folder) -> Iterator[Folder]:
    """Yield a project on disk, and a copy of it in the store."""
    directory = f"{ADDRESS}/incoming/sales"
    folder.write("load/sales/_config.sl.yml", f"version: 1\nload:\n  metadata: {{directory: '{directory}'}}\n")
    folder.table("sales", "orders", "id: long, total: double", "expectations: [{expect: \"unique('id')\"}]\n")
    folder.task("kpi", "revenue", "WITH o AS (SELECT total FROM sales.orders) SELECT sum(total) AS revenue FROM o")
    for file in folder.root.rglob("*"):
        if file.is_file():
            copy = UPath(f"{ADDRESS}/{file.relative_to(folder.root).as_posix()}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    yield folder
    UPath(ADDRESS).rmdir(recursive=True)


def test_it_has_the_assets_that_it_has_on_disk(stored: Folder) -> None:
    here, there = stored.specs(), by_key(build_starlake_asset_specs(ADDRESS))
    assert set(there) == set(here) == {"sales/orders", "kpi/revenue"}
    for name, spec in there.items():
        assert [dep.asset_key for dep in spec.deps] == [dep.asset_key for dep in here[name].deps]
        assert columns_of(spec) == columns_of(here[name])
        assert spec.code_version == here[name].code_version or name == "sales/orders"  # which names its landing area
        assert "dagster/code_references" not in spec.metadata  # an editor cannot open them
    lineage = lineage_of(there["kpi/revenue"].metadata["dagster/column_lineage"])
    assert lineage == {"revenue": ["sales/orders.total"]}


def test_a_change_in_the_store_is_seen(stored: Folder) -> None:
    assert len(StarlakeProject(ADDRESS).items) == 2
    UPath(f"{ADDRESS}/metadata/transform/kpi/orders.sql").write_text("SELECT id FROM sales.orders", encoding="utf-8")
    assert [item.full_name for item in StarlakeProject(ADDRESS).items] == ["sales.orders", "kpi.orders", "kpi.revenue"]


def test_its_commands_run_where_the_job_says(stored: Folder) -> None:
    job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": "true", "duckdb_lock": "off"})
    result = materialize(list(build_starlake_definitions(ADDRESS, job).assets or ()))
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert made == {AssetKey(["sales", "orders"]), AssetKey(["kpi", "revenue"])}
