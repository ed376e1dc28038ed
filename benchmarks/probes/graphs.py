"""Loads a generated DAG file as Dagster does: ``file``. Says how long it took and what it holds."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import dagster  # noqa: F401  what the file is measured beyond
import psutil

from benchmarks.clock import Clock


def main(file: Path) -> None:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    clock = Clock()
    spec.loader.exec_module(module)
    job = module.defs.get_repository_def().get_job(file.stem)
    found = clock.read("seconds")
    found["memory"] = psutil.Process().memory_info().rss / 2**20
    found["ops"] = float(len(list(job.graph.iterate_op_defs())))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
