"""Facades under a real `dagster dev`, while `starlake-embedded` loads, transforms and fails outside of it.

One facade reads the audit from its DuckDB file and one from PostgreSQL, each both as runs and as events. Dagster is
restarted in between, and something happens while it is down. In the end every outcome is in Dagster, once, with its
times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from datetime import timezone
from pathlib import Path

import duckdb
import pytest
from dagster import AssetCheckKey, AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRunStatus, RunsFilter

from tests.dagster.assets.conftest import Folder
from tests.dagster.dev.machinery import Location, dev_server
from tests.fakes.outside_audit import PostgresAudit, copy_new_rows
from tests.fakes.project_folder import APPLICATION
from tests.postgres_server import PASSWORD, shared_server
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

SOURCE = """
import os
from dagster import DagsterRunStatus, DefaultSensorStatus, Definitions, EnvVar, JobSelector, run_status_sensor
from ai.starlake.dagster import StarlakeDagsterFacade

PROJECT = os.environ["TEST_ROOT"] + "/bakery"
fast = {"interval_seconds": 1, "settle_seconds": 1, "group_seconds": 120, "log_url_template": "https://logs/{job_id}"}
facades = {
    "duckdb": StarlakeDagsterFacade(PROJECT, f"{PROJECT}/datasets/duckdb.db", **fast),
    "postgresql": StarlakeDagsterFacade(PROJECT, EnvVar("AUDIT_URL"), **fast),
}


@run_status_sensor(
    run_status=DagsterRunStatus.FAILURE,
    monitored_jobs=[JobSelector(location_name="dag.py", job_name="starlake_mirror_duckdb_runs")],
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=1,
)
def on_failed_night(context):
    with open(os.environ["TEST_ROOT"] + "/heard", "a") as heard:
        print(context.dagster_run.tags["starlake/outside_run"], file=heard)


