"""The tick of a facade's sensor, against that of a bare sensor that runs one query."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.comparison import Comparison, Results, values
from benchmarks.fresh import probe

_TABLES = 300
_WHAT = {
    "few": "nothing new, 1,000 rows in the last hour",
    "many": "nothing new, 100,000 rows in the last hour",
    "busy": "500 new rows, 20 runs to mirror",
}


def facade(repetitions: int) -> Iterator[Comparison]:
    """Yield the ticks of a facade of 300 tables on a DuckDB file: idle, with a large audit, and full."""
    found = probe("facade_ticks", _TABLES, repetitions * 4)
    for name, what in _WHAT.items():
        ours, limit = found[name]
        yield Comparison(f"tick of the sensor of a facade, {what}", "ms", *_milliseconds(ours, limit, "tick"))
        yield Comparison("  processor time", "ms", *_milliseconds(ours, limit, "tick_cpu"), goal=2)
        yield Comparison("  runs requested", "", values(ours, "runs"))
        yield Comparison("  cursor", "bytes", values(ours, "cursor"))


def _milliseconds(ours: Results, limit: Results, name: str) -> list[list[float]]:
    return [[1000 * value for value in values(each, name)] for each in (ours, limit)]
