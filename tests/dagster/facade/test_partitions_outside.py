"""Runs of another scheduler for the partitions of tables that have a schedule."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from dagster import (
    DagsterInstance,
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    StaticPartitionsDefinition,
)

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.dagster.facade.mirroring.scheduled_partitions import partition_of
from ai.starlake.dagster.pipelines.partitions import standard_partitions
from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler, plain

DAYS = DailyPartitionsDefinition("2026-01-01")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def row(scheduled: str | None, started: str) -> AuditRow:
    when = at(scheduled) if scheduled else None
    return AuditRow("17", "a.csv", "shop", "orders", True, None, at(started), 60, "success", "LOAD", when)


@pytest.mark.parametrize(
    ("partitions", "scheduled", "started", "key"),
    [
        pytest.param(DAYS, "2026-03-01", "2026-03-02T00:05", "2026-03-01", id="the start of the interval"),
        pytest.param(DAYS, "2026-03-01T17:30", "2026-03-02T00:05", "2026-03-01", id="within the interval"),
        pytest.param(DAYS, "2026-03-02", "2026-03-02T00:05", "2026-03-01", id="the tick at its end"),
        pytest.param(DAYS, "2026-02-01", "2026-03-02T00:05", "2026-02-01", id="a late one"),
        pytest.param(DAYS, "2026-01-01", "2026-01-01T00:05", None, id="before the first one is over"),
        pytest.param(DAYS, "2025-07-01", "2026-03-02T00:05", None, id="before the first one"),
        pytest.param(DAYS, None, "2026-03-02T00:05", None, id="no logical date"),
        pytest.param(DAYS, "2026-03-02T00:05", "2026-03-02T00:05", None, id="the start of the command"),
        pytest.param(StaticPartitionsDefinition(["a"]), "2026-03-01", "2026-03-02", None, id="of something else"),
        pytest.param(None, "2026-03-01", "2026-03-02", None, id="no partitions"),
        pytest.param(
            HourlyPartitionsDefinition(at("2026-10-24"), timezone="Europe/Paris"),
            "2026-10-25T01:00",
            "2026-10-25T02:05",
            "2026-10-25-02:00+0100",
            id="the hour that comes twice",
        ),
        pytest.param(
            standard_partitions("0 0 29 2 *", date(2018, 1, 1), "UTC"),
            "2020-02-29",
            "2024-03-01",
            "2020-02-29T00:00:00+0000",
            id="a leap day",
        ),
    ],
)
def test_the_partition_of_a_logical_date(
    partitions: object, scheduled: str | None, started: str, key: str | None, instance: DagsterInstance
) -> None:
    found, why_not = partition_of(partitions, row(scheduled, started), instance)
    assert found == key
    assert (why_not is None) == (key is not None or partitions is None)


class TestMirrored:
    @pytest.fixture(params=["runs", "events"])
    def mirror(self, shop: Folder, instance: DagsterInstance, request: pytest.FixtureRequest) -> Mirror:
        """Return a mirror of a table that is loaded daily."""
        shop.table("shop", "orders", "id: long, price: long", "metadata: {schedule: '0 0 * * *'}\n")
        return Mirror(shop, instance, mirror=request.param, facade={"options": {"start_date": "2026-01-01"}})

    def test_of_all_ways(self, mirror: Mirror, scheduler: Scheduler, capfd: pytest.CaptureFixture[str]) -> None:
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [today - timedelta(days=number) for number in (3, 2)]
        scheduler.bring("shop.orders", "0;5", name="0", job_id="16", scheduled=days[0])
        mirror.tick()
        for number, scheduled in enumerate((days[1], None), 1):
            scheduler.bring(
                "shop.orders", f"{number};5", name=str(number), job_id=f"{16 + number}", scheduled=scheduled
            )
        mirror.settle()
        made = mirror.materializations("shop/orders")
        assert [each.partition for each in made] == [None, f"{days[1]:%Y-%m-%d}", f"{days[0]:%Y-%m-%d}"]
        assert "no logical date" in plain(made[0].metadata)["starlake/without_partition"]
        assert "shop.orders is recorded without a partition" in capfd.readouterr().err
        assert plain(made[1].metadata)["starlake/logical_date"] == days[1].timestamp()
        assert mirror.passed("shop/orders") == [True] * 3
        assert mirror.sync().success
        assert len(mirror.materializations("shop/orders")) == 3
