"""The state of the audit in Dagster: by the job, and by checks that somebody executes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from dagster import AssetCheckSeverity, AssetSelection, DagsterInstance, Definitions, define_asset_job

from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler, plain
from tests.fakes.outside_audit import DuckDbAudit, failed, load


class TestSync:
    def test_the_last_success_the_last_outcome_and_the_last_checks(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        scheduler.bring("shop.orders", "1;5", job_id="16")
        scheduler.bring("shop.orders", "2;-3", "x;1", name="2", job_id="17")
        scheduler.bring("shop.returns", "1;1", job_id="17")
        scheduler.bring("shop.returns", "y;1", name="2", job_id="18")
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
        scheduler.bring("shop.orders", "1;5", job_id="17")
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        assert "4 new event(s) of 1 table(s) and task(s)" in capfd.readouterr().err
        assert mirror.sync().success
        assert "no new event(s) of 1 table(s) and task(s)" in capfd.readouterr().err
        assert len(mirror.materializations("shop/orders")) == 1
        assert mirror.passed("shop/orders") == [True]
        scheduler.bring("shop.returns", "1;1", job_id="18")
        assert mirror.sync().success
        assert len(mirror.materializations("shop/orders")) == 1
        assert len(mirror.materializations("shop/returns")) == 1

    def test_what_the_mirror_has_recorded_is_not_recorded_again_and_the_other_way_round(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.bring("shop.orders", "1;5", job_id="17")
        mirror.settle()
        mirror.sync()
        scheduler.bring("shop.orders", "2;5", name="2", job_id="18")
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
        scheduler.bring("shop.returns", "1;1", job_id="17")
        scheduler.bring("shop.returns", "y;1", name="2", job_id="18")
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
        scheduler.bring("shop.orders", "1;5", job_id="17")
        mirror.cursor = None
        mirror.settle()
        assert [plain(made.metadata)["starlake/audit_id"] for made in mirror.materializations("shop/orders")] == ["17"]

    @pytest.mark.parametrize("job_id", [None, "17"])
    def test_a_load_of_several_files_is_the_sum_of_its_rows(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance, job_id: str | None
    ) -> None:
        scheduler.deliver("shop.orders", "1;5", "x;1", name="1")
        scheduler.deliver("shop.orders", "2;5", "3;5", "4;5", name="2")
        assert scheduler.load("shop.orders", job_id=job_id)
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        (made,) = mirror.materializations("shop/orders")
        metadata = plain(made.metadata)
        assert (metadata["starlake/rows_read"], metadata["starlake/rows_accepted"]) == (5, 4)
        assert metadata["starlake/rows_rejected"] == 1
        assert metadata["starlake/file_count"] == 2
        assert len(metadata["starlake/audit_rows"].split(",")) == 2
        assert mirror.passed("shop/orders", "rejected_rows") == [False]
        assert mirror.passed("shop/orders") == [True]
        assert mirror.sync().success
        assert len(mirror.materializations("shop/orders")) == 1

    @pytest.mark.parametrize("job_id", [None, "17"])
    def test_a_failed_file_among_others_is_a_failure(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance, job_id: str | None
    ) -> None:
        """The last file succeeded: its row alone says nothing of the failure."""
        scheduler.deliver("shop.returns", "y;1", name="1")
        scheduler.deliver("shop.returns", "1;1", "2;1", name="2")
        assert not scheduler.load("shop.returns", job_id=job_id)
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        (made,) = mirror.materializations("shop/returns")
        assert plain(made.metadata)["starlake/rows_accepted"] == 2
        (last,) = mirror.checks("shop/returns")
        assert (last.passed, last.description) == (False, "1 invalid records")
        assert mirror.passed("shop/returns", "rejected_rows") == [False]

    def test_a_load_that_takes_an_hour_is_one_and_the_one_of_the_day_before_another(
        self, shop: Folder, instance: DagsterInstance
    ) -> None:
        begin = datetime(2026, 11, 30, 2, tzinfo=timezone.utc)
        tables = DuckDbAudit(shop.root / "datasets" / "duckdb.db")
        tables.create()
        for start in (begin - timedelta(days=1), begin):
            for place in range(7):
                path = f"file:/in/orders_{start:%d}_{place}.csv"
                started = start + timedelta(minutes=10 * place)
                row = load(started, "orders", "shop", job="nightly", seconds=590, PATHS=path)
                tables.write("audit", row if place else failed(row, "no space left"))
        mirror = Mirror(shop, instance)
        assert mirror.sync().success
        (made,) = mirror.materializations("shop/orders")
        assert (plain(made.metadata)["starlake/rows_read"], plain(made.metadata)["starlake/file_count"]) == (18, 6)
        (last,) = mirror.checks("shop/orders")
        assert (last.passed, last.description) == (False, "no space left")

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
        scheduler.bring("shop.orders", "1;-5", job_id="17")
        scheduler.bring("shop.returns", "y;1", job_id="17")
        job = read.definitions.get_repository_def().get_job("checks")
        assert job.execute_in_process(instance=read.instance, raise_on_error=False).success
        assert read.passed("shop/orders") == [True]
        (below,) = read.checks("shop/orders", "none_below_price_0")
        assert (below.passed, plain(below.metadata)["starlake/count"]) == (False, 1)
        (last,) = read.checks("shop/returns")
        assert (last.passed, last.severity) == (False, AssetCheckSeverity.ERROR)
        assert last.description == "1 invalid records"

    def test_they_report_all_files_of_a_load(self, read: Mirror, scheduler: Scheduler) -> None:
        scheduler.deliver("shop.returns", "y;1", name="1")
        scheduler.deliver("shop.returns", "1;1", name="2")
        assert not scheduler.load("shop.returns")
        job = read.definitions.get_repository_def().get_job("checks")
        assert job.execute_in_process(instance=read.instance, raise_on_error=False).success
        assert read.passed("shop/returns") == [False]
        assert read.passed("shop/returns", "rejected_rows") == [False]

    def test_what_is_not_on_record_is_unknown_and_not_passed(self, read: Mirror) -> None:
        job = read.definitions.get_repository_def().get_job("checks")
        assert job.execute_in_process(instance=read.instance, raise_on_error=False).success
        for check in ("last_run", "rejected_rows", "none_below_price_0"):
            (unknown,) = read.checks("shop/orders", check)
            assert (unknown.passed, unknown.severity) == (False, AssetCheckSeverity.WARN)
            assert unknown.description == "unknown: the audit has no result of it"
