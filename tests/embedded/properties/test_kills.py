"""A command that is killed anywhere and run again leaves what one run would have left: nothing lost, nothing twice."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter

import pytest
from killing import KILLED, Kill, count_points, run_command
from shop import tables_of

ATTRIBUTES = [{"name": "id", "type": "long"}, {"name": "label", "type": "string"}]
LOAD = ["load"]
TRANSFORM = ["transform", "--name", "kpi.totals", "--recursive"]


class Work:
    """A project with work to do, and what it looks like when it is done."""

    def __init__(self, shop):
        self.shop = shop
        self.log = shop.root / "log.txt"
        self.before = shop.root / "before"
        key = {"key": ["id"]}
        strategies = {"plain": {}, "upsert": {"type": "UPSERT_BY_KEY", **key}, "versions": {"type": "SCD2", **key}}
        for name, strategy in strategies.items():
            shop.table(name, ATTRIBUTES, {"separator": ",", "writeStrategy": strategy})
        shop.table("grouped", ATTRIBUTES, {"separator": ",", "grouped": True})
        shop.task("base", "SELECT 1 AS id, 2 AS amount UNION ALL SELECT 2, 3")
        shop.task("totals", "SELECT sum(amount) AS total FROM kpi.base", writeStrategy={"type": "OVERWRITE"})

    @property
    def environment(self):
        return {**self.shop.environment, "SL_DUCKDB_LOCK_TIMEOUT": "20"}

    def begin(self):
        """Make the state before the command: tables that were loaded before, and new files; one row is rejected."""
        self.shop.clear()
        if self.before.is_dir():
            shutil.copytree(self.before, self.shop.datasets)
            return
        for name in ("plain-0", "upsert-0", "versions-0"):
            self.shop.put(f"{name}.csv", "id,label\n1,before\n")
        assert not self.shop.load().failures  # in this process, so that those forked from it need not prepare again
        for name in ("plain-1", "upsert-1", "versions-1", "grouped-1", "grouped-2"):
            rows = "".join(f"{row},{name}\n" for row in range(3))
            self.shop.put(f"{name}.csv", f"id,label\n{rows}")
        self.shop.put("plain-2.csv", "id,label\n7,good\nseven,bad\n")
        shutil.copytree(self.shop.datasets, self.before)

    def run(self, command, kill):
        return run_command(command, self.environment, self.log, kill)

    def finish(self, command):
        assert run_command(command, self.environment, self.log) == 0, self.log.read_text(encoding="utf-8")

    def state(self):
        """Tables, audit and files, without what depends on the time."""
        with self.shop.database() as connection:  # to open it takes longer than to read it
            found = tables_of(connection)
            audit = connection.execute(
                "SELECT PATHS, DOMAIN, SCHEMA, COUNT, COUNTREJECTED, STEP FROM audit.audit WHERE SUCCESS"
            ).fetchall()
            rejected = connection.execute("SELECT SCHEMA, ERROR FROM audit.rejected").fetchall()
        tables = {
            name: Counter(tuple("time" if hasattr(cell, "year") else cell for cell in row) for row in rows)
            for name, rows in found.items()
        }
        areas = {area: self.shop.files(area) for area in ("stage", "ingesting", "archive", "unresolved")}
        return tables, Counter(audit), Counter(rejected), areas


@pytest.fixture
def work(shop):
    return Work(shop)


def wanted(work, command):
    work.begin()
    points = count_points(command, work.environment, work.log)
    return work.state(), points


def check(work, command, expected, kills):
    """Kills the command again and again, then lets it end."""
    work.begin()
    for kill in kills:
        code = work.run(command, kill)
        assert code in (KILLED, 0)
    work.finish(command)
    assert work.state() == expected


def some_points(points, count):
    """Points spread over the whole run, others in every run of the test."""
    step = points / count
    return [Kill(int(step * place + random.random() * step) + 1) for place in range(count)]


def test_loads_killed_at_some_points(work):
    expected, points = wanted(work, LOAD)
    assert len(expected[3]["archive"]) == 9
    for kill in some_points(points, 5):
        check(work, LOAD, expected, [kill])


def test_load_killed_again_while_it_recovers(work):
    expected, points = wanted(work, LOAD)
    check(work, LOAD, expected, [kill for kill in some_points(points, 3) for kill in (kill, Kill(4), Kill(10))])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_load_killed_at_every_point(work):
    expected, points = wanted(work, LOAD)
    assert points > 30
    for point in range(1, points + 1):
        check(work, LOAD, expected, [Kill(point)])


@pytest.mark.slow
def test_load_killed_at_any_time(work):
    work.begin()
    started = time.perf_counter()
    work.finish(LOAD)
    duration, expected = time.perf_counter() - started, work.state()
    for _ in range(20):
        check(work, LOAD, expected, [Kill(delay=random.uniform(0, duration)) for _ in range(random.randint(1, 3))])


def transformed(work, kills):
    """APPEND repeats when a task is run again after its end; a killed run must have left nothing or all of it."""
    work.begin()
    for kill in kills:
        work.run(TRANSFORM, kill)
        rows = work.shop.tables().get("kpi.base", [])
        runs = work.shop.rows("SELECT count(*) FROM audit.audit WHERE PATHS = 'kpi.base'")[0][0]
        assert Counter(rows) == Counter([(1, 2), (2, 3)] * runs)
    work.finish(TRANSFORM)
    base = work.shop.tables()["kpi.base"]
    assert len(base) == 2 * work.shop.rows("SELECT count(*) FROM audit.audit WHERE PATHS = 'kpi.base'")[0][0]
    assert work.shop.tables()["kpi.totals"] == [(sum(amount for _, amount in base),)]


@pytest.mark.slow
def test_transform_killed_at_some_points(work):
    _, points = wanted(work, TRANSFORM)
    for kill in some_points(points, 5):
        transformed(work, [kill])


@pytest.mark.slow
def test_transform_killed_at_every_point(work):
    _, points = wanted(work, TRANSFORM)
    for point in range(1, points + 1):
        transformed(work, [Kill(point)])
