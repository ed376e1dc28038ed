"""Assets: loading a code location, running its steps, and the tick of the sensor that watches for files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.comparison import Comparison, Results, in_turns, values
from benchmarks.fresh import probe
from benchmarks.project import domains, make_asset_project

_SIZES = {1_000: 5, 5_000: 2}
"""Numbers of tables, and the maximum number of measurements: five thousand tables take most of a minute."""
_LOADS = 100
_DOMAINS, _FILES = 300, 10_000


def assets(repetitions: int) -> Iterator[Comparison]:
    """Yield the measurements, each against plain Dagster."""
    for tables, at_most in _SIZES.items():
        with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
            yield from _definitions(Path(folder), tables, min(repetitions, at_most))
    yield from _runs(repetitions)
    yield from _sensor(repetitions)


def _definitions(folder: Path, tables: int, repetitions: int) -> Iterator[Comparison]:
    """Yield the loading of a location in fresh processes: without the cache, and with that of the run before."""
    root = make_asset_project(folder / "project", domains(tables))
    cache = folder / "cache"

    def ours() -> dict[str, float]:
        shutil.rmtree(cache, ignore_errors=True)
        cold, cached = (probe("assets", "ours", root, cache) for _ in range(2))
        return {**cold, **{f"cached_{name}": value for name, value in cached.items()}}

    found = in_turns(ours, lambda: probe("assets", "bare", tables), repetitions)
    for name, before, goal in (("cold", "", 2), ("cached", "cached_", 1.2)):
        pair = (_named(found[0], before), found[1])
        yield from _shown(f"definitions of {tables:,} tables and as many tasks, {name}", pair, goal)
        yield Comparison("  memory after that", "MB", values(pair[0], "memory"), values(pair[1], "memory"))
    yield Comparison("  tasks with column lineage", "", values(found[0], "lineage"))


def _named(results: Results, before: str) -> Results:
    """Return the figures whose names begin so, without that."""
    return [
        {name.removeprefix(before): value for name, value in one.items() if name.startswith(before)} for one in results
    ]


def _runs(repetitions: int) -> Iterator[Comparison]:
    found = probe("asset_runs", _LOADS, repetitions)
    pair = (found["ours"], found["limit"])
    yield from _shown(f"{_LOADS} assets whose command is `true`, in one process", pair, 1.15, "loads")
    yield Comparison("  event records per asset", "", values(pair[0], "records"), values(pair[1], "records"), goal=1)


def _sensor(repetitions: int) -> Iterator[Comparison]:
    found = probe("file_sensor", _DOMAINS, _FILES, repetitions)
    what = f"tick of the file sensor, {_DOMAINS} domains, {_FILES:,} files waiting"
    yield Comparison(f"{what}, all new", "s", values(found["first"], "tick"), values(found["limit"], "tick"))
    yield Comparison("  processor time", "s", values(found["first"], "tick_cpu"), goal=5)
    yield Comparison("  the next tick, processor time", "s", values(found["again"], "tick_cpu"), goal=5)


def _shown(what: str, found: tuple[Results, Results], goal: float, name: str = "seconds") -> Iterator[Comparison]:
    """Yield the wall time, and the processor time, which has the goal: others use the machine too."""
    ours, limit = found
    yield Comparison(what, "s", values(ours, name), values(limit, name))
    processor = f"{name}_cpu"
    yield Comparison("  processor time", "s", values(ours, processor), values(limit, processor), goal)
