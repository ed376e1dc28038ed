"""Ops that somebody makes assets of."""

from __future__ import annotations

import pytest
from dagster import AssetKey, AssetsDefinition, DagsterEventType, materialize


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
