"""Ticks the file sensor of a project in turns with a bare listing of its files: ``domains files repetitions``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

from dagster import DagsterInstance, RepositoryDefinition, build_sensor_context

from benchmarks.clock import Clock
from benchmarks.comparison import in_turns
from benchmarks.project import make_project

Found = tuple[dict[str, float], "str | None"]
_TABLES = 3
_AGE = 3_600
"""Age of the files in seconds: none may still grow."""


def deliver(root: Path, domains: dict[str, list[str]], files: int) -> Path:
    """Write as many files into the landing area, of all tables in turns; return its folder."""
    landing = root / "datasets" / "incoming"
    pairs = [(domain, table) for domain, tables in domains.items() for table in tables]
    then = time.time() - _AGE
    for number in range(files):
        domain, table = pairs[number % len(pairs)]
        file = landing / domain / f"{table}-{number}.csv"
        file.write_text("id\n1\n", encoding="utf-8")
        os.utime(file, (then, then))
    return landing


def tick(repository: RepositoryDefinition, instance: DagsterInstance, cursor: str | None = None) -> Found:
    """Return what a tick costs, how much it asks for, and where it ended."""
    sensor = next(each for each in repository.sensor_defs if each.name.endswith("_files"))
    clock = Clock()
    result = sensor.evaluate_tick(build_sensor_context(instance=instance, cursor=cursor, repository_def=repository))
    found = clock.read("tick")
    requests = result.run_requests or ()
    tables = {key for request in requests for key in request.asset_selection or ()}
    return {**found, "requests": len(requests), "tables": len(tables)}, result.cursor


def listing(folder: Path) -> dict[str, float]:
    """List the names, sizes and times of all files, the minimum work of a sensor."""
    clock = Clock()
    files = [file for domain in os.scandir(folder) for file in os.scandir(domain)]
    found = [(file.name, file.stat().st_size, file.stat().st_mtime) for file in files]
    return {**clock.read("tick"), "files": len(found)}


def main(domains: int, files: int, repetitions: int) -> None:
    from ai.starlake.dagster import build_starlake_definitions

    warnings.simplefilter("ignore")
    names = {f"domain_{number}": [f"table_{number}_{each}" for each in range(_TABLES)] for number in range(domains)}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["SL_DAGSTER_CACHE"] = folder
        root = make_project(Path(folder) / "project", names)
        landing = deliver(root, names, files)
        made = build_starlake_definitions(root, schedules=False).get_repository_def()
        with DagsterInstance.ephemeral() as instance:
            first, limit = in_turns(lambda: tick(made, instance)[0], lambda: listing(landing), repetitions)
            _, cursor = tick(made, instance)
            again = [tick(made, instance, cursor)[0] for _ in range(repetitions)]
    print(json.dumps({"first": first, "limit": limit, "again": again}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
