"""Ops that somebody makes assets of."""

from __future__ import annotations

import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DagsterEventType,
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    Nothing,
    Out,
    materialize,
)


@pytest.mark.parametrize("key", ["starbake_Customers", "other"])
def test_from_op_records_one_materialization_of_each_asset_with_the_counts(sl_job, fake, shared_instance, key):
    fake.behave("load", counts=(3, 2, 1))
    op = sl_job.sl_load("a", "starbake", "Customers")
    asset = AssetsDefinition.from_op(op, keys_by_output_name={"result": AssetKey(key)})
    result = materialize([asset], instance=shared_instance)
    events = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
    ]
    assert sorted(event.asset_key.to_user_string() for event in events) == sorted({key, "starbake_Customers"})
    (of_table,) = [event for event in events if event.asset_key == AssetKey("starbake_Customers")]
    assert of_table.metadata["starlake/rows_accepted"].value == 2


DAYS = DailyPartitionsDefinition("2026-03-01")


def daily_asset(factory, partitions=DAYS, **arguments):
    op = factory().sl_transform("a", "kpi.sales", out=Out(Nothing))
    return AssetsDefinition.from_op(
        op, keys_by_output_name={"result": AssetKey("sales")}, partitions_def=partitions, **arguments
    )


def dates_given(fake):
    (call,) = fake.calls("transform")
    return call.value_of("--scheduledDate"), call.options["sl_data_interval_end"]


class TestDates:
    def test_of_a_partition(self, factory, fake, shared_instance):
        assert materialize([daily_asset(factory)], partition_key="2026-03-02", instance=shared_instance).success
        assert dates_given(fake) == ("2026-03-02T00:00:00+0000", "2026-03-03T00:00:00+0000")

    def test_of_a_range_of_partitions_in_one_run(self, factory, fake, shared_instance):
        asset = daily_asset(factory, backfill_policy=BackfillPolicy.single_run())
        tags = {"dagster/asset_partition_range_start": "2026-03-02", "dagster/asset_partition_range_end": "2026-03-04"}
        assert materialize([asset], tags=tags, instance=shared_instance).success
        assert dates_given(fake) == ("2026-03-02T00:00:00+0000", "2026-03-05T00:00:00+0000")

    def test_of_an_asset_without_partitions_beside_one_with(self, factory, fake, shared_instance):
        op = factory().sl_load("b", "starbake", "Customers")
        loaded = AssetsDefinition.from_op(op, keys_by_output_name={"result": AssetKey("loaded")})
        partitions = HourlyPartitionsDefinition("2026-03-01-00:00")
        assets = [daily_asset(factory, partitions), loaded]
        assert materialize(assets, partition_key="2026-03-02-05:00", instance=shared_instance).success
        assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-02T05:00:00+0000"}
