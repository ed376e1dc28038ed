"""The embedded engine: loads against plain DuckDB, many small files, large projects, the start of the command."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.commands import measure
from benchmarks.comparison import Comparison, Results, in_turns, values
from benchmarks.orders import table_yaml, write_orders
from benchmarks.project import make_project

ROWS = 10_000_000
FILES = 1_000
TABLES = 2_000
_DOMAINS = 20
_FEW = 10
_AT_MOST = 3
"""Repetitions of what takes many seconds."""


def engine(repetitions: int, rows: int = ROWS) -> Iterator[Comparison]:
    """Yield the measurements; their files are in a temporary folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _load(Path(folder) / "load", rows, min(repetitions, _AT_MOST))
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _small_files(Path(folder), min(repetitions, _AT_MOST))
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _large_project(Path(folder), repetitions)
    with tempfile.TemporaryDirectory(prefix="starlake-bench-") as folder:
        yield from _start(Path(folder), repetitions)


class _Shop:
    """A project with the table of orders.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = make_project(root, {"shop": []})
        self.log = root / "log.txt"
        (root / "metadata" / "load" / "shop" / "orders.sl.yml").write_text(table_yaml(), encoding="utf-8")

    def put(self, files: list[Path]) -> None:
        """Start from scratch: no tables, and these files in the stage area; they are linked, not copied."""
        shutil.rmtree(self.root / "datasets", ignore_errors=True)
        stage = self.root / "datasets" / "stage" / "shop"
        stage.mkdir(parents=True)
        for file in files:
            os.link(file, stage / file.name)

    def load(self, files: list[Path]) -> dict[str, float]:
        """Load files in a fresh process."""
        self.put(files)
        return self.run("load")

    def run(self, *arguments: str) -> dict[str, float]:
        """Run the command in a fresh process."""
        return measure(["-m", "ai.starlake.embedded", *arguments], {"SL_ROOT": str(self.root)}, self.log)


def _load(root: Path, rows: int, repetitions: int) -> Iterator[Comparison]:
    shop, file, database = _Shop(root), root / "input" / "orders-1.csv", root / "plain.db"
    write_orders(file, rows)

    def plain() -> dict[str, float]:
        database.unlink(missing_ok=True)
        return measure(["-m", "benchmarks.probes.plain_duckdb", str(database), str(file)], {}, root / "plain.txt")

    found = in_turns(lambda: shop.load([file]), plain, repetitions)
    yield from _compared(f"load of {rows:,} rows of CSV, all checked, against read_csv and insert", found, goal=1.5)


def _compared(what: str, found: tuple[Results, Results], goal: float) -> Iterator[Comparison]:
    ours, limit = found
    yield Comparison(what, "s", values(ours, "seconds"), values(limit, "seconds"), goal)
    yield Comparison("  processor time", "s", values(ours, "seconds_cpu"), values(limit, "seconds_cpu"))
    yield Comparison("  peak memory", "MB", values(ours, "memory"), values(limit, "memory"))


def _small_files(root: Path, repetitions: int) -> Iterator[Comparison]:
    shop = _Shop(root)
    files = [root / "input" / f"orders-{number:04}.csv" for number in range(FILES)]
    for number, file in enumerate(files):
        write_orders(file, _FEW, first=1 + number * _FEW)
    found = [shop.load(files) for _ in range(repetitions)]
    yield from _alone(f"load of {FILES:,} files of {_FEW} rows, an ingestion each", found)
    yield Comparison("  peak memory", "MB", values(found, "memory"))


def _large_project(root: Path, repetitions: int) -> Iterator[Comparison]:
    domains = {f"d{domain}": [f"t{table}" for table in range(TABLES // _DOMAINS)] for domain in range(_DOMAINS)}
    project, log = make_project(root, domains), root / "log.txt"
    tasks = project / "metadata" / "transform" / "kpi"
    tasks.mkdir(parents=True)
    for number in range(TABLES):
        table = f"d{number % _DOMAINS}.t{number // _DOMAINS}"
        before = f" JOIN kpi.k{number - 1} USING (id)" if number % _FEW else ""
        (tasks / f"k{number}.sql").write_text(f"SELECT id FROM {table}{before}\n", encoding="utf-8")
    for verb, title in ((["validate"], "validate"), (["lineage", "--all", "--print"], "lineage --all")):
        command, environment = ["-m", "ai.starlake.embedded", *verb], {"SL_ROOT": str(project)}
        found = [measure(command, environment, log) for _ in range(repetitions)]
        yield from _alone(f"{title}, {TABLES:,} tables and {TABLES:,} tasks", found)


def _start(root: Path, repetitions: int) -> Iterator[Comparison]:
    shop, file = _Shop(root), root / "input" / "orders-1.csv"
    write_orders(file, _FEW, first=1)
    yield from _alone("starlake-embedded --version", [shop.run("--version") for _ in range(repetitions)], goal=0.5)
    yield from _alone(f"load of {_FEW} rows", [shop.load([file]) for _ in range(repetitions)], goal=0.5)


def _alone(what: str, found: Results, goal: float | None = None) -> Iterator[Comparison]:
    yield Comparison(what, "s", values(found, "seconds"), goal=goal)
    yield Comparison("  processor time", "s", values(found, "seconds_cpu"))
