"""Runs a job of loads on a `starlake` executable, in this process: ``warm|process EXECUTABLE LOADS``."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path

import psutil
from dagster import DagsterInstance, DependencyDefinition, GraphDefinition, In, JobDefinition, Nothing, op

from benchmarks.project import make_project
from tests.executor.warm.fake_starlake import RUNS

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_STARTED = "a warm server was started"


def _job(kind: str, executable: str, root: Path, tables: list[str], memory: list[float]) -> JobDefinition:
    from ai.starlake.dagster.shell import StarlakeDagsterShellJob
    from ai.starlake.dagster.warm import StarlakeDagsterWarmJob

    factory = StarlakeDagsterWarmJob if kind == "warm" else StarlakeDagsterShellJob
    variables = {"SL_ROOT": str(root), RUNS: shutil.which("true")}
    sl_job = factory(options={"sl_env_var": json.dumps(variables), "SL_STARLAKE_PATH": executable})
    loads = [sl_job.sl_load(table, "sales", table) for table in tables]

    @op(ins={table: In(Nothing) for table in tables})
    def after_all() -> None:
        memory.extend(memory_of_servers(root))

    all_loads = {table: DependencyDefinition(table) for table in tables}
    graph = GraphDefinition(name="loads", node_defs=[*loads, after_all], dependencies={"after_all": all_loads})
    return JobDefinition(name="loads", graph_def=graph)


def memory_of_servers(root: Path) -> list[float]:
    """Return the memory of the servers that run in a project, in MB."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "java" and process.cwd() == str(root):
                found.append(process.memory_info().rss / 1e6)
    return found


def main(kind: str, executable: str, loads: int) -> None:
    warnings.simplefilter("ignore")
    tables = [f"table_{number}" for number in range(loads)]
    memory: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        DagsterInstance.ephemeral() as instance,
    ):
        root = make_project(Path(folder) / "project", {"sales": tables})
        job = _job(kind, executable, root, tables, memory)
        with redirect_stdout(nowhere):
            began, before = time.perf_counter(), time.process_time()
            result = job.execute_in_process(instance=instance, run_config=_QUIET)
            whole = time.perf_counter() - began
        stats = [step for step in instance.get_run_step_stats(result.run_id) if step.step_key in tables]
        first, *later = [step.end_time - step.start_time for step in sorted(stats, key=lambda step: step.start_time)]
        started = [entry for entry in instance.all_logs(result.run_id) if _STARTED in entry.user_message]
    times = {"whole": whole, "first": first, "later": statistics.median(later)}
    print(json.dumps({**times, "before": before, "servers": len(started), "memory": sum(memory)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
