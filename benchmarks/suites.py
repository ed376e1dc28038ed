"""Measurements, and their limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.airflow import airflow
from benchmarks.assets import assets
from benchmarks.comparison import Comparison, Results, in_turns, values
from benchmarks.engine import engine
from benchmarks.facade import facade
from benchmarks.fresh import probe
from benchmarks.graphs import graphs
from benchmarks.warm import warm

SIZES = (1_000, 5_000)
LOADS = 100

Suite = Callable[[int], Iterator[Comparison]]


def build(repetitions: int) -> Iterator[Comparison]:
    """Yield the building of a generated file's load job, against the same graphs of bare ops; fresh processes."""
    for tables in SIZES:
        found = in_turns(
            lambda tables=tables: probe("build", "ours", tables),
            lambda tables=tables: probe("build", "bare", tables),
            repetitions,
        )
        yield from _times(f"build {tables:,} load ops", found, "ops", goal=0.5)
        yield from _times(f"build the job of {tables:,} loads", found, "whole", goal=0.75)
        yield _memory(f"memory after that, {tables:,} loads", found)


def loads(repetitions: int) -> Iterator[Comparison]:
    """Yield the running of loads whose command is `true`, against a bare op that starts `true` and materializes."""
    for where in ("memory", "sqlite"):
        for lock in ("off", "auto"):
            found = probe("loads", where, lock, LOADS, repetitions)
            pair = (found["ours"], found["limit"])
            how = "one writer at a time" if lock == "auto" else "without the DuckDB lock"
            yield from _times(f"{LOADS} loads, events in {where}, {how}", pair, "loads", goal=1.15)
            if where == "sqlite" and lock == "auto":
                yield _records(pair)


def imports(repetitions: int) -> Iterator[Comparison]:
    """Measure the import of the factory once Dagster is imported; fresh processes."""
    found = [probe("imports") for _ in range(repetitions + 1)][1:]
    seconds = [1000 * value for value in values(found, "seconds")]
    processor = [1000 * value for value in values(found, "seconds_cpu")]
    yield Comparison("import ai.starlake.dagster.shell, beyond dagster", "ms", seconds, goal=30)
    yield Comparison("  processor time", "ms", processor)


SUITES: dict[str, Suite] = {
    "build": build,
    "loads": loads,
    "imports": imports,
    "graphs": graphs,
    "assets": assets,
    "engine": engine,
    "facade": facade,
    "warm": warm,
    "airflow": airflow,
}
ELSEWHERE = frozenset({"airflow"})
"""Suites that need another environment: they are measured when they are named."""


def _times(what: str, found: tuple[Results, Results], name: str, goal: float) -> Iterator[Comparison]:
    ours, limit = found
    yield Comparison(what, "s", values(ours, name), values(limit, name), goal)
    processor = f"{name}_cpu"
    yield Comparison("  processor time", "s", values(ours, processor), values(limit, processor))


def _memory(what: str, found: tuple[Results, Results]) -> Comparison:
    return Comparison(what, "MB", values(found[0], "memory"), values(found[1], "memory"))


def _records(found: tuple[Results, Results]) -> Comparison:
    records = values(found[0], "records")
    return Comparison(f"event records per load (bare op: {found[1][0]['records']:g})", "", records, goal=6)
