"""Ticks the sensor of a facade in turns with a bare sensor that runs one query: ``tables repetitions``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
from dagster import (
    DagsterInstance,
    RepositoryDefinition,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    build_sensor_context,
    job,
)

from benchmarks.clock import Clock
from benchmarks.comparison import Results, in_turns
from benchmarks.project import make_project

_DOMAIN, _TABLES_OF_RUN = "sales", 25
_AUDIT = """
    CREATE SCHEMA IF NOT EXISTS audit;
    CREATE TABLE IF NOT EXISTS audit.audit (
        JOBID VARCHAR, PATHS VARCHAR, DOMAIN VARCHAR, SCHEMA VARCHAR, SUCCESS BOOLEAN, COUNT BIGINT,
        COUNTACCEPTED BIGINT, COUNTREJECTED BIGINT, TIMESTAMP TIMESTAMP, DURATION BIGINT, MESSAGE VARCHAR,
        STEP VARCHAR, DATABASE VARCHAR, TENANT VARCHAR, SCHEDULED_DATE TIMESTAMP);
    DELETE FROM audit.audit
"""
_ROWS = f"""
    INSERT INTO audit.audit
    SELECT 'job-' || (i // {_TABLES_OF_RUN}), 'file:/in/' || i || '.csv', '{_DOMAIN}', 'table_' || (i % $tables), true,
        10, 10, 0, $start + to_microseconds(CAST(i * 3.5e9 / $rows AS BIGINT)), 900, 'success', 'LOAD', '', '',
        $start::TIMESTAMP
    FROM range($rows) AS rows(i)
"""
_QUERY = """
    SELECT JOBID, DOMAIN, SCHEMA, SUCCESS, MESSAGE, TIMESTAMP, DURATION FROM audit.audit
    WHERE TIMESTAMP > $since ORDER BY TIMESTAMP LIMIT 500
"""

Evaluate = Callable[["str | None"], "tuple[int, str | None]"]


def write_rows(file: Path, rows: int, tables: int) -> None:
    """Write rows of the hour that ends now, and no others."""
    start = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=3_510)
    with duckdb.connect(str(file)) as connection:
        connection.execute(_AUDIT)
        if rows:
            connection.execute(_ROWS, {"rows": rows, "tables": tables, "start": start})


def bare_sensor(file: Path) -> SensorDefinition:
    """Create the sensor without a library: one query, and a run for each JOBID."""

    @job
    def mirrored() -> None: ...

    def evaluate(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        since = datetime.fromisoformat(context.cursor or "2000-01-01")
        with duckdb.connect(str(file), read_only=True) as connection:
            rows = connection.execute(_QUERY, {"since": since}).fetchall()
        if not rows:
            yield SkipReason("nothing new")
            return
        for job_id in dict.fromkeys(row[0] for row in rows):
            yield RunRequest(run_key=job_id, job_name="mirrored", tags={"job_id": job_id})
        context.update_cursor(rows[-1][5].isoformat())

    return SensorDefinition(name="bare", jobs=[mirrored], evaluation_fn=evaluate)


def ticks(sensor: SensorDefinition, repository: RepositoryDefinition | None, instance: DagsterInstance) -> Evaluate:
    def evaluate(cursor: str | None) -> tuple[int, str | None]:
        context = build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
        result = sensor.evaluate_tick(context)
        return len(result.run_requests or ()), result.cursor

    return evaluate


def measured(
    ours: Evaluate, bare: Evaluate, cursors: tuple[str | None, str | None], repetitions: int
) -> tuple[Results, Results]:
    def measure(evaluate: Evaluate, cursor: str | None) -> dict[str, float]:
        clock = Clock()
        runs, _ = evaluate(cursor)
        return {**clock.read("tick"), "runs": runs, "cursor": len(cursor or "")}

    return in_turns(lambda: measure(ours, cursors[0]), lambda: measure(bare, cursors[1]), repetitions)


def main(tables: int, repetitions: int) -> None:
    from ai.starlake.dagster import StarlakeDagsterFacade

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, DagsterInstance.ephemeral() as instance:
        os.environ["SL_DAGSTER_CACHE"] = folder
        root = make_project(Path(folder) / "project", {_DOMAIN: [f"table_{number}" for number in range(tables)]})
        file = Path(folder) / "outside.db"
        facade = StarlakeDagsterFacade(root, file, settle_seconds=0).create_definitions("prod")
        repository = facade.get_repository_def()
        ours = ticks(repository.get_sensor_def("starlake_track_prod"), repository, instance)
        bare = ticks(bare_sensor(file), None, instance)
        now = datetime.now(timezone.utc).replace(tzinfo=None).isoformat()
        found = {}
        for name, rows in (("few", 1_000), ("many", 100_000)):
            write_rows(file, rows, tables)
            found[name] = measured(ours, bare, (ours(None)[1], now), repetitions)
        write_rows(file, 0, tables)
        _, cursor = ours(None)
        write_rows(file, 10_000, tables)
        _, cursor = ours(cursor)
        found["busy"] = measured(ours, bare, (cursor, None), repetitions)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
