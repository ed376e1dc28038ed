"""A Starlake project beside assets of your own: Polars writes what a task reads, and reads what the task makes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from dagster import AssetKey, Definitions, MaterializeResult, asset

from ai.starlake.dagster import StarlakeDuckDB, build_starlake_definitions

ROOT = Path(__file__).parent
DATABASE = ROOT / "datasets" / "duckdb.db"


@asset(kinds={"polars"})
def weather(database: StarlakeDuckDB) -> MaterializeResult:
    """Record the weather of each day. The task kpis.sales_by_weather reads it: its SQL says FROM weather."""
    frame = pl.read_csv(ROOT / "data" / "weather.csv", try_parse_dates=True)
    with database.get_connection() as connection:
        connection.execute("CREATE OR REPLACE TABLE weather (day DATE, sky VARCHAR)")
        connection.executemany("INSERT INTO weather VALUES (?, ?)", frame.rows())
    return MaterializeResult(metadata={"dagster/row_count": frame.height})


@asset(deps=[AssetKey(["kpis", "sales_by_weather"])], kinds={"polars"})
def best_weather(database: StarlakeDuckDB) -> MaterializeResult:
    """Find the weather that sells most."""
    with database.get_connection() as connection:
        rows = connection.execute("SELECT sky, amount FROM kpis.sales_by_weather").fetchall()
    best = pl.DataFrame(rows, schema=["sky", "amount"], orient="row").sort("amount").row(-1, named=True)
    return MaterializeResult(metadata={"sky": best["sky"], "amount": best["amount"]})


defs = Definitions.merge(
    build_starlake_definitions(ROOT),
    Definitions(assets=[weather, best_weather], resources={"database": StarlakeDuckDB(database=str(DATABASE))}),
)
