"""The whole way of a file under a real `dagster dev`, with nobody at the UI: it lands, and its rows are loaded."""

from __future__ import annotations

import uuid
from pathlib import Path

import duckdb
import pytest

from tests.dagster.assets.conftest import Folder
from tests.dagster.dev.machinery import Location, Server, dev_server
from tests.fakes.project_folder import APPLICATION
from tests.waiting import wait_for

SOURCE = """
import os
from pathlib import Path

from dagster import Definitions, DefaultSensorStatus, in_process_executor

from ai.starlake.dagster import build_starlake_definitions, on_rows_rejected
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob

root = Path(os.environ["TEST_ROOT"])
options = {"default_status": "running", "file_sensor_interval": 1, "file_settle_seconds": 1}


@on_rows_rejected(default_status=DefaultSensorStatus.RUNNING, minimum_interval_seconds=1)
def note(event):
    with (root / "notes").open("a") as notes:
        notes.write(event.message + "\\n")


defs = Definitions.merge(
    build_starlake_definitions(root / "bakery", StarlakeDagsterEmbeddedJob(options=options)),
    Definitions(sensors=[note], executor=in_process_executor),
)
"""


def rows(root: Path, sql: str) -> list[tuple]:
    """Return the rows of a query; none while the database is written to or not there."""
    try:
        with duckdb.connect(str(root / "bakery/datasets/duckdb.db"), read_only=True) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.Error:
        return []


@pytest.mark.slow
def test_a_file_that_lands_ends_in_rows(tmp_path):
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION)
    folder.write(
        "load/shop/_config.sl.yml",
        """
        version: 1
        load:
          metadata: {directory: "{{SL_ROOT}}/incoming/shop", withHeader: true, separator: ","}
        """,
    )
    folder.table("shop", "orders")
    folder.task("kpi", "sales", "SELECT count(*) AS n FROM shop.orders")
    landing = folder.root / "incoming/shop"
    landing.mkdir(parents=True)
    location = Location.make(tmp_path, uuid.uuid4().hex, SOURCE, PYTHONPATH=str(Path(__file__).parents[3]))
    try:
        with dev_server(location) as server:
            see_rows(location, server, landing)
    finally:
        location.end_all()


def see_rows(location: Location, server: Server, landing: Path) -> None:
    """Delivers two files, one after the other, and waits for what becomes of them."""
    for number, total in ((1, 2), (2, 4)):
        (landing / f".orders_{number}").write_text("id\n1\n2\nx\n")
        (landing / f".orders_{number}").rename(landing / f"orders_{number}.csv")
        sales = f"SELECT n FROM kpi.sales WHERE n = {total}"
        assert wait_for("the rows", lambda sales=sales: rows(location.root, sales)) == [(total,)]
    notes = location.root / "notes"
    wait_for("the reaction", lambda: notes.exists() and len(notes.read_text().splitlines()) == 2)
    assert notes.read_text() == "shop.orders: 1 of 3 rows are rejected\n" * 2
    runs = server.ask("{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]["results"]
    assert len(runs) == 2
