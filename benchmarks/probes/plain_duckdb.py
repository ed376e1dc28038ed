"""The limit of a load: DuckDB reads the orders and inserts them; rows that do not fit are left out."""

from __future__ import annotations

import sys

import duckdb

from benchmarks.orders import COLUMNS


def main() -> None:
    database, file = sys.argv[1:]
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    with duckdb.connect(database) as connection:
        connection.execute(f"CREATE TABLE orders ({columns})")
        connection.execute(
            f"INSERT INTO orders FROM read_csv('{file}', columns = {{{types}}}, auto_detect = false, header = true, "
            "delim = ',', quote = '', escape = '', ignore_errors = true)"
        )


if __name__ == "__main__":
    main()
