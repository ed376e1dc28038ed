"""Two runs of one job at once, on the same tables and the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.soak.run_loads import TABLES
from benchmarks.soak.trial import DOUBLED, LEAKED, LOST, RED, Bench, Tally, Trial
from tests.embedded.properties.shop import Shop

_ROOT = Path(__file__).resolve().parents[3]
_ATTRIBUTES = [{"name": "id", "type": "long"}, {"name": "label", "type": "string"}]
_KEY = {"key": ["id"]}
_STRATEGIES: dict[str, dict[str, Any]] = {
    "appended": {"type": "APPEND"},
    "overwritten": {"type": "OVERWRITE"},
    "upserted": {"type": "UPSERT_BY_KEY", **_KEY},
    "versions": {"type": "SCD2", **_KEY},
    "partitioned": {"type": "DELETE_THEN_INSERT", **_KEY},
}
_FILES = {"0": range(10), "1": range(5, 15), "2": range(10, 20)}
_CREATED = 5
"""Every how many attempts the two runs make the tables, too."""


class State(NamedTuple):
    """State of a shop: rows by table without time-dependent parts, successful loads, and files."""

    rows: Counter[tuple[str, tuple[object, ...]]]
    loads: Counter[tuple[object, ...]]
    ingesting: list[str]
    stage: list[str]
    archive: list[str]


def _run(bench: Bench) -> None:
    with ExitStack() as stack:
        shops = {executor: _shop(bench.folder / executor) for executor in ("embedded", "shell")}
        pairs = {
            executor: [stack.enter_context(_process(shop, executor)) for _ in range(2)]
            for executor, shop in shops.items()
        }
        wanted = {created: _wanted(bench.folder / f"alone_{created}", created=created) for created in (False, True)}
        for number in bench.numbers():
            executor = ("embedded", "shell")[number % 2]
            created = number // 2 % _CREATED == 0
            _deliver(shops[executor], created=created)
            for process in pairs[executor]:
                _tell(process)
            for process in pairs[executor]:
                for error in json.loads(_answer(process)):
                    bench.tally.defect(RED, f"{executor}: {error}")
            compare(f"{executor}, attempt {number}", wanted[created], state(shops[executor]), bench.tally)
            bench.tally.add("loads", 2 * len(TABLES))


def _shop(root: Path) -> Shop:
    shop = Shop(root)
    for table in TABLES:
        shop.table(table, _ATTRIBUTES, {"separator": ",", "writeStrategy": _STRATEGIES[table]})
    return shop


def _deliver(shop: Shop, *, created: bool) -> None:
    """Deliver a first file that is loaded alone, unless both runs are to make the tables; then two files for both."""
    shop.clear()
    for number, keys in _FILES.items():
        for table in TABLES:
            rows = "".join(f"{key},of file {number}\n" for key in keys)
            shop.put(f"{table}-{number}.csv", f"id,label\n{rows}")
        if number == "0" and not created:
            assert not shop.load().failures


def _wanted(root: Path, *, created: bool) -> State:
    """Return the expected state after one run."""
    shop = _shop(root)
    _deliver(shop, created=created)
    assert not shop.load().failures
    return state(shop)


def state(shop: Shop) -> State:
    """Return the current state of a shop."""
    rows = Counter(
        (table, tuple("a time" if hasattr(cell, "year") else cell for cell in row))
        for table, found in shop.tables().items()
        for row in found
    )
    loads = shop.rows("SELECT SCHEMA, parse_filename(PATHS), COUNT, COUNTREJECTED FROM audit.audit WHERE SUCCESS")
    return State(rows, Counter(loads), *(shop.files(area) for area in ("ingesting", "stage", "archive")))


def compare(what: str, wanted: State, found: State, tally: Tally) -> None:
    """Count what differs from what is wanted."""
    for name, all_wanted, all_found in (
        ("row", wanted.rows, found.rows),
        ("load", wanted.loads, found.loads),
        ("archived file", Counter(wanted.archive), Counter(found.archive)),
    ):
        for kind, difference in ((LOST, all_wanted - all_found), (DOUBLED, all_found - all_wanted)):
            for one, number in difference.items():
                tally.defect(kind, f"{what}: {name} {one}", number)
    for left in [*found.ingesting, *found.stage]:
        tally.defect(LEAKED, f"{what}: file {left}")


@contextmanager
def _process(shop: Shop, executor: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.soak.run_loads", str(shop.root), executor]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, "TZ": "UTC"}, stdin=pipe, stdout=pipe, text=True)
    try:
        assert _answer(process) == "ready\n"
        yield process
    finally:
        process.communicate()


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("run\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


TRIAL = Trial(
    title="Two runs of one job at once",
    text="""\
Two processes run the same job on the same files at the same time, on the embedded executor and on the shell executor in
turns: tables with APPEND, OVERWRITE, UPSERT_BY_KEY, SCD2 and DELETE_THEN_INSERT, two files each. Every fifth time the
tables do not exist yet. Both runs must succeed, and rows, files and the audit must be those of one run alone.""",
    attempts=40,
    few=2,
    seconds=80,
    run=_run,
)
