"""Builds a load job: ``ours|bare tables``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
from dagster import Definitions

from benchmarks.clock import Clock
from benchmarks.factories import Bare, Ours
from benchmarks.load_job import load_job, load_ops


def main(kind: str, tables: int) -> None:
    factory = Ours(Path("/project")) if kind == "ours" else Bare()
    clock = Clock()
    ops = load_ops(factory, tables)
    found = clock.read("ops")
    definitions = Definitions(jobs=[load_job(factory, ops)])
    definitions.get_repository_def().get_job("load")
    found |= clock.read("whole")
    found["memory"] = psutil.Process().memory_info().rss / 2**20
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
