"""Starlake's own words choose assets."""

from __future__ import annotations

import pytest
from dagster import AssetSelection, Definitions

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import build_starlake_asset_selection, build_starlake_asset_specs
from tests.dagster.assets.conftest import SAMPLE, Folder


@pytest.fixture
def chain(folder: Folder) -> Folder:
    """``raw.a`` to ``mid.b`` to ``top.c`` to ``top.d``, and ``raw.z`` beside them."""
    folder.table("raw", "a", more="tags: [daily]\n")
    folder.table("raw", "z", more="tags: [Daily, pii=yes]\n")
    folder.task("mid", "b", "SELECT * FROM raw.a")
    folder.task("top", "c", "SELECT * FROM mid.b")
    folder.task("top", "d", "SELECT * FROM top.c", "version: 1\ntask:\n  tags: [weekly]\n")
    return folder


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("raw", "raw/a raw/z"),
        ("RAW.A", "raw/a"),
        ("raw.*", "raw/a raw/z"),
        ("*.[bc]", "mid/b top/c"),
        ("tag:daily", "raw/a raw/z"),
        ("tag:*ly", "raw/a raw/z top/d"),
        ("tag:pii=yes", "raw/z"),
        ("+top.c", "raw/a mid/b top/c"),
        ("mid.b+", "mid/b top/c top/d"),
        ("1+top.c", "mid/b top/c"),
        ("2+top.d", "mid/b top/c top/d"),
        ("raw.a+1", "raw/a mid/b"),
        ("1+mid.b+1", "raw/a mid/b top/c"),
        ("+mid.b+", "raw/a mid/b top/c top/d"),
        ("+tag:weekly", "raw/a mid/b top/c top/d"),
        ("raw.a top.d", "raw/a top/d"),
        (["raw.a", "top"], "raw/a top/c top/d"),
    ],
)
def test_words_choose(chain: Folder, select: str | list[str], expected: str) -> None:
    assert " ".join(chain.specs(select=select)) == expected


def test_words_leave_out(chain: Folder) -> None:
    assert set(chain.specs(select="+top.d", exclude="tag:daily top.c")) == {"mid/b", "top/d"}
    assert set(chain.specs(exclude=["raw"])) == {"mid/b", "top/c", "top/d"}


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("top.e", r"did you mean top\.[cd]\?"),
        ("+rav", r"did you mean raw\?"),
        ("tag:dayly", r"did you mean tag:daily\?"),
        ("nothing*", "write domain|known:"),
        ("+", "write domain"),
        ("raw.a++", "write domain"),
    ],
)
@pytest.mark.parametrize("place", ["select", "exclude"])
def test_a_word_that_names_nothing_is_an_error_with_the_nearest(chain: Folder, word: str, fix: str, place: str) -> None:
    with pytest.raises(StarlakeError, match=fix):
        chain.specs(**{place: word})


@pytest.mark.parametrize("nothing", ["", " ", [], [""]])
def test_a_selection_without_a_word_is_an_error(chain: Folder, nothing: str | list[str]) -> None:
    with pytest.raises(StarlakeError, match="the selection is empty"):
        chain.specs(select=nothing)
    assert set(chain.specs(exclude=nothing)) == {"raw/a", "raw/z", "mid/b", "top/c", "top/d"}


def test_names_of_the_metadata_and_of_the_database_are_known(folder: Folder) -> None:
    folder.write("load/shop/_config.sl.yml", "version: 1\nload:\n  name: shop\n  rename: sales\n")
    folder.table("shop", "orders", more="rename: all_orders\n")
    for word in ("shop", "sales", "shop.orders", "sales.all_orders"):
        assert set(folder.specs(select=word)) == {"sales/all_orders"}


def test_a_selection_resolves_against_the_assets() -> None:
    specs = build_starlake_asset_specs(SAMPLE, asset_prefix="eu")
    selection = build_starlake_asset_selection(SAMPLE, "+kpis", "starbake", asset_prefix="eu")
    assert isinstance(selection, AssetSelection)
    graph = Definitions(assets=specs).get_repository_def().asset_graph
    assert {key.to_user_string() for key in selection.resolve(graph)} == {
        "eu/Customers/CustomerLifeTimeValue",
        "eu/Customers/HighValueCustomers",
        "eu/Products/ProductMargins",
        "eu/kpis/DailySales",
    }
