"""Airflow: making a DAG, importing the factory, executing tasks. Needs the environment of Airflow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.comparison import Comparison, in_turns, values
from benchmarks.fresh import probe

TABLES = 1_000
TASKS = 50


def airflow(repetitions: int) -> Iterator[Comparison]:
    """Yield the measurements; each in fresh processes with an empty home of Airflow."""
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        home = Path(folder)
        ours, limit = in_turns(
            lambda: probe("airflow_dags", "ours", TABLES, home),
            lambda: probe("airflow_dags", "bare", TABLES, home),
            repetitions,
        )
        what = f"make a DAG of {TABLES:,} loads with outlets"
        yield Comparison(what, "s", values(ours, "seconds"), values(limit, "seconds"), goal=1.2)
        yield Comparison("  processor time", "s", values(ours, "seconds_cpu"), values(limit, "seconds_cpu"))
        found = [probe("airflow_imports", home) for _ in range(repetitions + 1)][1:]
        milliseconds = [1000 * value for value in values(found, "seconds")]
        processor = [1000 * value for value in values(found, "seconds_cpu")]
        yield Comparison("import ai.starlake.airflow.bash, beyond airflow.sdk", "ms", milliseconds, goal=30)
        yield Comparison("  processor time", "ms", processor)
        ours, limit = in_turns(
            lambda: probe("airflow_tasks", "ours", TASKS),
            lambda: probe("airflow_tasks", "bare", TASKS),
            repetitions,
        )
        what = f"execute {TASKS} loads, command `true`, against BashOperator"
        yield Comparison(what, "s", values(ours, "seconds"), values(limit, "seconds"))
        yield Comparison("  processor time", "s", values(ours, "seconds_cpu"), values(limit, "seconds_cpu"))
