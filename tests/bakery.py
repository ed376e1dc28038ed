"""The database of the sample bakery after its loads and transforms, whoever ran them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "starbake"
DELIVERED = SAMPLE / "incoming" / "starbake"
TABLES = ["Customers", "Ingredients", "Orders", "Products"]
TRANSFORMS = [
    "Customers.CustomerLifeTimeValue",
    "Customers.HighValueCustomers",
    "Products.ProductMargins",
    "kpis.DailySales",
]
CONTENTS = {
    "Customers.CustomerLifeTimeValue": (88, "14bfcb68a1c4fc71"),
    "Customers.HighValueCustomers": (23, "b669fbe4f859a1b0"),
    "Products.ProductMargins": (9, "d37800dcc1994900"),
    "kpis.DailySales": (3, "4949719d18021340"),
    "starbake.Customers": (88, "2fe45780a02575e4"),
    "starbake.Ingredients": (12, "05ec58bad6eb45f9"),
    "starbake.Orders": (234, "ae004d38238f6378"),
    "starbake.Products": (9, "14fe834de793f41d"),
}
"""The number of rows of each table, and the beginning of the hash of their values."""


def delivered_rows(table: str, files: Iterator[Path]) -> int:
    """Return the number of rows in delivered files of a table."""
    if table == "Orders":
        return sum(len(json.loads(file.read_text("utf-8"))) for file in files)
    if table == "Products":
        return sum(len(file.read_text("utf-8").splitlines()) for file in files)
    return sum(len(list(csv.DictReader(file.open(encoding="utf-8"), delimiter="\t"))) for file in files)


def contents(database: Path) -> dict[str, tuple[int, str]]:
    """Return what `CONTENTS` says of a database."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = {}
        for name in [*(f"starbake.{table}" for table in TABLES), *TRANSFORMS]:
            rows = sorted(json.dumps(row, default=str) for row in connection.sql(f"FROM {name}").fetchall())
            found[name] = len(rows), sha256("\n".join(rows).encode()).hexdigest()[:16]
    return found


def assert_every_row_is_loaded_or_rejected(database: Path) -> dict[str, int]:
    """Compare the database with what was delivered.

    Returns:
        The number of accepted rows of each table.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        counts = connection.sql("""
            SELECT "schema", sum(count), sum(countaccepted), sum(countrejected)
            FROM audit.audit WHERE step = 'LOAD' AND success GROUP BY ALL ORDER BY 1
        """).fetchall()
        days = connection.sql("SELECT order_count, revenue, margin FROM kpis.DailySales").fetchall()
        [(orders, total)] = connection.sql("SELECT count(*), round(sum(total), 2) FROM starbake.Orders").fetchall()
    assert [table for table, *_ in counts] == TABLES
    for table, read, accepted, rejected in counts:
        assert read == delivered_rows(table, DELIVERED.glob(f"{table.lower()}_*"))
        assert accepted + rejected == read
        assert accepted > rejected > 0
    assert len(days) == 3
    assert sum(count for count, *_ in days) == orders
    assert sum(revenue for _, revenue, _ in days) == pytest.approx(total)
    assert all(0 < margin < revenue for _, revenue, margin in days)
    assert contents(database) == CONTENTS
    return {table: int(accepted) for table, _, accepted, _ in counts}
