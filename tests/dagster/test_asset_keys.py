"""The asset keys of ops, in the style that the option `asset_key_style` asks for."""

from __future__ import annotations

import pytest
from dagster import AssetKey

from ai.starlake.common import NameCollisionError


def recorded(result):
    return [event.asset_key.path for event in result.asset_materializations_for_node("a")]


@pytest.mark.parametrize(("style", "key"), [({}, ["shop_Orders"]), ({"asset_key_style": "path"}, ["shop", "Orders"])])
def test_a_load_records_the_key_of_the_style(factory, run, fake, style, key):
    fake.behave("load", counts=(3, 3, 0))
    assert recorded(run(factory(**style).sl_load("a", "shop", "Orders"))) == [key]


@pytest.mark.parametrize(
    ("dataset", "key"), [("kpi.sales", ["kpi", "sales"]), ("db.kpi.sales", ["kpi", "sales"]), ("sales", ["sales"])]
)
def test_a_path_has_the_last_two_parts_of_a_name(factory, run, dataset, key):
    job = factory(asset_key_style="path")
    assert recorded(run(job.sl_transform("a", "kpi.sales", dataset=dataset))) == [key]


def test_a_key_that_is_given_is_kept(factory, run, fake):
    fake.behave("load", counts=(3, 3, 0))
    job = factory(asset_key_style="path")
    assert recorded(run(job.sl_load("a", "shop", "orders", asset=AssetKey("own")))) == [["own"]]


def test_names_that_share_an_id_have_paths_of_their_own(factory):
    by_path = factory(asset_key_style="path")
    by_path.sl_load("one", "a", "b_c")
    by_path.sl_load("two", "a_b", "c")
    by_id = factory()
    by_id.sl_load("one", "a", "b_c")
    with pytest.raises(NameCollisionError):
        by_id.sl_load("two", "a_b", "c")