defs = Definitions.merge(
    Definitions(sensors=[on_failed_night]),
    *(
        facade.create_definitions(f"{name}_{mirror}", f"{name}_{mirror}", mirror=mirror)
        for name, facade in facades.items()
        for mirror in ("runs", "events")
    )
)
"""
FACADES = ("duckdb_runs", "duckdb_events", "postgresql_runs", "postgresql_events")
ITEMS = {("shop", "orders"), ("shop", "returns"), ("kpis", "sales")}
TICKS = """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor {
  sensorState { ticks(limit: 1) { tickId } } } } }"""


class Outside:
    """The other scheduler, and the PostgreSQL that its audit is in as well.

    A night is seen as a whole, however long its commands take: its DuckDB file replaces that of the night before.
    """

    def __init__(self, folder: Folder, url: str) -> None:
        self.folder = folder
        self.seen = folder.root / "datasets" / "duckdb.db"
        self.file = folder.root / "datasets" / "night.db"
        self.postgres = PostgresAudit(url)

    def night(self, job_id: str | None, *, returns: str = "1;1") -> None:
        """Load the tables and run a task, whatever fails; files that fail are taken away then."""
        for table, row in (("orders", "1;5"), ("returns", returns)):
            stage = self.folder.root / "datasets" / "stage" / "shop"
            stage.mkdir(parents=True, exist_ok=True)
            (stage / f"{table}_{uuid.uuid4().hex}.csv").write_text(f"id;price\n{row}\n")
        self._starlake(job_id, "load", "--domains", "shop")
        for left in stage.glob("*.csv"):
            left.unlink()
        self._starlake(job_id, "transform", "--name", "kpis.sales")
        new = self.seen.with_suffix(".new")
        shutil.copy(self.file, new)
        new.replace(self.seen)

    def copy(self) -> None:
        """Lets PostgreSQL have the rows that are new, when nobody writes into the file."""
        wait_for("the file of the audit", self._copy)

    def rows(self) -> list[tuple[tuple[str, str], str, float]]:
        """Return the rows of the audit: table, status and start."""
        found = self.postgres.run("SELECT DOMAIN, SCHEMA, SUCCESS, TIMESTAMP FROM audit.audit ORDER BY TIMESTAMP")
        return [
            ((domain, table), "success" if success else "failure", moment(started))
            for domain, table, success, started in found
        ]

    def _copy(self) -> bool:
        try:
            copy_new_rows(self.file, self.postgres)
        except duckdb.IOException:
            return False
        return True

    def _starlake(self, job_id: str | None, *arguments: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SL_")}
        given = {} if job_id is None else {"SL_JOB_ID": job_id}
        subprocess.run(
            [Path(sys.executable).with_name("starlake-embedded"), *arguments],
            env={**inherited, **given, "SL_ROOT": str(self.folder.root), "DUCKDB_FILE": str(self.file)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def moment(started) -> float:
    return round(started.replace(tzinfo=timezone.utc).timestamp(), 3)


@pytest.fixture
def outside(tmp_path):
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION.replace("{{SL_ROOT}}/datasets/duckdb.db", "{{DUCKDB_FILE}}"))
    for table in ("orders", "returns"):
        folder.table("shop", table, "id: long, price: long", "metadata: {maxRejected: 0}\n")
    folder.task("kpis", "sales", "SELECT sum(price) AS total FROM shop.orders")
    return Outside(folder, shared_server().database())


@pytest.fixture
def location(tmp_path, outside):
    variables = {
        "AUDIT_URL": str(outside.postgres.audit),
        "DUCKDB_FILE": str(outside.seen),
        "SL_DAGSTER_CACHE": str(tmp_path / "cache"),
    }
    location = Location.make(tmp_path, uuid.uuid4().hex, SOURCE, **variables)
    yield location
    location.end_all()


class Recorded:
    """Records of Dagster."""

    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance

    def runs(self, job: str) -> dict[str, DagsterRunStatus]:
        """Return the runs of a job, by the name of the run outside."""
        found = self.instance.get_runs(RunsFilter(job_name=job))
        named = {run.tags.get("starlake/outside_run", "sync"): run.status for run in found}
        assert len(named) == len(found), "two runs mirror one"
        return named

    def made(self, facade: str) -> Counter:
        """Return the materializations of a facade, as `Outside.rows` has them."""
        return Counter(
            (item, "success", started(record.asset_materialization.metadata))
            for item in ITEMS
            for record in self.instance.fetch_materializations(AssetRecordsFilter(key(facade, item)), limit=500).records
        )

    def outcomes(self, facade: str) -> Counter:
        """Return the outcomes of a facade: table, status and start; observations of those that a later one preceded."""
        found = Counter()
        for item in ITEMS:
            check = AssetCheckKey(key(facade, item), "last_run")
            results = self.instance.event_log_storage.get_asset_check_execution_history(check, limit=500)
            for record in results:
                result = record.event.dagster_event.event_specific_data
                status = plain(result.metadata)["starlake/status"]
                assert result.passed == (status == "success")
                found[item, status, started(result.metadata)] += 1
            seen = self.instance.fetch_observations(AssetRecordsFilter(key(facade, item)), limit=500).records
            for record in seen:
                metadata = record.asset_observation.metadata
                found[item, plain(metadata)["starlake/status"], started(metadata)] += 1
        return found


def last_of(rows):
    """Return the last of some rows of each table."""
    return {row[0]: row for row in rows}


def key(facade: str, item: tuple[str, str]) -> AssetKey:
    return AssetKey([facade, *item])


def plain(metadata) -> dict[str, object]:
    return {name: value.value for name, value in metadata.items()}


def started(metadata) -> float:
    return round(plain(metadata)["starlake/started"], 3)


def ticks(server) -> dict[str, int]:
    """Return the number of the last tick of each sensor."""
    found = {}
    for facade in FACADES:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "dag.py",
            "sensorName": f"starlake_track_{facade}",
        }
        state = server.ask(TICKS, selector=selector)["sensorOrError"]["sensorState"]
        found[facade] = max((int(tick["tickId"]) for tick in state["ticks"]), default=0)
    return found


def heard(location: Location) -> list[str]:
    """Return the runs that the sensor of a user heard of."""
    file = location.root / "heard"
    return file.read_text().splitlines() if file.exists() else []


def wait_for_ticks(server, number: int) -> None:
    before = ticks(server)

    def passed():
        return all(tick >= before[facade] + number for facade, tick in ticks(server).items())

    wait_for(f"{number} more ticks of each sensor", passed)


def wait_until_equal(what, ask, expected) -> None:
    wait_for(what, lambda: ask() == expected, seen=lambda: f"{ask()} is not {expected}")


@pytest.mark.timeout(600)
def test_every_outcome_is_in_dagster_once_with_its_times(outside, location):
    outside.night("history", returns="x;y")
    outside.copy()
    history = outside.rows()
    with DagsterInstance.from_config(str(location.home)) as instance:
        recorded = Recorded(instance)
        with dev_server(location) as server:
            for facade in FACADES:
                synced = {"sync": DagsterRunStatus.SUCCESS}
                wait_until_equal("sync", lambda job=f"starlake_sync_{facade}": recorded.runs(job), synced)
            outside.night("night 1")
            outside.copy()
            outside.night("night 2", returns="x;y")
            wait_for("the first mirrored run", lambda: recorded.runs("starlake_mirror_duckdb_runs"))
        outside.copy()
        outside.night("night 3")  # while Dagster is down
        with dev_server(location) as server:
            outside.copy()  # later than they ended
            outside.folder.task("kpis", "sales", "SELECT sum(price) AS total FROM shop.nothing")
            outside.night(None)
            outside.copy()
            new = outside.rows()[len(history) :]
            assert Counter(status for _, status, _ in new) == {"success": 10, "failure": 2}
            outcomes = Counter([*last_of(history).values(), *new])  # history is synced: the last outcome, and below ...
            successes = [row for row in history if row[1] == "success"]  # ... the last success
            made = Counter(row for row in [*last_of(successes).values(), *new] if row[1] == "success")
            for facade in FACADES:
                wait_until_equal(facade, lambda facade=facade: recorded.outcomes(facade), outcomes)
            wait_for("the sensor of a user", lambda: len(heard(location)) >= 2)
            wait_for_ticks(server, 2)
        for facade in FACADES:
            assert recorded.outcomes(facade) == outcomes, facade
            assert recorded.made(facade) == made, facade
        for facade in ("duckdb_runs", "postgresql_runs"):
            runs = recorded.runs(f"starlake_mirror_{facade}")
            named = {name: status for name, status in runs.items() if name.startswith("night")}
            assert named == {
                "night 1": DagsterRunStatus.SUCCESS,
                "night 2": DagsterRunStatus.FAILURE,
                "night 3": DagsterRunStatus.SUCCESS,
            }
            (group,) = set(runs) - set(named)
            assert runs[group] == DagsterRunStatus.FAILURE
            assert facade == "postgresql_runs" or heard(location) == ["night 2", group]
    assert PASSWORD not in location.log.read_text()
