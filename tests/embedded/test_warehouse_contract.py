"""The contract of warehouses: DuckDB fulfils it, and a warehouse that breaks it is detected."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

from ai.starlake.embedded.warehouse.duckdb.duckdb_warehouse import DuckDBWarehouse
from ai.starlake.testing.warehouse_contract import Shop, WarehouseContract
from tests.stored_rows import reading


def connection(folder, name):
    return {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{folder}/{name}.db"}}


class TestDuckDB(WarehouseContract):
    dialect = "duckdb"

    @pytest.fixture
    def make_warehouse(self, tmp_path):
        return lambda name: connection(tmp_path, name)

    @pytest.fixture
    def rows_of(self):
        return read


def read(connection, table):
    """Return the rows of a table."""
    file = connection["options"]["url"].removeprefix("jdbc:duckdb:")
    if not Path(file).exists():
        return []
    with reading(Path(file)) as database:
        try:
            found = database.execute(f"SELECT * FROM {table}")
        except duckdb.CatalogException:
            return []
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def merges_by_appending(warehouse, name):
    return TEMPLATE(warehouse, "append" if name == "upsert_by_key" else name)


TEMPLATE = DuckDBWarehouse.template
BROKEN = [
    (
        "transaction",
        lambda _: nullcontext(),
        lambda suite, shop: suite.test_a_failing_statement_leaves_nothing(shop, "load", "postsql"),
    ),
    (
        "template",
        merges_by_appending,
        lambda suite, shop: suite.test_a_strategy_leaves_the_same_rows(shop, "task", "UPSERT_BY_KEY"),
    ),
    ("evolve", lambda *_, **__: None, lambda suite, shop: suite.test_new_columns_are_added(shop, "load")),
    ("append", lambda *_: None, lambda suite, shop: suite.test_a_success_is_recorded(shop, "task", "other")),
]


@pytest.mark.parametrize(("member", "wrong", "test"), BROKEN, ids=[member for member, *_ in BROKEN])
def test_the_suite_fails_for_a_warehouse_that_breaks_the_contract(tmp_path, monkeypatch, member, wrong, test):
    monkeypatch.setattr(DuckDBWarehouse, member, wrong)
    shop = Shop(tmp_path / "project", {name: connection(tmp_path, name) for name in ("main", "other")}, read, "duckdb")

    with pytest.raises((AssertionError, ValueError)):
        test(TestDuckDB(), shop)
