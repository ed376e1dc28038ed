"""Requests of the daemon without a schedule: items are materialized when their dependencies have changed."""

from __future__ import annotations

import pytest
from dagster import (
    AssetCheckSeverity,
    AssetMaterialization,
    AssetSelection,
    AssetSpec,
    AutomationCondition,
    DagsterInstance,
    DailyPartitionsDefinition,
    DefaultSensorStatus,
    Definitions,
    FreshnessPolicy,
    SensorDefinition,
    define_asset_job,
    evaluate_automation_conditions,
)

from ai.starlake.dagster import DagsterStarlakeTranslator, build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from tests.dagster.assets.conftest import key


class Daemon:
    """The evaluations of the conditions of a project, one after the other."""

    def __init__(self, folder, instance, translator=None, **options) -> None:
        job = StarlakeDagsterEmbeddedJob(options={"start_date": "2026-03-01", **options})
        self.definitions = build_starlake_definitions(folder.project, job, translator=translator)
        self.instance = instance
        self._cursor = None
        self()

    def __call__(self) -> set[str]:
        """Return what a tick asks for."""
        result = evaluate_automation_conditions(self.definitions, self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        asked = [spec.key for each in self.definitions.assets for spec in each.specs]
        return {one.to_user_string() for one in asked if result.get_num_requested(one)}

    def made(self, *assets: str, partition: str | None = None) -> None:
        for asset in assets:
            self.instance.report_runless_asset_event(AssetMaterialization(key(asset), partition=partition))


@pytest.fixture
def chain(folder):
    folder.table("shop", "orders")
    folder.task("kpi", "first", "SELECT * FROM shop.orders")
    folder.task("kpi", "second", "SELECT * FROM kpi.first")
    return folder


class TestEager:
    def test_nothing_is_asked_for_when_it_begins(self, chain, instance):
        assert Daemon(chain, instance)() == set()

    def test_what_reads_a_table_that_was_loaded_is_made_and_what_reads_that(self, chain, instance):
        tick = Daemon(chain, instance)
        tick.made("shop/orders")
        assert tick() == {"kpi/first", "kpi/second"}
        assert tick() == set()

    def test_a_table_that_somebody_else_makes_is_not_waited_for(self, chain, instance):
        chain.task("kpi", "second", "SELECT * FROM kpi.first, weather")
        tick = Daemon(chain, instance)
        tick.made("shop/orders")
        assert tick() == {"kpi/first", "kpi/second"}

    def test_a_table_of_the_project_is_waited_for(self, chain, instance):
        chain.table("shop", "rates")
        chain.task("kpi", "second", "SELECT * FROM kpi.first, shop.rates, weather")
        tick = Daemon(chain, instance)
        tick.made("shop/orders")
        assert tick() == {"kpi/first"}
        tick.made("kpi/first", "shop/rates")
        assert tick() == {"kpi/second"}

    def test_what_a_view_reads_counts_for_what_reads_the_view(self, folder, instance):
        folder.table("shop", "orders")
        folder.task("kpi", "now", "SELECT * FROM shop.orders", "task:\n  sink:\n    materializedView: VIEW\n")
        folder.task("kpi", "report", "SELECT * FROM kpi.now, weather")
        tick = Daemon(folder, instance, DagsterStarlakeTranslator(views_as_virtual=True))
        tick.made("shop/orders")
        assert tick() - {"kpi/now"} == {"kpi/report"}
        assert tick() == set()

    @pytest.mark.parametrize("partition", ["2026-03-01", "2026-03-02"])
    def test_any_partition_of_what_it_reads_counts_and_none_must_exist(self, folder, instance, partition):
        folder.table("shop", "orders", more="metadata:\n  schedule: daily")
        folder.task("kpi", "overall", "SELECT * FROM shop.orders")
        tick = Daemon(folder, instance)
        tick.made("shop/orders", partition=partition)
        assert tick() == {"kpi/overall"}
        assert tick() == set()

    def test_of_its_own_partitions_only_the_newest_is_made(self, folder, instance):
        class Translator(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                days = DailyPartitionsDefinition("2026-03-01")
                return super().get_asset_spec(item).replace_attributes(partitions_def=days)

        folder.table("shop", "orders")
        folder.task("kpi", "by_day", "SELECT * FROM shop.orders")
        tick = Daemon(folder, instance, Translator())
        tick.made("shop/orders", partition="2026-03-01")
        assert tick() == set()
        tick.made("shop/orders", partition=DailyPartitionsDefinition("2026-03-01").get_last_partition_key())
        assert tick() == {"kpi/by_day"}


def conditions(folder, translator=None, **options) -> dict[str, AutomationCondition | None]:
    job = StarlakeDagsterEmbeddedJob(options=options)
    made: Definitions = build_starlake_definitions(folder.project, job, translator=translator)
    specs: list[AssetSpec] = [spec for each in made.assets for spec in each.specs]
    return {spec.key.to_user_string(): spec.automation_condition for spec in specs}


class TestWhoHasACondition:
    def test_only_items_without_a_schedule(self, folder):
        folder.table("shop", "orders", more="metadata:\n  schedule: daily")
        folder.table("shop", "products")
        found = conditions(folder)
        assert found["shop/orders"] is None
        assert found["shop/products"] == AutomationCondition.eager()

    def test_an_option_leaves_conditions_out(self, chain):
        assert set(conditions(chain, automation="none").values()) == {None}

    def test_that_of_the_translator_is_kept(self, chain):
        class Translator(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                spec = super().get_asset_spec(item)
                if item.kind == "table":
                    return spec
                return spec.replace_attributes(automation_condition=AutomationCondition.on_missing())

        found = conditions(chain, Translator())
        assert found["kpi/first"] == AutomationCondition.on_missing()
        assert found["shop/orders"] == AutomationCondition.eager()

    def test_a_view_that_dagster_does_not_materialize_has_none(self, folder):
        folder.table("shop", "orders")
        folder.task("kpi", "now", "SELECT * FROM shop.orders", "task:\n  sink:\n    materializedView: VIEW\n")
        found = conditions(folder, DagsterStarlakeTranslator(views_as_virtual=True))
        assert (found["kpi/now"] is None) is hasattr(AssetSpec("x"), "is_virtual")


def sensors(folder, **arguments) -> dict[str, SensorDefinition]:
    options = arguments.pop("options", {})
    made = build_starlake_definitions(folder.project, StarlakeDagsterEmbeddedJob(options=options), **arguments)
    Definitions.validate_loadable(made)
    return {each.name: each for each in made.sensors or ()}


class TestSensor:
    def test_by_default_it_is_the_one_of_dagster(self, chain):
        assert "bakery_automation" not in sensors(chain)

    def test_it_runs_from_the_start_where_all_sensors_do(self, chain):
        sensor = sensors(chain, options={"default_status": "running"})["bakery_automation"]
        assert sensor.default_status is DefaultSensorStatus.RUNNING
        made = build_starlake_definitions(
            chain.project, StarlakeDagsterEmbeddedJob(options={"default_status": "running"}), name="other"
        )
        repository = made.get_repository_def()
        assert repository.has_sensor_def("other_automation")
        assert not repository.has_sensor_def("default_automation_condition_sensor")

    def test_it_can_be_left_out(self, chain):
        assert sensors(chain, options={"default_status": "running"}, sensors=False) == {}


class TestFreshness:
    """Policies where Dagster has them; checks elsewhere."""

    @pytest.fixture
    def aged(self, folder):
        folder.table("shop", "orders", more="metadata:\n  freshness: {warn: 1 day, error: 2 days}")
        folder.table("shop", "rates", more="metadata:\n  freshness: {warn: 3 days}")
        folder.table("shop", "products")
        return folder

    def test_each_limit_is_a_policy_or_a_check(self, aged):
        made = build_starlake_definitions(aged.project)
        Definitions.validate_loadable(made)
        checks = [spec for each in made.asset_checks or () for spec in each.check_specs]
        if hasattr(FreshnessPolicy, "time_window"):
            specs = {spec.key.to_user_string(): spec for each in made.assets for spec in each.specs}
            assert checks == []
            assert {name for name, spec in specs.items() if spec.freshness_policy} == {"shop/orders", "shop/rates"}
            return
        assert {spec.asset_key.to_user_string() for spec in checks} == {"shop/orders", "shop/rates"}
        with DagsterInstance.ephemeral() as instance:
            job = define_asset_job("all_checks", AssetSelection.all_asset_checks())
            jobs = Definitions.merge(made, Definitions(jobs=[job]))
            run = jobs.get_job_def("all_checks").execute_in_process(instance=instance)
        found = {
            each.asset_key.to_user_string(): (each.passed, each.severity)
            for each in run.get_asset_check_evaluations()
            if "fresh" in each.check_name
        }
        assert found == {
            "shop/orders": (False, AssetCheckSeverity.ERROR),
            "shop/rates": (False, AssetCheckSeverity.WARN),
        }

    def test_a_sensor_runs_the_checks(self, aged):
        assert ("bakery_freshness" in sensors(aged)) is not hasattr(FreshnessPolicy, "time_window")

    def test_without_checks_there_are_none(self, aged):
        assert not build_starlake_definitions(aged.project, checks=False).asset_checks
