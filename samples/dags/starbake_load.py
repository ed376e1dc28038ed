"""Loads the domain of the sample project and records an asset for every table.

    SL_ROOT=/path/to/a/copy/of/samples/starbake dagster dev -f samples/dags/starbake_load.py

A load moves the delivered files on, so give it a copy; without SL_ROOT it works on samples/starbake itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dagster import Definitions, GraphDefinition, In, Nothing, ScheduleDefinition, graph, job, op

from ai.starlake.dagster.shell import StarlakeDagsterShellJob

SL_ROOT = os.environ.get("SL_ROOT", str(Path(__file__).resolve().parent.parent / "starbake"))

options = {
    "sl_env_var": json.dumps({"SL_ROOT": SL_ROOT}),
    "pre_load_strategy": "imported",
    "SL_STARLAKE_PATH": os.environ.get("SL_STARLAKE_PATH", "starlake-embedded"),
}

sl_job = StarlakeDagsterShellJob(options=options)

CRON = "0 5 * * *"
DOMAINS = {"starbake": ["Customers", "Ingredients", "Orders", "Products"]}


def load_domain(domain: str, tables: list[str]) -> GraphDefinition:
    """The pre-load check of a domain, then its loads side by side; the output says how it ended."""
    pre_load = sl_job.sl_pre_load(domain, tables)
    loads = [sl_job.sl_load(None, domain, table, ins={"domain": In(str)}) for table in tables]
    ended = sl_job.dummy_op(f"{domain}_load_ended", ins={node.name: In(str) for node in loads}, out="domain_loaded")

    @op(name=f"{domain}_load_result")
    def result(outcomes: list[str]) -> str:
        return ", ".join(outcomes)

    @graph(name=domain)
    def load(start: str) -> Any:
        ready, skipped = pre_load(start) if pre_load else (start, None)
        loaded = ended(**{node.name: node(ready) for node in loads})
        return result([loaded] if skipped is None else [loaded, skipped])

    return load


pre_tasks = sl_job.pre_tasks()
post_tasks = sl_job.post_tasks(ins={"end": In(Nothing)})
start = sl_job.dummy_op("start", ins={"pre_tasks": In(Nothing)} if pre_tasks else None)
end = sl_job.dummy_op("end", ins={domain: In(str) for domain in DOMAINS})
domains = {domain: load_domain(domain, tables) for domain, tables in DOMAINS.items()}


@job(description="Loads the domains of the sample project")
def starbake_load() -> None:
    """Runs what the executor needs before, the domains, and what it needs after."""
    started = start(pre_tasks=pre_tasks()) if pre_tasks else start()
    ended = end(**{name: domain(started) for name, domain in domains.items()})
    if post_tasks:
        post_tasks(end=ended)


defs = Definitions(jobs=[starbake_load], schedules=[ScheduleDefinition(job=starbake_load, cron_schedule=CRON)])
