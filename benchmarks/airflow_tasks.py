"""DAG files and tasks of Airflow against bare operators, in the environment that has Airflow."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.comparison import Comparison, in_turns, values
from benchmarks.fresh import ROOT, probe

PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
TABLES = 1_000
TASKS = 100


def airflow(repetitions: int) -> Iterator[Comparison]:
    """The file that Airflow parses again and again, the import that each parse pays, and a task's own time.

    Raises:
        RuntimeError: If there is no environment with Airflow.
    """
    if not PYTHON.exists():
        raise RuntimeError("there is no environment with Airflow: run `make bench`, or `make test-airflow` first")
    found = in_turns(lambda: _probe("file", "ours"), lambda: _probe("file", "bare"), repetitions)
    yield from _times(f"a DAG file of {TABLES:,} tables, against as many bare operators", found, goal=1.2)
    found = in_turns(lambda: _probe("serialized", "ours"), lambda: _probe("serialized", "bare"), repetitions)
    yield from _times("  with its serialization", found, goal=None)
    imports = [_probe("import", "ours") for _ in range(repetitions + 1)][1:]
    seconds = [1000 * value for value in values(imports, "seconds")]
    processor = [1000 * value for value in values(imports, "seconds_cpu")]
    yield Comparison("import ai.starlake.airflow.bash, beyond airflow.sdk", "ms", seconds, goal=30)
    yield Comparison("  processor time", "ms", processor)
    found = in_turns(lambda: _probe("tasks", "ours"), lambda: _probe("tasks", "bare"), repetitions)
    yield from _times(f"{TASKS} tasks whose command is true, against BashOperator", found, goal=None)


def _probe(what: str, who: str) -> dict[str, float]:
    return probe("airflow_dags", what, who, TASKS if what == "tasks" else TABLES, python=PYTHON)


def _times(
    what: str, found: tuple[list[dict[str, float]], list[dict[str, float]]], goal: float | None
) -> Iterator[Comparison]:
    ours, limit = found
    yield Comparison(what, "s", values(ours, "seconds"), values(limit, "seconds"), goal)
    yield Comparison("  processor time", "s", values(ours, "seconds_cpu"), values(limit, "seconds_cpu"))
