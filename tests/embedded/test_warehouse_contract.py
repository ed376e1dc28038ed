"""The contract of warehouses, for the one that is a DuckDB database."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ai.starlake.testing.warehouse_contract import WarehouseContract


class TestDuckDB(WarehouseContract):
    dialect = "duckdb"

    @pytest.fixture
    def make_warehouse(self, tmp_path):
        return lambda name: {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{tmp_path}/{name}.db"}}

    @pytest.fixture
    def rows_of(self):
        def read(connection, table):
            file = connection["options"]["url"].removeprefix("jdbc:duckdb:")
            if not Path(file).exists():
                return []
            with duckdb.connect(file, read_only=True) as database:
                try:
                    found = database.execute(f"SELECT * FROM {table}")
                except duckdb.CatalogException:
                    return []
                return [dict(zip([one[0] for one in found.description], row, strict=True)) for row in found.fetchall()]

        return read
