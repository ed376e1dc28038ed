"""The schedules of tables and tasks become partitions: their definitions, their keys, and what depends on what."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from dagster import (
    DailyPartitionsDefinition,
    Definitions,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    PartitionKeyRange,
    TimeWindowPartitionMapping,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import DagsterStarlakeTranslator, build_starlake_definitions, starlake_assets
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from tests.dagster.assets.conftest import key


def job(**options: object) -> StarlakeDagsterEmbeddedJob:
    return StarlakeDagsterEmbeddedJob(options={"start_date": "2026-03-01", **options})


def definitions(folder, translator=None, **options) -> Definitions:
    made = build_starlake_definitions(folder.project, job(**options), translator=translator)
    Definitions.validate_loadable(made)
    return made


def specs(made: Definitions) -> dict:
    return {spec.key.to_user_string(): spec for steps in made.assets for spec in steps.specs}


def partitions(made: Definitions) -> dict:
    return {name: spec.partitions_def for name, spec in specs(made).items()}


def scheduled(cron: str) -> str:
    return f"metadata:\n  schedule: '{cron}'"


@pytest.fixture
def shop(folder):
    """Tables and tasks of each kind: hourly, daily, weekly, on workdays, and without a schedule."""
    folder.table("shop", "orders", more=scheduled("hourly"))
    folder.table("shop", "customers", more=scheduled("daily"))
    folder.table("shop", "products")
    folder.task("kpi", "by_day", "SELECT * FROM shop.orders", "task:\n  schedule: daily\n")
    folder.task("kpi", "by_week", "SELECT * FROM kpi.by_day", "task:\n  schedule: weekly\n")
    folder.task("kpi", "on_workdays", "SELECT * FROM shop.customers", "task:\n  schedule: '0 6 * * 1-5'\n")
    folder.task("kpi", "overall", "SELECT * FROM kpi.by_day, shop.products, weather", "")
    folder.task("kpi", "of_all", "SELECT * FROM kpi.overall", "task:\n  schedule: 0 0 1 * *\n")
    return folder


class TestDefinitions:
    def test_each_item_has_the_intervals_of_its_schedule(self, shop):
        found = partitions(definitions(shop))
        begin = datetime(2026, 3, 1, tzinfo=timezone.utc)
        assert found == {
            "shop/orders": HourlyPartitionsDefinition(begin),
            "shop/customers": DailyPartitionsDefinition(begin),
            "shop/products": None,
            "kpi/by_day": DailyPartitionsDefinition(begin),
            "kpi/by_week": WeeklyPartitionsDefinition(begin, day_offset=1),
            "kpi/on_workdays": TimeWindowPartitionsDefinition(
                begin, "%Y-%m-%dT%H:%M:%S%z", cron_schedule="0 6 * * 1-5"
            ),
            "kpi/overall": None,
            "kpi/of_all": MonthlyPartitionsDefinition(begin),
        }

    def test_dates_are_those_of_the_time_zone(self, folder):
        folder.table("shop", "orders", more=scheduled("daily"))
        (found,) = partitions(definitions(folder, timezone="Europe/Paris")).values()
        assert found == DailyPartitionsDefinition("2026-03-01", timezone="Europe/Paris")
        assert found.time_window_for_partition_key("2026-03-01").start.isoformat() == "2026-03-01T00:00:00+01:00"

    def test_spellings_of_one_schedule_share_partitions(self, folder):
        for name, cron in {"a": "daily", "b": "@daily", "c": "00 0 * * *"}.items():
            folder.table("shop", name, more=scheduled(cron))
        one, *others = partitions(definitions(folder)).values()
        assert all(other is one for other in others)

    def test_an_option_leaves_them_out(self, shop):
        assert set(partitions(definitions(shop, partitions="none")).values()) == {None}

    def test_those_of_the_translator_are_kept(self, folder):
        own = HourlyPartitionsDefinition("2026-01-01-00:00")

        class Translator(DagsterStarlakeTranslator):
            def get_asset_spec(self, item):
                return super().get_asset_spec(item).replace_attributes(partitions_def=own)

        folder.table("shop", "orders", more=scheduled("daily"))
        folder.table("shop", "products")
        assert set(partitions(definitions(folder, Translator())).values()) == {own}

    def test_an_expression_that_is_not_valid_names_the_item(self, folder):
        folder.table("shop", "orders", more=scheduled("0 0 6 * * ?"))
        with pytest.raises(StarlakeError, match=r"'0 0 6 \* \* \?' of shop.orders") as caught:
            definitions(folder)
        assert "leave out the seconds" in str(caught.value)


class TestDependencies:
    @staticmethod
    def mapping(made: Definitions, asset: str, upstream: str):
        (found,) = [dep for dep in specs(made)[asset].deps if dep.asset_key == key(upstream)]
        return found.partition_mapping

    @pytest.mark.parametrize(
        ("asset", "partition", "upstream", "first", "last", "count"),
        [
            ("kpi/by_day", "2026-03-02", "shop/orders", "2026-03-02-00:00", "2026-03-02-23:00", 24),
            ("kpi/by_week", "2026-03-02", "kpi/by_day", "2026-03-02", "2026-03-08", 7),
            ("kpi/on_workdays", "2026-03-06T06:00:00+0000", "shop/customers", "2026-03-06", "2026-03-09", 4),
        ],
    )
    def test_an_interval_reads_those_that_overlap_with_it(self, shop, asset, partition, upstream, first, last, count):
        made = definitions(shop)
        own, other = partitions(made)[asset], partitions(made)[upstream]
        mapping = self.mapping(made, asset, upstream)
        read = mapping.get_upstream_mapped_partitions_result_for_partitions(
            own.subset_with_partition_keys([partition]), own, other
        ).partitions_subset
        assert sorted(read.get_partition_keys()) == other.get_partition_keys_in_range(PartitionKeyRange(first, last))
        assert len(read) == count

    def test_an_hour_does_not_wait_for_the_end_of_its_day(self, folder):
        folder.table("shop", "rates", more=scheduled("daily"))
        folder.task("kpi", "by_hour", "SELECT * FROM shop.rates", "task:\n  schedule: hourly\n")
        made = definitions(folder)
        mapping = self.mapping(made, "kpi/by_hour", "shop/rates")
        assert mapping == TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)

    def test_equal_partitions_need_no_mapping(self, folder):
        folder.table("shop", "orders", more=scheduled("daily"))
        folder.task("kpi", "by_day", "SELECT * FROM shop.orders", "task:\n  schedule: '@daily'\n")
        assert self.mapping(definitions(folder), "kpi/by_day", "shop/orders") is None

    def test_neighbours_without_partitions_need_no_mapping(self, shop):
        made = definitions(shop)
        assert self.mapping(made, "kpi/overall", "kpi/by_day") is None
        assert self.mapping(made, "kpi/of_all", "kpi/overall") is None


class TestOneStep:
    """The decorator makes one step, whose run has one partition."""

    @staticmethod
    def decorated(folder, **arguments):
        @starlake_assets(project=folder.project, **arguments)
        def all_of_it(context, starlake):
            yield from starlake.run(context)

        return all_of_it

    def test_items_of_different_partitions_are_refused_by_name(self, shop):
        with pytest.raises(StarlakeError, match="have different partitions") as caught:
            self.decorated(shop)
        assert "shop.customers and shop.orders" in str(caught.value)
        assert "build_starlake_definitions" in str(caught.value)

    def test_items_without_partitions_go_with_those_of_one_schedule(self, shop):
        made = self.decorated(shop, select=["shop.customers", "shop.products"])
        assert isinstance(made.partitions_def, DailyPartitionsDefinition)

    def test_partitions_of_all_are_those_of_each(self, shop):
        own = HourlyPartitionsDefinition("2026-01-01-00:00")
        assert self.decorated(shop, partitions_def=own).partitions_def == own
