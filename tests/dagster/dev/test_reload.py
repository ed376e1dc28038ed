"""The code location of a facade reloads under a real `dagster dev` when its project changes."""

from __future__ import annotations

import uuid

import pytest

from tests.dagster.assets.conftest import Folder
from tests.dagster.dev.machinery import Location, dev_server
from tests.fakes.project_folder import APPLICATION
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

SOURCE = """
import os
from ai.starlake.dagster import StarlakeDagsterFacade

ROOT = os.environ["TEST_ROOT"]
facade = StarlakeDagsterFacade(
    f"{ROOT}/bakery", f"{ROOT}/audit.db", "127.0.0.1", int(os.environ["TEST_PORT"]), interval_seconds=1
)
defs = facade.create_definitions("prod", mirror="events")
"""
ASSETS = "{ assetNodes { assetKey { path } } }"
TICKS = """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor {
  sensorState { ticks(limit: 1000) { tickId status skipReason error { message } } } } } }"""
SENSOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "dag.py",
    "sensorName": "starlake_track_prod",
}


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION)
    folder.table("shop", "orders")
    return folder


@pytest.fixture
def server(tmp_path, folder):
    location = Location.make(tmp_path, uuid.uuid4().hex, SOURCE, SL_DAGSTER_CACHE=str(tmp_path / "cache"))
    try:
        with dev_server(location) as server:
            yield server
    finally:
        location.end_all()


def assets(server):
    return {"/".join(node["assetKey"]["path"]) for node in server.ask(ASSETS)["assetNodes"]}


def ticks(server):
    """Return the messages of ticks, newest first."""
    found = server.ask(TICKS, selector=SENSOR)["sensorOrError"]["sensorState"]["ticks"]
    assert [tick["error"] for tick in found if tick["error"]] == []
    return [(int(tick["tickId"]), tick["skipReason"] or "") for tick in found]


def reloads(server):
    return [number for number, reason in ticks(server) if "was reloaded" in reason]


def test_a_change_reloads_it_once_and_a_broken_one_does_not(server, folder):
    assert assets(server) == {"shop/orders"}
    wait_for("the first tick", lambda: ticks(server))

    folder.table("shop", "customers")
    wait_for("the new asset", lambda: assets(server) == {"shop/orders", "shop/customers"})
    (reload,) = wait_for("the tick that reloaded", lambda: reloads(server))

    broken = folder.write("load/shop/sellers.sl.yml", "version: 1\ntable:\n  name: sellers\n  patern: s.*\n")

    def complaint():
        return next((reason for _, reason in ticks(server) if "definitions stay" in reason), None)

    reason = wait_for("a tick that says what is wrong", complaint)
    assert f"{broken}:4: error: " in reason
    assert assets(server) == {"shop/orders", "shop/customers"}
    assert reloads(server) == [reload], "each change reloads once, and a broken one does not"

    folder.table("shop", "sellers")
    wait_for("the corrected asset", lambda: "shop/sellers" in assets(server))
    last = wait_for("the second reload", lambda: len(found := reloads(server)) == 2 and max(found))
    wait_for("two more ticks", lambda: max(number for number, _ in ticks(server)) >= last + 2)
    assert len(reloads(server)) == 2
