"""Loads the domain of the sample project and records an asset for every table.

    SL_ROOT=/path/to/a/copy/of/samples/starbake dagster dev -f samples/dags/starbake_load.py

A load moves the delivered files on, so give it a copy; without SL_ROOT it works on samples/starbake itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

SL_ROOT = os.environ.get("SL_ROOT", str(Path(__file__).resolve().parent.parent / "starbake"))
TABLES = ["Customers", "Ingredients", "Orders", "Products"]

description = "Loads the domains of the sample project"

options = {
    "sl_env_var": json.dumps({"SL_ROOT": SL_ROOT}),
    "pre_load_strategy": "imported",
    "SL_STARLAKE_PATH": os.environ.get("SL_STARLAKE_PATH", "starlake-embedded"),
}

sl_job = StarlakeDagsterShellJob(options=options, filename="starbake_load.py")

schedule = StarlakeSchedule(
    cron="0 5 * * *",
    domains=[StarlakeDomain("starbake", tables=[StarlakeTable(name) for name in TABLES])],
)

with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:  # sets the variable defs
    pipelines = [orchestration.add_loads(schedule)]
