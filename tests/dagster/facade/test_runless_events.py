"""Runs of another scheduler as events that need no run of Dagster."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import duckdb
import pytest
from dagster import DagsterInstance

from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler, plain


@pytest.fixture
def mirror(shop: Folder, instance: DagsterInstance) -> Mirror:
    """Return a mirror whose history is synchronised."""
    mirror = Mirror(shop, instance, mirror="events")
    mirror.tick()
    assert [run.job_def.name for run in mirror.runs] == ["starlake_sync_prod"]
    return mirror


def test_outcomes_are_recorded_without_a_run(mirror: Mirror, scheduler: Scheduler) -> None:
    scheduler.bring("shop.orders", "1;-5", job_id="17")
    assert scheduler.transform("kpis.sales", job_id="17")
    scheduler.bring("shop.returns", "y;1", job_id="17")
    assert mirror.settle() == []
    (orders,) = mirror.materializations("shop/orders")
    metadata = plain(orders.metadata)
    assert (metadata["starlake/audit_id"], metadata["starlake/rows_read"]) == ("17", 1)
    assert metadata["starlake/started"] <= metadata["starlake/ended"]
    assert mirror.passed("shop/orders") == [True]
    assert mirror.passed("shop/orders", "none_below_price_0") == [False]
    assert len(mirror.materializations("kpis/sales")) == 1
    assert mirror.materializations("shop/returns") == []
    (last,) = mirror.checks("shop/returns")
    assert not last.passed
    assert last.description == "1 invalid records"
    assert len(mirror.instance.get_run_records()) == 1


def test_secrets_in_what_starlake_wrote_are_masked(mirror: Mirror, scheduler: Scheduler, shop: Folder) -> None:
    scheduler.bring("shop.returns", "y;1", job_id="17")
    with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
        connection.execute("UPDATE audit.audit SET MESSAGE = 'no postgresql://ada:hunter2@db, password=hunter2'")
    mirror.settle()
    (last,) = mirror.checks("shop/returns")
    assert last.description == "no postgresql://ada:***@db, password=***"


def test_a_crash_before_the_cursor_is_kept_doubles_nothing(mirror: Mirror, scheduler: Scheduler) -> None:
    scheduler.bring("shop.orders", "1;-5", job_id="17")
    scheduler.bring("shop.returns", "y;1", job_id="17")
    while not mirror.tick(crash=True).asset_events:
        mirror.tick()
    mirror.settle()
    assert len(mirror.materializations("shop/orders")) == 1
    for asset, check in (("shop/orders", "last_run"), ("shop/orders", "rejected_rows"), ("shop/returns", "last_run")):
        assert len(mirror.checks(asset, check)) == 1


def test_a_crash_amid_the_events_loses_nothing(
    mirror: Mirror, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.bring("shop.orders", "1;-5", job_id="17")
    report, reported = mirror.instance.report_runless_asset_event, []

    def dies(event: object) -> None:
        if len(reported) == 2:
            raise KeyboardInterrupt
        reported.append(event)
        report(event)

    with monkeypatch.context() as patch:
        patch.setattr(mirror.instance, "report_runless_asset_event", dies)
        with pytest.raises(KeyboardInterrupt):
            mirror.settle()
    mirror.settle()
    assert len(mirror.materializations("shop/orders")) == 1
    for check in ("last_run", "rejected_rows", "none_below_price_0"):
        assert len(mirror.checks("shop/orders", check)) == 1


def test_several_runs_of_a_table_are_recorded_in_their_order(mirror: Mirror, scheduler: Scheduler) -> None:
    scheduler.bring("shop.returns", "1;1", job_id="17")
    scheduler.bring("shop.returns", "y;1", name="2", job_id="18")
    mirror.settle()
    assert mirror.passed("shop/returns") == [False, True]
    assert len(mirror.materializations("shop/returns")) == 1


@pytest.mark.slow
def test_thousands_of_rows_at_once_are_spread_over_ticks(mirror: Mirror, scheduler: Scheduler, shop: Folder) -> None:
    scheduler.bring("shop.returns", "1;1", job_id="0")
    start = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=120)
    with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
        connection.execute(
            """INSERT INTO audit.audit
            SELECT audit.* REPLACE ('job ' || (number // 100) AS JOBID, ? + to_milliseconds(number) AS TIMESTAMP)
            FROM audit.audit, range(2000) numbers(number)""",
            [start],
        )
    most = 0
    for _ in range(12):
        most = max(most, len(mirror.tick().asset_events))
    assert most <= 500
    ids = [plain(made.metadata)["starlake/audit_id"] for made in mirror.materializations("shop/returns")]
    assert sorted(ids) == sorted(["0", *(f"job {number}" for number in range(20))])
