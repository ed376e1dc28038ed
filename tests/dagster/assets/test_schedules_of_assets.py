"""The jobs and schedules of assets: one of each for each cron expression, whose runs know their partition."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from dagster import (
    AssetMaterialization,
    DagsterInstance,
    DefaultScheduleStatus,
    Definitions,
    DynamicPartitionsDefinition,
    StaticPartitionsDefinition,
    build_schedule_context,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator, build_starlake_definitions
from ai.starlake.dagster.assets.automation.asset_schedules import cron_name
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from tests.dagster.assets.conftest import key

UTC = timezone.utc


def scheduled(cron: str) -> str:
    return f"metadata:\n  schedule: '{cron}'"


def definitions(folder, translator=None, *, schedules=True, name=None, **options) -> Definitions:
    job = StarlakeDagsterEmbeddedJob(options={"start_date": "2026-03-01", **options})
    made = build_starlake_definitions(folder.project, job, translator=translator, schedules=schedules, name=name)
    Definitions.validate_loadable(made)
    return made


def assets_of(made: Definitions, job: str) -> set[str]:
    keys = made.get_job_def(job).asset_layer.executable_asset_keys
    return {key.to_user_string() for key in keys}


def tick(made: Definitions, schedule: str, at: datetime, instance=None):
    with build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        return made.get_schedule_def(schedule).evaluate_tick(context)


@pytest.fixture
def shop(folder):
    folder.table("shop", "orders", more=scheduled("hourly"))
    folder.table("shop", "customers", more=scheduled("daily"))
    folder.table("shop", "products")
    folder.task("kpi", "by_day", "SELECT * FROM shop.orders", "task:\n  schedule: '@daily'\n")
    folder.task("kpi", "overall", "SELECT * FROM kpi.by_day, shop.products", "")
    return folder


class TestJobs:
    def test_one_job_and_one_schedule_for_each_cron_expression(self, shop):
        made = definitions(shop)
        assert {each.name: each.cron_schedule for each in made.schedules} == {
            "bakery_hourly_schedule": "0 * * * *",
            "bakery_daily_schedule": "0 0 * * *",
        }
        assert assets_of(made, "bakery_hourly") == {"shop/orders"}
        assert assets_of(made, "bakery_daily") == {"shop/customers", "kpi/by_day"}

    def test_the_name_of_the_definitions_is_theirs(self, shop):
        merged = Definitions.merge(definitions(shop, name="one"))
        assert {each.name for each in merged.schedules} == {"one_hourly_schedule", "one_daily_schedule"}

    def test_they_can_be_left_out(self, shop):
        made = definitions(shop, schedules=False)
        assert not made.schedules
        assert not made.jobs

    def test_options_of_pipelines_count(self, shop):
        made = definitions(shop, timezone="Europe/Paris", default_status="running", tags="red nightly")
        schedule = made.get_schedule_def("bakery_daily_schedule")
        assert schedule.execution_timezone == "Europe/Paris"
        assert schedule.default_status is DefaultScheduleStatus.RUNNING
        assert {"red", "nightly"} <= set(made.get_job_def("bakery_daily").tags)

    @pytest.mark.parametrize(
        ("cron", "name"),
        [
            ("@hourly", "hourly"),
            ("5 * * * *", "hourly_05"),
            ("@daily", "daily"),
            ("30 6 * * *", "daily_06_30"),
            ("0 0 * * 7", "weekly_sunday"),
            ("0 22 * * mon", "weekly_monday_22_00"),
            ("0 0 1 * *", "monthly"),
            ("0 6 15 * *", "monthly_15_06_00"),
            ("0 6 * * 1-5", "cron_0_6_x_x_1to5"),
            ("0 6 * * 1,5", "cron_0_6_x_x_1and5"),
            ("*/15 * * * *", "cron_xby15_x_x_x_x"),
            ("@yearly", "cron__yearly"),
            ("0 0 L * *", "cron_0_0_l_x_x"),
        ],
    )
    def test_a_name_says_when(self, cron, name):
        assert cron_name(cron) == name


class TestTicks:
    def test_a_tick_is_for_the_partition_that_ends_with_it(self, shop):
        made = definitions(shop)
        (request,) = tick(made, "bakery_daily_schedule", datetime(2026, 3, 5, tzinfo=UTC)).run_requests
        assert request.partition_key == "2026-03-04"
        assert request.tags["dagster/partition"] == "2026-03-04"
        (request,) = tick(made, "bakery_hourly_schedule", datetime(2026, 3, 5, 7, tzinfo=UTC)).run_requests
        assert request.partition_key == "2026-03-05-06:00"

    def test_a_tick_before_the_end_of_the_first_partition_asks_for_nothing(self, shop):
        found = tick(definitions(shop), "bakery_daily_schedule", datetime(2026, 3, 1, tzinfo=UTC))
        assert not found.run_requests
        assert "2026-03-01" in found.skip_message

    @pytest.mark.parametrize("partitions", ["none", "standard"])
    def test_dagster_finds_the_tick_of_a_leap_day(self, folder, partitions):
        folder.table("shop", "orders", more=scheduled("0 0 29 2 *"))
        options = {} if partitions == "standard" else {"partitions": "none"}
        (schedule,) = definitions(folder, start_date="2016-01-01", **options).schedules
        begin = datetime(2024, 2, 28, 23, tzinfo=UTC).timestamp()
        first = next(schedule_execution_time_iterator(begin, schedule.cron_schedule, "UTC"))
        assert first == datetime(2024, 2, 29, tzinfo=UTC)

    def test_missed_ticks_are_made_up_for(self, shop, home):
        with DagsterInstance.from_config(str(home)) as instance:
            made = definitions(shop, catchup=True)
            found = tick(made, "bakery_daily_schedule", datetime(2026, 3, 5, tzinfo=UTC), instance)
        assert [each.partition_key for each in found.run_requests] == [f"2026-03-0{day}" for day in range(1, 5)]

    def test_but_not_for_partitions_that_a_backfill_of_assets_has_made(self, shop, home):
        with DagsterInstance.from_config(str(home)) as instance:
            made = definitions(shop, catchup=True)
            for asset, days in {"kpi/by_day": ("2026-03-01", "2026-03-02"), "shop/customers": ("2026-03-02",)}.items():
                for day in days:
                    instance.report_runless_asset_event(AssetMaterialization(key(asset), partition=day))
            found = tick(made, "bakery_daily_schedule", datetime(2026, 3, 4, tzinfo=UTC), instance)
        assert [each.partition_key for each in found.run_requests] == ["2026-03-01", "2026-03-03"]

    def test_without_partitions_a_tick_asks_for_one_run(self, shop):
        found = tick(definitions(shop, partitions="none"), "bakery_daily_schedule", datetime(2026, 3, 5, tzinfo=UTC))
        (request,) = found.run_requests
        assert request.partition_key is None

    def test_of_a_fixed_set_of_partitions_a_tick_asks_for_each(self, folder):
        class Translator(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                regions = StaticPartitionsDefinition(["north", "south"])
                return super().get_asset_spec(item).replace_attributes(partitions_def=regions)

        folder.table("shop", "orders", more=scheduled("daily"))
        found = tick(definitions(folder, Translator()), "bakery_daily_schedule", datetime(2026, 3, 5, tzinfo=UTC))
        assert [each.partition_key for each in found.run_requests] == ["north", "south"]

    def test_partitions_of_which_it_cannot_tell_are_refused(self, folder):
        class Translator(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                return (
                    super()
                    .get_asset_spec(item)
                    .replace_attributes(partitions_def=DynamicPartitionsDefinition(name="regions"))
                )

        folder.table("shop", "orders", more=scheduled("daily"))
        with pytest.raises(StarlakeError, match="does not say which partitions") as caught:
            definitions(folder, Translator())
        assert "shop/orders" in str(caught.value)
        assert definitions(folder, Translator(), schedules=False)
