"""Polars' own example for Airflow, made to run: two datasets are prepared on small machines, and joined on a large one.

`README.md` says what is different, and why.
"""

from __future__ import annotations

import os

import polars as pl
from airflow.sdk import dag, task

from ai.starlake.airflow.polars import PolarsCloudContexts

BUCKET = os.environ.get("BAKERY_BUCKET", "s3://bakery")

contexts = PolarsCloudContexts(
    profiles={"small": {"cpus": 2, "memory": 4}, "large": {"cpus": 4, "memory": 16}},
    # Airflow Variables, or what your secrets backend has under these names; read in the task, not here
    client_id={"variable": "POLARS_CLOUD_CLIENT_ID"},
    client_secret={"variable": "POLARS_CLOUD_CLIENT_SECRET"},
)


@task
def prepare_dataset_1() -> str:
    """Return the spending of each customer."""
    with contexts.context("small") as context:
        orders = pl.scan_csv(f"{BUCKET}/orders.csv")
        spent = orders.group_by("customer").agg(pl.col("amount").sum())
        spent.remote(context).sink_parquet(f"{BUCKET}/spent/").await_result()
    return f"{BUCKET}/spent/"


@task
def prepare_dataset_2() -> str:
    """Return the city of each customer."""
    with contexts.context("small") as context:
        customers = pl.scan_ndjson(f"{BUCKET}/customers.ndjson", schema={"customer": pl.String, "city": pl.String})
        customers.remote(context).sink_parquet(f"{BUCKET}/cities/").await_result()
    return f"{BUCKET}/cities/"


@task
def join_datasets(spent: str, cities: str) -> str:
    """Return the spending in each city, on a larger machine."""
    with contexts.context("large") as context:
        joined = pl.scan_parquet(f"{spent}*.parquet").join(pl.scan_parquet(f"{cities}*.parquet"), on="customer")
        report = joined.group_by("city").agg(pl.col("amount").sum())
        report.remote(context).sink_parquet(f"{BUCKET}/report/").await_result()
    return f"{BUCKET}/report/"


@dag(schedule=None)
def report_on_airflow() -> None:
    join_datasets(prepare_dataset_1(), prepare_dataset_2()) >> contexts.stop_task()


report_on_airflow()
