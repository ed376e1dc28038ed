"""Generated DAG files: what it costs to make them, and to load them as Dagster does."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.comparison import Comparison, Results, values
from benchmarks.fresh import probe
from benchmarks.project import domains, make_project

_DAG = "version: 1\ndag: {template: %s, filename: %s.py}\n"
_LOAD = "load/dagster__scheduled_table__shell.py.j2"
_TRANSFORM = "transform/dagster__scheduled_task__shell.py.j2"
_EXPANDED = """\
{% set environment = "SHELL" -%}
{% extends "dagster/transform.py.j2" %}
{%- block dependencies %}
dependencies = StarlakeDependencies(dependencies={{ context.dependencies | literal }})
{% endblock %}
"""
"""Files with the JSON of Starlake's `dag-generate`: a tree in which a task is repeated below each of its readers."""


def graphs(repetitions: int) -> Iterator[Comparison]:
    """Yield the measurements; files are loaded in fresh processes."""
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _transforms(Path(folder), repetitions)
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _loads(Path(folder), repetitions)


def _transforms(folder: Path, repetitions: int) -> Iterator[Comparison]:
    small, expanded, large = (
        _tasks(folder / name, *size) for name, size in (("a", (3, 7)), ("b", (3, 7)), ("c", (10, 10)))
    )
    own = expanded / "metadata/dags/templates" / _TRANSFORM
    own.parent.mkdir(parents=True)
    own.write_text(_EXPANDED, encoding="utf-8")
    found = _loaded(_generated(small)[0], repetitions)
    yield from _shown("load a file of 3 x 7 layered tasks", found, goal=1)
    yield from _shown(
        "  the same, its dependencies as Starlake writes them", _loaded(_generated(expanded)[0], repetitions)
    )
    file, seconds = _generated(large)
    yield Comparison("generate the file of 10 x 10 layered tasks", "s", [seconds])
    more = _loaded(file, repetitions)
    yield from _shown("load a file of 10 x 10 layered tasks", more, goal=1.5)


def _loads(folder: Path, repetitions: int) -> Iterator[Comparison]:
    found: dict[int, Results] = {}
    for tables in (1_000, 5_000):
        root = make_project(folder / str(tables), domains(tables))
        _configure(root, "load", _LOAD)
        file, seconds = _generated(root)
        yield Comparison(f"generate the file of {tables:,} tables", "s", [seconds])
        found[tables] = _loaded(file, repetitions)
        yield from _shown(f"load a file of {tables:,} tables", found[tables])
    growth = [many / few for few, many in zip(*(values(found[size], "seconds_cpu") for size in found), strict=True)]
    yield Comparison("  growth of its processor time from 1,000 to 5,000 tables", "x", growth, goal=6)


def _tasks(root: Path, width: int, depth: int) -> Path:
    """Return a project of layers of tasks that each read all of the layer below."""
    make_project(root, {"shop": ["orders"]})
    folder = root / "metadata" / "transform" / "mart"
    folder.mkdir(parents=True)
    below = ["shop.orders"]
    for level in range(depth):
        layer = [f"t{level}_{number}" for number in range(width)]
        for name in layer:
            (folder / f"{name}.sql").write_text(f"SELECT * FROM {' CROSS JOIN '.join(below)}", encoding="utf-8")
        below = [f"mart.{name}" for name in layer]
    _configure(root, "transform", _TRANSFORM)
    return root


def _configure(root: Path, kind: str, template: str) -> None:
    (root / "metadata" / "dags").mkdir()
    (root / "metadata" / "dags" / "all.sl.yml").write_text(_DAG % (template, kind), encoding="utf-8")
    application = root / "metadata" / "application.sl.yml"
    application.write_text(application.read_text("utf-8") + f"  dagRef: {{{kind}: all}}\n", encoding="utf-8")


def _generated(root: Path) -> tuple[Path, float]:
    """Generate the file of a project; also return how many seconds that took, reading the project included."""
    from ai.starlake.project import Project
    from ai.starlake.project.dag_generation import generate

    start = time.perf_counter()
    (made,) = generate(Project.read(root, environment={}))
    (root / made.name).write_text(made.text, encoding="utf-8")
    return root / made.name, time.perf_counter() - start


def _loaded(file: Path, repetitions: int) -> Results:
    return [probe("graphs", file) for _ in range(repetitions + 1)][1:]


def _shown(what: str, found: Results, goal: float | None = None) -> Iterator[Comparison]:
    yield Comparison(what, "s", values(found, "seconds"), goal=goal)
    yield Comparison("  processor time", "s", values(found, "seconds_cpu"))
    yield Comparison("  memory after that", "MB", values(found, "memory"))
