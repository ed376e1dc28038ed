"""Materializes the tables of a project whose command is `true`, in turns with its bare limit: ``loads repetitions``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    DagsterInstance,
    DataVersion,
    Definitions,
    JobDefinition,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)

from benchmarks.clock import Clock
from benchmarks.comparison import in_turns
from benchmarks.project import make_project

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_DOMAIN = "sales"


def ours(root: Path) -> Definitions:
    from ai.starlake.dagster import build_starlake_definitions
    from ai.starlake.dagster.shell import StarlakeDagsterShellJob

    options = {"SL_STARLAKE_PATH": "true", "duckdb_lock": "off"}
    return build_starlake_definitions(root, StarlakeDagsterShellJob(options=options), sensors=False, schedules=False)


def bare(tables: list[str]) -> Definitions:
    """Create the run without a library: a step for each table, with the same events."""
    return Definitions(assets=[_step(AssetKey([_DOMAIN, table])) for table in tables])


def _step(key: AssetKey) -> AssetsDefinition:
    check = AssetCheckSpec("rejected_rows", asset=key)

    @multi_asset(name="__".join(key.path), specs=[AssetSpec(key)], check_specs=[check])
    def step():
        subprocess.run(["true"], check=True)
        metadata = {
            "starlake/logical_date": MetadataValue.timestamp(datetime.now(timezone.utc)),
            "starlake/duration": 0.1,
            "starlake/command": "true",
        }
        yield MaterializeResult(asset_key=key, metadata=metadata, data_version=DataVersion(uuid4().hex))
        yield AssetCheckResult(
            asset_key=key,
            check_name=check.name,
            passed=False,
            severity=AssetCheckSeverity.WARN,
            description="unknown: no number of rejected rows is reported",
            metadata={"starlake/expectation": check.name, "starlake/unknown": "no number of rows is reported"},
        )

    return step


def run(job: JobDefinition, instance: DagsterInstance, loads: int) -> dict[str, float]:
    clock = Clock()
    result = job.execute_in_process(instance=instance, run_config=_QUIET)
    found = clock.read("loads")
    if len(result.get_asset_materialization_events()) != loads:
        raise RuntimeError("not all tables were materialized")
    entries = instance.all_logs(result.run_id)
    return {**found, "records": sum(bool(entry.step_key) for entry in entries) / loads}


def main(loads: int, repetitions: int) -> None:
    warnings.simplefilter("ignore")
    tables = [f"table_{number}" for number in range(loads)]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        os.environ["SL_DAGSTER_CACHE"] = folder
        root = make_project(Path(folder) / "project", {_DOMAIN: tables})
        jobs = [each.get_repository_def().get_job("__ASSET_JOB") for each in (ours(root), bare(tables))]
        with DagsterInstance.ephemeral() as instance, redirect_stdout(nowhere):
            found, limit = in_turns(
                lambda: run(jobs[0], instance, loads), lambda: run(jobs[1], instance, loads), repetitions
            )
    print(json.dumps({"ours": found, "limit": limit}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
