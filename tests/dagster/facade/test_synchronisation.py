"""The state of the audit in Dagster: by the job, and by checks that somebody executes."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from dagster import AssetCheckSeverity, AssetSelection, DagsterInstance, Definitions, define_asset_job

from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler, plain


class TestSync:
    def test_the_last_success_the_last_outcome_and_the_last_checks(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        scheduler.deliver("shop.orders", "1;5")
        scheduler.load("shop.orders", job_id="16")
        scheduler.deliver("shop.orders", "2;-3", "x;1", name="2")
        scheduler.load("shop.orders", job_id="17")
        scheduler.deliver("shop.returns", "1;1")
        scheduler.load("shop.returns", job_id="17")
        scheduler.deliver("shop.returns", "y;1", name="2")
        scheduler.load("shop.returns", job_id="18")
        mirror = Mirror(shop, instance)
        mirror.tick()
        (run,) = mirror.runs
        assert run.success
        (orders,) = mirror.materializations("shop/orders")
        metadata = plain(orders.metadata)
        assert (metadata["starlake/audit_id"], metadata["starlake/rows_read"]) == ("17", 2)
        assert metadata["starlake/ended"] < datetime.now(timezone.utc).timestamp()
        assert mirror.passed("shop/orders") == [True]
        assert mirror.passed("shop/orders", "rejected_rows") == [False]
        (below,) = mirror.checks("shop/orders", "none_below_price_0")
        assert (below.passed, plain(below.metadata)["starlake/count"]) == (False, 1)
        (returns,) = mirror.materializations("shop/returns")
        assert plain(returns.metadata)["starlake/audit_id"] == "17"
        (last,) = mirror.checks("shop/returns")
        assert (last.passed, plain(last.metadata)["starlake/audit_id"]) == (False, "18")
        assert last.severity is AssetCheckSeverity.ERROR
        assert mirror.materializations("kpis/sales") == []
        assert mirror.settle() == []

    def test_a_second_time_only_what_is_new(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance, capfd: pytest.CaptureFixture[str]
    ) -> None:
        scheduler.deliver("shop.orders", "1;5")
        scheduler.load("shop.orders", job_id="17")
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        assert "4 new event(s) of 1 table(s) and task(s)" in capfd.readouterr().err
        assert mirror.sync().success
        assert "no new event(s) of 1 table(s) and task(s)" in capfd.readouterr().err
        assert len(mirror.materializations("shop/orders")) == 1
        assert mirror.passed("shop/orders") == [True]
        scheduler.deliver("shop.returns", "1;1")
        scheduler.load("shop.returns", job_id="18")
        assert mirror.sync().success
        assert len(mirror.materializations("shop/orders")) == 1
        assert len(mirror.materializations("shop/returns")) == 1

    def test_what_the_mirror_has_recorded_is_not_recorded_again_and_the_other_way_round(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.deliver("shop.orders", "1;5")
        scheduler.load("shop.orders", job_id="17")
        mirror.settle()
        mirror.sync()
        scheduler.deliver("shop.orders", "2;5", name="2")
        scheduler.load("shop.orders", job_id="18")
        mirror.sync()
        (run,) = mirror.settle()
        assert run.success
        assert len(mirror.materializations("shop/orders")) == 2
        assert mirror.passed("shop/orders") == [True, True]

    def test_an_older_run_does_not_hide_a_later_failure(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.deliver("shop.returns", "1;1")
        scheduler.load("shop.returns", job_id="17")
        scheduler.deliver("shop.returns", "y;1", name="2")
        scheduler.load("shop.returns", job_id="18")
        mirror.sync()
        runs = mirror.settle()
        assert sorted(run.success for run in runs) == [False, True]
        assert len(mirror.materializations("shop/returns")) == 1
        assert mirror.passed("shop/returns") == [False]
        (seen,) = mirror.observations("shop/returns")
        assert plain(seen.metadata)["starlake/audit_id"] == "17"
        mirror.settle()
        assert len(mirror.observations("shop/returns")) == 1

    def test_a_cursor_that_somebody_clears_loses_nothing(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.deliver("shop.orders", "1;5")
        scheduler.load("shop.orders", job_id="17")
        mirror.cursor = None
        mirror.settle()
        assert [plain(made.metadata)["starlake/audit_id"] for made in mirror.materializations("shop/orders")] == ["17"]

    def test_an_audit_without_anything(self, shop: Folder, instance: DagsterInstance) -> None:
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        assert mirror.materializations("shop/orders") == []


class TestExecutedChecks:
    @pytest.fixture
    def read(self, shop: Folder, instance: DagsterInstance) -> Mirror:
        """Return a mirror with a job of all checks, as the button of the UI runs them."""
        mirror = Mirror(shop, instance)
        job = define_asset_job("checks", selection=AssetSelection.all_asset_checks())
        mirror.definitions = Definitions.merge(mirror.definitions, Definitions(jobs=[job]))
        return mirror

    def test_they_report_what_is_on_record(self, read: Mirror, scheduler: Scheduler) -> None:
        scheduler.deliver("shop.orders", "1;-5")
        scheduler.load("shop.orders", job_id="17")
        scheduler.deliver("shop.returns", "y;1")
        scheduler.load("shop.returns", job_id="17")
        job = read.definitions.get_repository_def().get_job("checks")
        assert job.execute_in_process(instance=read.instance, raise_on_error=False).success
        assert read.passed("shop/orders") == [True]
        (below,) = read.checks("shop/orders", "none_below_price_0")
        assert (below.passed, plain(below.metadata)["starlake/count"]) == (False, 1)
        (last,) = read.checks("shop/returns")
        assert (last.passed, last.severity) == (False, AssetCheckSeverity.ERROR)
        assert last.description == "1 invalid records"

    def test_what_is_not_on_record_is_unknown_and_not_passed(self, read: Mirror) -> None:
        job = read.definitions.get_repository_def().get_job("checks")
        assert job.execute_in_process(instance=read.instance, raise_on_error=False).success
        for check in ("last_run", "rejected_rows", "none_below_price_0"):
            (unknown,) = read.checks("shop/orders", check)
            assert (unknown.passed, unknown.severity) == (False, AssetCheckSeverity.WARN)
            assert unknown.description == "unknown: the audit has no result of it"
