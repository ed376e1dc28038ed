"""Loads what was delivered, then runs the transforms, in one job.

    SL_ROOT=/path/to/a/copy/of/samples/starbake dagster dev -f samples/dags/starbake.py

When nothing was delivered, loads and transforms are skipped and the run succeeds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from dagster import Definitions, In, Nothing, ScheduleDefinition, job

from ai.starlake.common import sanitize_id
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

SL_ROOT = os.environ.get("SL_ROOT", str(Path(__file__).resolve().parent.parent / "starbake"))
DOMAIN = "starbake"
TABLES = ["Customers", "Ingredients", "Orders", "Products"]
TRANSFORMS = {  # each after what it reads
    "Customers.CustomerLifeTimeValue": ["starbake.Customers", "starbake.Orders"],
    "Customers.HighValueCustomers": ["Customers.CustomerLifeTimeValue"],
    "Products.ProductMargins": ["starbake.Products", "starbake.Ingredients"],
    "kpis.DailySales": ["starbake.Orders", "Customers.HighValueCustomers", "Products.ProductMargins"],
}

sl_job = StarlakeDagsterShellJob(
    pre_load_strategy="imported",
    options={
        "sl_env_var": json.dumps({"SL_ROOT": SL_ROOT}),
        "SL_STARLAKE_PATH": os.environ.get("SL_STARLAKE_PATH", "starlake-embedded"),
    },
)

start = sl_job.dummy_op("start")
pre_load = sl_job.sl_pre_load(DOMAIN, TABLES)
loads = {f"{DOMAIN}.{table}": sl_job.sl_load(None, DOMAIN, table, ins={"domain": In(str)}) for table in TABLES}
transforms = {
    name: sl_job.sl_transform(None, name, ins={sanitize_id(read): In(Nothing) for read in reads})
    for name, reads in TRANSFORMS.items()
}


@job(description="Loads the sample project's tables and runs its transforms")
def starbake() -> None:
    """Wires the ops."""
    ready, _skipped = pre_load(start())
    results = {name: load(ready) for name, load in loads.items()}
    for name, reads in TRANSFORMS.items():
        results[name] = transforms[name](**{sanitize_id(read): results[read] for read in reads})


defs = Definitions(jobs=[starbake], schedules=[ScheduleDefinition(job=starbake, cron_schedule="0 5 * * *")])
