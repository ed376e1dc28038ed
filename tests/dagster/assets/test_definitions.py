"""A project as `Definitions`: materialized for real, on the embedded engine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dagster import AssetKey, Definitions

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator, build_starlake_definitions
from ai.starlake.dagster.gcp import StarlakeDagsterCloudRunJob
from ai.starlake.executor.outcomes import TableOutcome
from tests.dagster.assets.conftest import SAMPLE, Folder
from tests.dagster.assets.reporting import ReportingJob, loaded, run


@pytest.fixture
def starbake(tmp_path: Path) -> Path:
    """Return a copy of the sample project, with files in its landing area."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "starbake"))


def test_the_sample_is_materialized_in_one_run(starbake: Path) -> None:
    definitions = build_starlake_definitions(starbake)
    Definitions.validate_loadable(definitions)
    made = run(definitions, partition="2026-11-05").made
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


def names_of(definitions: Definitions) -> set[str]:
    """Return the names of jobs, schedules and sensors."""
    return {each.name for each in (*definitions.jobs, *definitions.schedules, *definitions.sensors)}


class TestNames:
    @pytest.fixture
    def daily(self, folder: Folder) -> Folder:
        """Return a table that is loaded each day."""
        folder.table("shop", "orders", more="metadata: {schedule: '0 5 * * *'}\n")
        return folder

    def test_two_projects_with_the_same_tables_merge(self, daily: Folder, tmp_path: Path) -> None:
        other = shutil.copytree(daily.root, tmp_path / "other")
        both = [
            build_starlake_definitions(daily.root, asset_prefix="one"),
            build_starlake_definitions(other, asset_prefix="two"),
        ]
        merged = Definitions.merge(*both)
        Definitions.validate_loadable(merged)
        assert names_of(both[0]).isdisjoint(names_of(both[1]))
        assert {key.to_user_string() for each in merged.assets for key in each.keys} == {
            "one/shop/orders",
            "two/shop/orders",
        }

    def test_one_project_merges_with_itself_under_other_names(self, daily: Folder) -> None:
        parts = [build_starlake_definitions(daily.root, name=name, asset_prefix=name) for name in ("dev", "prod")]
        Definitions.validate_loadable(Definitions.merge(*parts))

    def test_names_begin_with_that_of_the_project_or_the_given_one(self, daily: Folder) -> None:
        assert all(name.startswith("bakery_") for name in names_of(build_starlake_definitions(daily.root)))
        named = names_of(build_starlake_definitions(daily.root, name="sales-eu"))
        assert named
        assert all(name.startswith("sales_eu_") for name in named)

    def test_letters_beyond_ascii_work_in_keys_and_dependencies(self, folder: Folder) -> None:
        folder.table("boutique", "commandes_été")
        folder.table("boutique", "注文")
        folder.table("boutique", "顧客")
        folder.task(
            "kpis", "résumé", 'select id from boutique."commandes_été" union all select id from boutique."注文"'
        )
        outcomes = {name: loaded(name) for name in ("boutique.commandes_été", "boutique.注文", "boutique.顧客")}
        sl_job = ReportingJob({**outcomes, "kpis.résumé": TableOutcome("kpis.résumé", checks=())})
        definitions = build_starlake_definitions(folder.root, sl_job)
        Definitions.validate_loadable(definitions)
        ran = run(definitions)
        assert ran.success
        assert ran.made == {"boutique/commandes_été", "boutique/注文", "boutique/顧客", "kpis/résumé"}
        assert sl_job.reporting.commands[-1] == "transform kpis.résumé"

    def test_underscores_do_not_make_two_names_one(self, folder: Folder) -> None:
        for domain, table in (("shop", "a__b"), ("shop__a", "b"), ("shop", "a_b"), ("shop_a", "b")):
            folder.table(domain, table)
        definitions = build_starlake_definitions(folder.root)
        Definitions.validate_loadable(definitions)
        names = {each.op.name for each in definitions.assets}
        assert len(names) == 4
        assert {"shop__a_b", "shop_a__b"} < names

    def test_names_that_differ_by_case_only_are_refused(self, folder: Folder) -> None:
        folder.table("shop", "orders")
        folder.task("SHOP", "Orders", "select 1 as id")
        with pytest.raises(StarlakeError, match=r"shop\.orders.*SHOP\.Orders"):
            build_starlake_definitions(folder.root)

    def test_two_items_of_one_key_are_refused_with_both_names(self, folder: Folder) -> None:
        class Same(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                return super().get_asset_spec(item).replace_attributes(key=AssetKey("same"))

        folder.table("shop", "orders")
        folder.table("shop", "clients")
        with pytest.raises(StarlakeError, match=r"shop\.clients and shop\.orders both have the asset key same"):
            build_starlake_definitions(folder.root, translator=Same())


class TestParts:
    def test_sensors_end_what_runs_leave_on_a_service(self, folder: Folder) -> None:
        folder.table("shop", "orders")
        sl_job = StarlakeDagsterCloudRunJob(options={"cloud_run_project_id": "p", "cloud_run_job_name": "starlake"})
        names = names_of(build_starlake_definitions(folder.root, sl_job))
        assert {name for name in names if "janitor" in name} == {
            "bakery_cloud_run_janitor_after_failure",
            "bakery_cloud_run_janitor_after_cancellation",
        }
        assert names_of(build_starlake_definitions(folder.root, sl_job, sensors=False, schedules=False)) == set()

    def test_the_pool_of_an_executor_holds_for_assets(self, folder: Folder) -> None:
        folder.table("shop", "orders")
        given = {"cloud_run_project_id": "p", "cloud_run_job_name": "starlake", "cloud_run_pool": "quota"}
        for options, pool in ((given, "quota"), ({**given, "pool": "few"}, "few")):
            [orders] = build_starlake_definitions(folder.root, StarlakeDagsterCloudRunJob(options=options)).assets
            assert orders.op.pool == pool

    def test_only_what_is_selected_becomes_an_asset(self, folder: Folder) -> None:
        folder.table("shop", "orders")
        folder.table("shop", "clients")
        definitions = build_starlake_definitions(folder.root, select="shop", exclude="shop.clients")
        assert [key for each in definitions.assets for key in each.keys] == [AssetKey(["shop", "orders"])]
