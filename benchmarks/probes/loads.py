"""Runs a job of loads in turns with its bare limit: ``memory|sqlite auto|off loads repetitions``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, GraphDefinition, JobDefinition

from benchmarks.clock import Clock
from benchmarks.comparison import in_turns
from benchmarks.factories import Bare, Factory, Ours
from benchmarks.project import make_project

_NOT_OF_A_LOAD = {DagsterEventType.RESOURCE_INIT_STARTED, DagsterEventType.RESOURCE_INIT_SUCCESS}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def instance_of(kind: str, folder: Path) -> Iterator[DagsterInstance]:
    with ExitStack() as stack:
        if kind == "memory":
            yield stack.enter_context(DagsterInstance.ephemeral())
        else:
            yield stack.enter_context(DagsterInstance.local_temp(str(folder)))


def job_of(factory: Factory, loads: int) -> JobDefinition:
    ops = [factory.load("sales", f"table_{number}", {}) for number in range(loads)]
    return JobDefinition(name="loads", graph_def=GraphDefinition(name="loads", node_defs=ops))


def run(job: JobDefinition, instance: DagsterInstance, loads: int) -> dict[str, float]:
    clock = Clock()
    result = job.execute_in_process(instance=instance, run_config=_QUIET)
    found = clock.read("loads")
    entries = instance.all_logs(result.run_id)
    records = sum(bool(entry.step_key) and entry.dagster_event_type not in _NOT_OF_A_LOAD for entry in entries)
    return {**found, "records": records / loads}


def main(kind: str, lock: str, loads: int, repetitions: int) -> None:
    warnings.simplefilter("ignore")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        root = make_project(Path(folder) / "project", {"sales": [f"table_{number}" for number in range(loads)]})
        jobs = [job_of(factory, loads) for factory in (Ours(root, lock), Bare())]
        (Path(folder) / "home").mkdir()
        with instance_of(kind, Path(folder) / "home") as instance, redirect_stdout(nowhere):
            ours, limit = in_turns(
                lambda: run(jobs[0], instance, loads), lambda: run(jobs[1], instance, loads), repetitions
            )
    print(json.dumps({"ours": ours, "limit": limit}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
