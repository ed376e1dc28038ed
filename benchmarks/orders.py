"""Orders: a table of eight columns, its metadata, and files of any size that DuckDB writes."""

from __future__ import annotations

from pathlib import Path

COLUMNS = {
    "id": "BIGINT",
    "customer": "INTEGER",
    "product": "VARCHAR",
    "city": "VARCHAR",
    "amount": "DOUBLE",
    "day": "DATE",
    "placed": "TIMESTAMPTZ",
    "paid": "BOOLEAN",
}
_TYPES = ("long", "int", "string", "string", "double", "date", "timestamp", "boolean")
_TABLE = """\
version: 1
table:
  name: orders
  pattern: "orders.*.csv"
  metadata:
    separator: ","
  attributes:
"""
_BAD = 100
"""One row in so many does not fit its types, by turns in the number, the day and the flag."""


def table_yaml() -> str:
    """Return the metadata of the table."""
    lines = [f"    - name: {name}\n      type: {kind}\n" for name, kind in zip(COLUMNS, _TYPES, strict=True)]
    return _TABLE + "".join(lines)


def write_orders(file: Path, rows: int, first: int = 0) -> None:
    """Write orders as CSV."""
    import duckdb

    file.parent.mkdir(parents=True, exist_ok=True)
    bad = f"CASE WHEN i % {_BAD} = 0 THEN (i // {_BAD}) % 3 END"
    query = f"""
        SELECT i AS id, i % 100003 AS customer, 'product ' || i % 977 AS product, 'city ' || i % 89 AS city,
          CASE WHEN {bad} = 0 THEN 'many' ELSE CAST((i % 10007) / 100 AS VARCHAR) END AS amount,
          CASE WHEN {bad} = 1 THEN '2024-02-30' ELSE CAST(DATE '2024-01-01' + CAST(i % 366 AS INTEGER) AS VARCHAR)
            END AS day,
          strftime(TIMESTAMP '2024-01-01' + to_seconds(i % 31536000), '%Y-%m-%d %H:%M:%S') AS placed,
          CASE WHEN {bad} = 2 THEN 'maybe' ELSE CAST(i % 2 = 0 AS VARCHAR) END AS paid
        FROM range({first}, {first + rows}) AS numbers(i)"""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT csv, HEADER, QUOTE '')")
