"""Polars' own example for Dagster, made to run: two datasets are prepared on small machines, and joined on a large one.

`README.md` says what is different, and why.
"""

from __future__ import annotations

import os

import polars as pl
from dagster import Definitions, EnvVar, job, op

from ai.starlake.dagster.polars import PolarsCloudCompute

BUCKET = os.environ.get("BAKERY_BUCKET", "s3://bakery")

compute = PolarsCloudCompute(
    profiles={"small": {"cpus": 2, "memory": 4}, "large": {"cpus": 4, "memory": 16}},
    client_id=EnvVar("POLARS_CLOUD_CLIENT_ID"),
    client_secret=EnvVar("POLARS_CLOUD_CLIENT_SECRET"),  # or {"aws": "prod/polars-cloud"}: see docs/secrets.md
)


@op
def prepare_dataset_1(compute: PolarsCloudCompute) -> str:
    """Return the spending of each customer."""
    with compute.context("small") as context:
        orders = pl.scan_csv(f"{BUCKET}/orders.csv")
        spent = orders.group_by("customer").agg(pl.col("amount").sum())
        spent.remote(context).sink_parquet(f"{BUCKET}/spent/").await_result()
    return f"{BUCKET}/spent/"


@op
def prepare_dataset_2(compute: PolarsCloudCompute) -> str:
    """Return the city of each customer."""
    with compute.context("small") as context:
        customers = pl.scan_ndjson(f"{BUCKET}/customers.ndjson", schema={"customer": pl.String, "city": pl.String})
        customers.remote(context).sink_parquet(f"{BUCKET}/cities/").await_result()
    return f"{BUCKET}/cities/"


@op
def join_datasets(compute: PolarsCloudCompute, spent: str, cities: str) -> str:
    """Return the spending in each city, on a larger machine."""
    with compute.context("large") as context:
        joined = pl.scan_parquet(f"{spent}*.parquet").join(pl.scan_parquet(f"{cities}*.parquet"), on="customer")
        report = joined.group_by("city").agg(pl.col("amount").sum())
        report.remote(context).sink_parquet(f"{BUCKET}/report/").await_result()
    return f"{BUCKET}/report/"


@job(resource_defs={"compute": compute})
def report() -> None:
    join_datasets(prepare_dataset_1(), prepare_dataset_2())


defs = Definitions(jobs=[report], sensors=compute.sensors([report]))
