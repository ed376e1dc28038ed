"""Loads what was delivered, then runs the transforms, in one DAG.

    SL_ROOT=/path/to/a/copy/of/samples/starbake airflow dags test starbake

When nothing was delivered, loads and transforms are skipped and the run succeeds.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import DAG

from ai.starlake.airflow.embedded import StarlakeAirflowEmbeddedJob

SL_ROOT = os.environ.get("SL_ROOT", str(Path(__file__).resolve().parents[2] / "starbake"))
DOMAIN = "starbake"
TABLES = ["Customers", "Ingredients", "Orders", "Products"]
TRANSFORMS = {  # each after what it reads
    "Customers.CustomerLifeTimeValue": ["starbake.Customers", "starbake.Orders"],
    "Customers.HighValueCustomers": ["Customers.CustomerLifeTimeValue"],
    "Products.ProductMargins": ["starbake.Products", "starbake.Ingredients"],
    "kpis.DailySales": ["starbake.Orders", "Customers.HighValueCustomers", "Products.ProductMargins"],
}

sl_job = StarlakeAirflowEmbeddedJob(
    pre_load_strategy="imported",
    options={
        "sl_env_var": {
            "SL_ROOT": SL_ROOT,
            # The bakery's database has no password; one of yours would be named here, and is read in the task.
            "DB_PASSWORD": {"variable": "bakery_db_password"},
        },
    },
)

with DAG(
    "starbake",
    description="Loads the sample project's tables and runs its transforms",
    schedule="0 5 * * *",
    default_args=sl_job.default_dag_args(),
    catchup=False,
) as dag:
    check = sl_job.sl_pre_load(DOMAIN, TABLES)
    stage = sl_job.sl_import(None, DOMAIN, TABLES)
    made = {f"{DOMAIN}.{table}": sl_job.sl_load(None, DOMAIN, table) for table in TABLES}
    check >> stage >> list(made.values())
    for name, reads in TRANSFORMS.items():
        made[name] = sl_job.sl_transform(None, name)
        [made[read] for read in reads] >> made[name]
