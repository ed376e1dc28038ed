"""Runs of another scheduler as runs of Dagster: the embedded engine is that scheduler, and everything is real."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from dagster import DagsterInstance, build_sensor_context

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import StarlakeDagsterFacade
from ai.starlake.dagster.facade.mirroring import free_audits
from tests.dagster.assets.conftest import Folder
from tests.dagster.facade.conftest import Mirror, Scheduler, failure_of, plain, steps_of
from tests.fakes.project_folder import APPLICATION

WITH_RETRIES = {"run_retries": {"enabled": True}, "telemetry": {"enabled": False}}

LINK = "https://logs.example.org/{date}/{domain}.{table}?job={job_id}"


@contextmanager
def written(folder: Folder) -> Iterator[subprocess.Popen[bytes]]:
    """Another process writes the audit, until its input is closed."""
    held = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", held, str(folder.root / "datasets/duckdb.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        yield holder
        holder.stdin.close()


def now() -> float:
    return datetime.now(timezone.utc).timestamp()


class TestOutcomes:
    def test_a_run_with_all_its_outcomes(self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance) -> None:
        mirror = Mirror(shop, instance, facade={"log_url_template": LINK})
        mirror.tick()
        before = now()
        scheduler.deliver("shop.orders", "1;5", "2;-3", "x;1")
        scheduler.deliver("shop.returns", "y;1", "z;2")
        assert scheduler.load("shop.orders", job_id="nightly 7")
        assert not scheduler.load("shop.returns", job_id="nightly 7")
        assert scheduler.transform("kpis.sales", job_id="nightly 7")
        (run,) = mirror.settle()
        assert not run.success
        assert steps_of(run) == {
            "read_audit": True,
            "outcome[shop__orders]": True,
            "outcome[shop__returns]": False,
            "outcome[kpis__sales]": True,
        }
        tags = instance.get_run_by_id(run.run_id).tags
        assert tags["starlake/outside_run"] == "nightly 7"
        assert tags["starlake/audit_ids"] == "nightly 7"
        (orders,) = mirror.materializations("shop/orders")
        metadata = plain(orders.metadata)
        counts = {name: metadata[f"starlake/rows_{name}"] for name in ("read", "accepted", "rejected")}
        assert counts == {"read": 3, "accepted": 2, "rejected": 1}
        assert metadata["starlake/audit_id"] == "nightly 7"
        assert metadata["starlake/status"] == "success"
        assert before <= metadata["starlake/started"] <= metadata["starlake/ended"] <= now()
        today = datetime.now(timezone.utc).date()
        assert metadata["starlake/log"] == f"https://logs.example.org/{today}/shop.orders?job=nightly%207"
        assert "`id`" in str(metadata["starlake/reject_reasons"])
        assert len(mirror.materializations("kpis/sales")) == 1
        assert mirror.materializations("shop/returns") == []
        assert mirror.passed("shop/orders") == [True]
        assert mirror.passed("shop/returns") == [False]
        (below,) = mirror.checks("shop/orders", "none_below_price_0")
        assert (below.passed, plain(below.metadata)["starlake/count"]) == (False, 1)
        assert mirror.passed("shop/orders", "rejected_rows") == [False]

    def test_a_failure_has_its_message_and_its_link_and_is_not_tried_again(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance, facade={"log_url_template": "https://logs/{job_id}"})
        mirror.tick()
        assert not scheduler.transform("kpis.sales", job_id="17")
        (run,) = mirror.settle()
        failure = failure_of(run, "outcome[kpis__sales]")
        assert "orders" in failure.description
        metadata = plain(failure.metadata)
        assert metadata["starlake/log"] == "https://logs/17"
        assert metadata["starlake/audit_id"] == "17"
        (last,) = mirror.checks("kpis/sales")
        assert last.description == failure.description
        assert plain(last.metadata)["starlake/log"] == "https://logs/17"

    def test_a_run_that_is_killed_is_launched_again_and_one_of_a_failure_is_not(
        self, shop: Folder, scheduler: Scheduler, tmp_path: Path
    ) -> None:
        with DagsterInstance.local_temp(str(tmp_path), overrides=WITH_RETRIES) as instance:
            mirror = Mirror(shop, instance)
            mirror.tick()
            assert not scheduler.transform("kpis.sales", job_id="17")
            (run,) = mirror.settle()
            mirrored = instance.get_run_by_id(run.run_id)
            assert mirrored.tags["dagster/will_retry"] == "false"
            job = mirror.definitions.get_job_def("starlake_mirror_prod")
            killed = instance.create_run_for_job(job, run_config=mirrored.run_config, tags=job.tags)
            instance.report_run_failed(killed, "the process of the run has ended")
            assert instance.get_run_by_id(killed.run_id).tags["dagster/will_retry"] == "true"

    def test_a_failed_load_that_kept_some_files(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        """The table has other rows than before, and somebody must look after the rest."""
        mirror = Mirror(shop, instance)
        mirror.tick()
        assert scheduler.bring("shop.returns", "1;1", job_id="17")
        scheduler.deliver("shop.returns", "y;1", name="2")
        assert not scheduler.load("shop.returns", job_id="17")
        (run,) = mirror.settle()
        assert steps_of(run)["outcome[shop__returns]"] is False
        (made,) = mirror.materializations("shop/returns")
        assert plain(made.metadata)["starlake/rows_accepted"] == 1
        assert plain(made.metadata)["starlake/status"] == "failure"
        assert mirror.passed("shop/returns") == [False]

    def test_an_expectation_that_must_hold(self, shop: Folder, instance: DagsterInstance) -> None:
        """Starlake's own audit calls the load a success; the run outside failed all the same."""
        strict = "expectations:\n  - {expect: \"shop.none_below('price', 0)\", failOnError: true}\n"
        shop.table("shop", "orders", "id: long, price: long", strict)
        scheduler = Scheduler(shop)
        shop.write("application.sl.yml", APPLICATION + "      expectations: {failOnError: true}\n")
        mirror = Mirror(shop, instance)
        mirror.tick()
        shop.write("application.sl.yml", APPLICATION)
        assert scheduler.bring("shop.orders", "1;-5", job_id="17")
        (run,) = mirror.settle()
        assert "none_below" in failure_of(run, "outcome[shop__orders]").description
        assert mirror.passed("shop/orders") == [False]
        assert mirror.passed("shop/orders", "none_below_price_0") == [False]

    def test_without_job_ids_loads_that_follow_each_other_are_one_run(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        for table in ("shop.orders", "shop.returns"):
            scheduler.deliver(table, "1;5")
            assert scheduler.load(table)
        (run,) = mirror.settle()
        assert run.success
        assert set(steps_of(run)) == {"read_audit", "outcome[shop__orders]", "outcome[shop__returns]"}

    def test_several_runs_at_once(self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        for number in range(3):
            assert scheduler.bring("shop.orders", f"{number};5", name=str(number), job_id=f"job {number}")
        runs = mirror.settle()
        names = [instance.get_run_by_id(run.run_id).tags["starlake/outside_run"] for run in runs]
        assert names == ["job 0", "job 1", "job 2"]
        assert len(mirror.materializations("shop/orders")) == 3
        assert mirror.passed("shop/orders") == [True] * 3


class TestOnce:
    def test_a_tick_that_is_repeated(self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.bring("shop.orders", "1;5", job_id="17")
        for _ in range(3):
            mirror.tick(crash=bool(mirror.runs[1:]))
        assert len(mirror.runs) == 2  # the synchronisation of the first tick, and this one
        assert len(mirror.materializations("shop/orders")) == 1

    def test_another_process_goes_on(self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance) -> None:
        first = Mirror(shop, instance)
        first.tick()
        scheduler.bring("shop.orders", "1;5", job_id="17")
        first.tick()
        second = Mirror(shop, instance)
        second.cursor = first.cursor
        (run,) = [*first.runs[1:], *second.settle()]
        assert run.success
        assert second.settle() == []
        assert len(second.materializations("shop/orders")) == 1

    def test_what_is_executed_again_is_recorded_once(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.bring("shop.orders", "1;5", job_id="17")
        scheduler.bring("shop.returns", "y;1", job_id="17")
        (run,) = mirror.settle()
        before = instance.get_run_by_id(run.run_id)
        again = mirror.run("starlake_mirror_prod", run_config=before.run_config, tags=before.tags)
        assert steps_of(again) == steps_of(run)
        assert len(mirror.materializations("shop/orders")) == 1
        assert mirror.passed("shop/orders") == [True]
        assert mirror.passed("shop/orders", "rejected_rows") == [True]
        assert mirror.passed("shop/returns") == [False]

    def test_runs_of_this_instance_are_not_mirrored(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        own = mirror.sync().run_id
        other = "00000000-0000-4000-8000-000000000000"
        for number, job_id in enumerate((f"{own}.shop__orders", f"{other}.shop__orders")):
            scheduler.bring("shop.orders", "1;5", name=str(number), job_id=job_id)
        (run,) = mirror.settle()
        assert instance.get_run_by_id(run.run_id).tags["starlake/audit_ids"] == f"{other}.shop__orders"

    def test_job_ids_that_are_ignored(self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance) -> None:
        mirror = Mirror(shop, instance, facade={"ignore_job_ids": "manual-.*"})
        mirror.tick()
        scheduler.bring("shop.orders", "1;5", job_id="manual-17")
        assert mirror.settle() == []


class TestRowsOfOthers:
    def test_what_is_not_selected_is_not_mirrored(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance, select="shop.returns")
        mirror.tick()
        for table in ("shop.orders", "shop.returns"):
            scheduler.deliver(table, "1;5")
            scheduler.load(table, job_id="17")
        (run,) = mirror.settle()
        assert set(steps_of(run)) == {"read_audit", "outcome[shop__returns]"}

    def test_what_the_project_does_not_have_is_named(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for table in ("shop.orders", "shop.returns"):
            scheduler.deliver(table, "1;5")
        (shop.root / "metadata/load/shop/returns.sl.yml").rename(shop.root / "kept.yml")
        mirror = Mirror(shop, instance)
        mirror.tick()
        (shop.root / "kept.yml").rename(shop.root / "metadata/load/shop/returns.sl.yml")
        for table in ("shop.orders", "shop.returns"):
            scheduler.load(table, job_id="17")
        (run,) = mirror.settle()
        assert set(steps_of(run)) == {"read_audit", "outcome[shop__orders]"}
        assert "the project does not have them: shop.returns" in capfd.readouterr().err

    def test_rows_that_are_gone_are_an_error(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        for table in ("shop.orders", "shop.returns"):
            scheduler.deliver(table, "1;5")
            scheduler.load(table, job_id="17")
        (run,) = mirror.settle()
        before = instance.get_run_by_id(run.run_id)
        with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
            connection.execute("DELETE FROM audit.audit WHERE SCHEMA = 'returns'")
        again = mirror.run("starlake_mirror_prod", run_config=before.run_config, tags=before.tags)
        assert steps_of(again) == {
            "read_audit": True,
            "outcome[shop__orders]": True,
            "outcome[rows_that_are_gone]": False,
        }
        description = failure_of(again, "outcome[rows_that_are_gone]").description
        assert "1 of 2 row(s) of the run 17 are not in the audit any more" in description
        with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
            connection.execute("DELETE FROM audit.audit")
        again = mirror.run("starlake_mirror_prod", run_config=before.run_config, tags=before.tags)
        assert steps_of(again) == {"read_audit": False}
        assert "2 of 2 row(s)" in failure_of(again, "read_audit").description


class TestTicks:
    def test_an_audit_that_is_written_is_read_by_the_next_tick(
        self, shop: Folder, scheduler: Scheduler, instance: DagsterInstance
    ) -> None:
        mirror = Mirror(shop, instance)
        mirror.tick()
        scheduler.bring("shop.orders", "1;5", job_id="17")
        before = mirror.cursor
        with written(shop):
            skipped = mirror.tick()
        assert mirror.cursor == before
        assert skipped.skip_message
        assert len(mirror.settle()) == 1

    def test_a_run_waits_for_the_command_that_writes_the_audit(
        self,
        shop: Folder,
        scheduler: Scheduler,
        instance: DagsterInstance,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        mirror = Mirror(shop, instance)
        scheduler.bring("shop.orders", "1;5", job_id="17")
        with written(shop) as holder:

            def sleep(_: float) -> None:
                """End the command while the run waits."""
                holder.stdin.close()
                holder.wait()

            monkeypatch.setattr(free_audits, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
            run = mirror.sync()
        assert run.success
        assert mirror.passed("shop/orders") == [True]
        assert "waiting for its end" in capfd.readouterr().err

    def test_an_audit_that_cannot_be_read_fails_the_tick(self, shop: Folder, instance: DagsterInstance) -> None:
        facade = StarlakeDagsterFacade(shop.root, shop.root / "nowhere" / "duckdb.db")
        definitions = facade.create_definitions()
        context = build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
        with pytest.raises(StarlakeError, match="nowhere does not exist"):
            definitions.sensors[0].evaluate_tick(context)
