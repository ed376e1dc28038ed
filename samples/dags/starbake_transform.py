"""Runs the transforms of the sample project after the loads of the tables that they read.

    SL_ROOT=/path/to/a/copy/of/samples/starbake dagster dev -f samples/dags/starbake_transform.py

With the option load_dependencies (LOAD_DEPENDENCIES=true here) the job loads the tables itself. Without, a sensor
waits until all of them have been loaded by other jobs, such as the one of starbake_load.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dagster import (
    AssetKey,
    Definitions,
    In,
    MultiAssetSensorEvaluationContext,
    Nothing,
    OpDefinition,
    RunRequest,
    SkipReason,
    job,
    multi_asset_sensor,
)

from ai.starlake.common import sanitize_id
from ai.starlake.dagster import StarlakeDagsterJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob

SL_ROOT = os.environ.get("SL_ROOT", str(Path(__file__).resolve().parent.parent / "starbake"))

options = {
    "sl_env_var": json.dumps({"SL_ROOT": SL_ROOT}),
    "SL_STARLAKE_PATH": os.environ.get("SL_STARLAKE_PATH", "starlake-embedded"),
    "load_dependencies": os.environ.get("LOAD_DEPENDENCIES", "false"),
}

sl_job = StarlakeDagsterShellJob(options=options)

load_dependencies = StarlakeDagsterJob.get_context_var("load_dependencies", "false", options).lower() == "true"


def table(name: str) -> dict[str, Any]:
    """Return a node of the dependency tree for a loaded table."""
    return {"data": {"name": name, "typ": "table"}, "task": False}


def task(name: str, *children: dict[str, Any]) -> dict[str, Any]:
    """Return a node of the dependency tree for a transform that reads its children."""
    return {"data": {"name": name, "typ": "task"}, "children": list(children), "task": True}


LIFETIME_VALUE = task("Customers.CustomerLifeTimeValue", table("starbake.Customers"), table("starbake.Orders"))
HIGH_VALUE = task("Customers.HighValueCustomers", LIFETIME_VALUE)
MARGINS = task("Products.ProductMargins", table("starbake.Products"), table("starbake.Ingredients"))
DEPENDENCIES = [task("kpis.DailySales", table("starbake.Orders"), MARGINS, HIGH_VALUE)]


def create_op(node: dict[str, Any], ins: dict[str, In]) -> OpDefinition:
    """Return the op that makes a node of the dependency tree."""
    name = node["data"]["name"]
    spark_config = sl_job.get_spark_config(name.lower())
    if node["task"]:
        return sl_job.sl_transform(f"{name}_task", name, spark_config=spark_config, ins=ins)
    domain, loaded = name.split(".", 1)
    return sl_job.sl_load(f"{name}_table", domain, loaded, spark_config=spark_config, ins=ins)


start = sl_job.dummy_op("start")
ops: dict[str, OpDefinition] = {}
upstream: dict[str, list[str]] = {}
monitored: set[str] = set()


def add(node: dict[str, Any]) -> None:
    """Add a node after all that it reads; each node once, however many read it."""
    name = node["data"]["name"]
    if name in ops:
        return
    children = node.get("children", [])
    monitored.update(child["data"]["name"] for child in children if not child["task"])
    made_here = [child for child in children if child["task"] or load_dependencies]
    for child in made_here:
        add(child)
    upstream[name] = [child["data"]["name"] for child in made_here]
    ops[name] = create_op(node, {sanitize_id(name): In(Nothing) for name in upstream[name]} or {"start": In(Nothing)})


for root in DEPENDENCIES:
    add(root)

end = sl_job.dummy_op("end", ins={sanitize_id(root["data"]["name"]): In(Nothing) for root in DEPENDENCIES})


@job(description="Runs the transforms of the sample project, each after those that it reads")
def starbake_transform() -> None:
    """Wires the ops, children first."""
    started = start()
    results: dict[str, Any] = {}
    for name, node in ops.items():
        read = {sanitize_id(child): results[child] for child in upstream[name]}
        results[name] = node(**(read or {"start": started}))
    end(**{sanitize_id(root["data"]["name"]): results[root["data"]["name"]] for root in DEPENDENCIES})


@multi_asset_sensor(
    monitored_assets=[AssetKey(sanitize_id(name)) for name in sorted(monitored)],
    job=starbake_transform,
    minimum_interval_seconds=60,
)
def starbake_transform_sensor(context: MultiAssetSensorEvaluationContext) -> RunRequest | SkipReason:
    """Start a run when every table has been loaded since the last one."""
    records = context.latest_materialization_records_by_key()
    missing = [key.to_user_string() for key, record in records.items() if record is None]
    if missing:
        return SkipReason(f"Not loaded since the last run: {', '.join(sorted(missing))}")
    context.advance_all_cursors()
    return RunRequest()


defs = Definitions(jobs=[starbake_transform], sensors=[] if load_dependencies else [starbake_transform_sensor])
