"""Generated files that load: every pre-load strategy, with and without schedules, wherever commands run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance

from ai.starlake.embedded.engine import Engine
from tests.dagster.dag_templates.machinery import imported, run, validated
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.shops import TABLES, Bakery

STRATEGIES = ("none", "imported", "pending", "ack")
JOBS = {0: {"starbake_load": None}, 1: {"starbake_load": "0 5 * * *"}}
TWO_JOBS = {"starbake_load_cron1": "0 5 * * *", "starbake_load_hourly": "0 * * * *"}
TABLES_OF = {"starbake_load_cron1": {"Customers", "Ingredients", "Products"}, "starbake_load_hourly": {"Orders"}}

DAILY = {("none", 0), ("imported", 1), ("ack", 2)}
"""Cells that `make test` runs for each environment except the shell, whose cells are all quick; `make test-slow` runs
the others."""


def cells(places: tuple[str, ...]) -> list[Any]:
    """Return the matrix: place, pre-load strategy, number of schedules."""

    def quick(place: str, strategy: str, schedules: int) -> bool:
        return place == "shell" or (strategy, schedules) in DAILY

    matrix = itertools.product(places, STRATEGIES, range(3))
    return [pytest.param(*cell, marks=() if quick(*cell) else pytest.mark.slow) for cell in matrix]


def jobs_of(schedules: int) -> dict[str, str | None]:
    """Return the jobs that a file has, with their cron expressions."""
    return JOBS.get(schedules, TWO_JOBS)


def run_all(
    bakery: Bakery, module: ModuleType, strategy: str, schedules: int, instance: DagsterInstance
) -> dict[str, set[str]]:
    """Run each job once; return the assets that each one materialized."""
    made = {}
    for job in jobs_of(schedules):
        bakery.deliver(strategy)
        events = run(module, job, instance).get_asset_materialization_events()
        made[job] = {event.asset_key.to_user_string() for event in events if event.asset_key}
    return made


@pytest.mark.parametrize(("place", "strategy", "schedules"), cells(("shell", "cloud_run", "dataproc")))
def test_each_file_loads_what_was_delivered_once(
    place: str,
    strategy: str,
    schedules: int,
    tmp_path: Path,
    options: Callable[[str], dict[str, str]],
    fake: FakeStarlake,
    instance: DagsterInstance,
) -> None:
    bakery = Bakery(tmp_path / "starbake", place, options(place))
    with imported(bakery.loads(strategy, schedules)) as module:
        definitions = validated(module).get_repository_def()
        jobs = jobs_of(schedules)
        crons = {schedule.job_name: schedule.cron_schedule for schedule in definitions.schedule_defs}
        assert crons == {job: cron for job, cron in jobs.items() if cron}
        run_all(bakery, module, strategy, schedules, instance)
        assert sorted(call.value_of("--tables") or "" for call in fake.calls("load")) == sorted(TABLES)
        assert len(fake.calls("stage")) == (len(jobs) if strategy == "imported" else 0)
        dates = {call.value_of("--scheduledDate") for call in fake.calls("load")}
        assert None not in dates
        assert len(dates) == len(jobs)
        assert left(bakery) == []
        loaded = len(fake.calls("load"))
        for job in jobs:
            run(module, job, instance)
        # without a strategy nothing decides whether there is something to load
        assert len(fake.calls("load")) == loaded * (2 if strategy == "none" else 1)


def left(bakery: Bakery) -> list[Path]:
    """Return the files that were delivered and not loaded."""
    areas = (bakery.root / "incoming", bakery.root / "datasets" / "stage", bakery.root / "datasets" / "ingesting")
    return [file for area in areas for file in area.rglob("*") if file.is_file()]


def rows(root: Path) -> dict[str, int]:
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        return {table: connection.table(f"starbake.{table}").count("*").fetchall()[0][0] for table in TABLES}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return the rows that the engine makes of the files without Dagster."""
    root = Bakery(tmp_path_factory.mktemp("expected") / "starbake", "embedded").root
    engine = Engine.open(root)
    engine.stage()
    engine.load()
    return rows(root)


@pytest.mark.parametrize(("place", "strategy", "schedules"), cells(("embedded",)))
def test_the_tables_hold_what_was_delivered(
    place: str, strategy: str, schedules: int, tmp_path: Path, instance: DagsterInstance, expected: dict[str, int]
) -> None:
    bakery = Bakery(tmp_path / "starbake", place)
    with imported(bakery.loads(strategy, schedules)) as module:
        made = run_all(bakery, module, strategy, schedules, instance)
    assert all(expected.values())
    assert rows(bakery.root) == expected
    # a job loads the tables of its schedule only
    tables_of = {job: TABLES_OF.get(job, TABLES) for job in jobs_of(schedules)}
    assert made == {job: {*(f"starbake_{table}" for table in tables), job} for job, tables in tables_of.items()}
