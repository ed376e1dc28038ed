"""Rejected rows as assets of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetSpec, DagsterInstance, Definitions, build_sensor_context

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.executor import StarlakeResult
from ai.starlake.executor.outcomes import CheckOutcome, RejectReason, StarlakeCounts, TableOutcome
from tests.dagster.assets.conftest import Folder, by_key
from tests.dagster.assets.reporting import Ran, ReportingJob, TooBad, check_key, definitions, loaded, run, run_job
from tests.fakes.fake_cli import FakeStarlake

NOTHING = StarlakeResult(0.1, counts=StarlakeCounts(0, 0, 0))
LONG_AGO = time.time() - 3_600
BAD_ID, LATE = RejectReason("`id` cannot be converted", 2), RejectReason("`day` is required", 1)


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Two loaded tables of a domain, one of another, and a task."""
    folder.table("shop", "orders")
    folder.table("shop", "items")
    folder.table("crm", "clients")
    folder.task("kpis", "sales", "select id from shop.orders")
    return folder


def reports(**changes: TableOutcome) -> dict[str, Any]:
    """Return the executor's default report for each table."""
    names = ("shop.orders", "shop.items", "crm.clients")
    return {name: changes.get(name.partition(".")[2]) or loaded(name) for name in names} | {
        "kpis.sales": TableOutcome("kpis.sales", checks=())
    }


def verdicts(instance: DagsterInstance, *checks: str) -> list[bool]:
    """Return whether the last results of checks passed."""
    keys = [check_key(each) for each in checks]
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return [found[each].status.value == "SUCCEEDED" for each in keys]


def recorded(instance: DagsterInstance, key: str) -> Any:
    """Return the metadata of the last materialization of an asset."""
    event = instance.get_latest_materialization_event(AssetKey.from_user_string(key))
    return event.asset_materialization.metadata


def specs_of(built: Definitions) -> dict[str, AssetSpec]:
    return by_key([spec for each in built.assets for spec in each.specs])


def test_each_domain_has_an_asset_that_reads_its_loaded_tables(shop: Folder) -> None:
    built = definitions(shop, ReportingJob(reports()), rejects=True, asset_prefix="eu")
    specs = specs_of(built)
    rejected = {name: spec for name, spec in specs.items() if "rejected" in name}
    assert set(rejected) == {"eu/audit/shop_rejected", "eu/audit/crm_rejected"}
    deps = {dep.asset_key.to_user_string() for dep in rejected["eu/audit/shop_rejected"].deps}
    assert deps == {"eu/shop/orders", "eu/shop/items"}
    assert rejected["eu/audit/shop_rejected"].group_name == specs["eu/shop/orders"].group_name
    assert not any("rejected" in name for name in specs_of(definitions(shop, ReportingJob({}))))


def test_rejected_rows_are_counted_by_table_and_reason(shop: Folder) -> None:
    orders = loaded("shop.orders", 9, 3, reasons=(BAD_ID, LATE))
    items = loaded("shop.items", 9, 2, reasons=(BAD_ID,))
    built = definitions(shop, ReportingJob(reports(orders=orders, items=items)), rejects=True)
    with DagsterInstance.ephemeral() as instance:
        ran = run(built, instance=instance)
        assert ran.success, ran.failure
        found = recorded(instance, "audit/shop_rejected")
        assert (found["starlake/rows_rejected"].value, found["dagster/row_count"].value) == (5, 5)
        assert [record.data for record in found["starlake/rejects"].records] == [
            {"table": "shop.items", "reason": BAD_ID.reason, "rows": 2},
            {"table": "shop.orders", "reason": BAD_ID.reason, "rows": 2},
            {"table": "shop.orders", "reason": LATE.reason, "rows": 1},
        ]
        none = recorded(instance, "audit/crm_rejected")
        assert none["starlake/rows_rejected"].value == 0
        assert "starlake/rejects" not in none


def test_rejects_without_reasons_are_counted_all_the_same(shop: Folder) -> None:
    built = definitions(shop, ReportingJob(reports(orders=loaded("shop.orders", 9, 3))), rejects=True)
    with DagsterInstance.ephemeral() as instance:
        assert run(built, instance=instance).success
        found = recorded(instance, "audit/shop_rejected")["starlake/rejects"]
        assert [record.data for record in found.records] == [{"table": "shop.orders", "reason": None, "rows": 3}]


def test_the_count_is_that_of_the_last_load_with_files(shop: Folder) -> None:
    job = ReportingJob(reports(orders=loaded("shop.orders", 9, 3)))
    built = definitions(shop, job, rejects=True)
    empty = definitions(shop, ReportingJob(reports(orders=loaded("shop.orders", 0, files=False))), rejects=True)
    with DagsterInstance.ephemeral() as instance:
        for each in (built, empty):
            assert run(each, assets=["shop/orders", "shop/items", "audit/shop_rejected"], instance=instance).success
        assert recorded(instance, "audit/shop_rejected")["starlake/rows_rejected"].value == 3


def test_a_task_of_that_name_is_refused(shop: Folder) -> None:
    shop.task("audit", "shop_rejected", "select 1 as id")
    assert definitions(shop, ReportingJob({}))
    with pytest.raises(StarlakeError) as caught:
        definitions(shop, ReportingJob({}), rejects=True)
    assert "audit.shop_rejected and the rejected rows of shop" in str(caught.value)


def replayed(built: Definitions, instance: DagsterInstance) -> Ran:
    job = next(job for job in built.jobs if job.name.endswith("_replay_rejects"))
    return run_job(job, instance)


def test_a_job_replays_rejected_rows_and_records_what_it_loaded(shop: Folder) -> None:
    shop.table("shop", "orders", more='expectations: ["at_least(1)"]\n')
    again = loaded("shop.orders", 3, 1, reasons=(LATE,), checks=(CheckOutcome("at_least(1)", True),))
    replay = {
        "replay shop": StarlakeResult(0.1, counts=again.counts, tables=(again,)),
        "replay crm": NOTHING,
    }
    first = loaded("shop.orders", 9, 3, reasons=(BAD_ID, LATE), checks=(CheckOutcome("at_least(1)", False, 1),))
    job = ReportingJob(reports(orders=first) | replay)
    built = definitions(shop, job, rejects=True, name="bakery")
    with DagsterInstance.ephemeral() as instance:
        assert run(built, instance=instance).success
        ran = replayed(built, instance)
        assert ran.success, ran.failure
        assert ran.made == {"shop/orders", "audit/shop_rejected"}
        orders = recorded(instance, "shop/orders")
        assert (orders["starlake/rows_accepted"].value, orders["starlake/replayed"].value) == (2, True)
        rejected = recorded(instance, "audit/shop_rejected")
        assert rejected["starlake/rows_rejected"].value == 1
        assert [record.data["reason"] for record in rejected["starlake/rejects"].records] == [LATE.reason]
        assert verdicts(instance, "shop/orders:rejected_rows", "shop/orders:at_least_1") == [False, True]
    assert job.reporting.commands[-2:] == ["replay replay crm", "replay replay shop"]


def test_what_a_replay_did_load_is_recorded_before_it_fails(shop: Folder) -> None:
    orders = loaded("shop.orders", 2)
    items = TableOutcome("shop.items", error="it is locked")
    job = ReportingJob({"replay shop": TooBad((orders, items)), "replay crm": NOTHING})
    with DagsterInstance.ephemeral() as instance:
        ran = replayed(definitions(shop, job, rejects=True), instance)
    assert not ran.success
    assert "it is locked" in ran.failure
    assert ran.made == {"shop/orders", "audit/shop_rejected"}


def test_a_replay_on_an_executable_that_does_not_know_it_fails(shop: Folder, tmp_path: Path) -> None:
    fake = FakeStarlake(tmp_path / "bin")
    job = StarlakeDagsterShellJob(options={"SL_STARLAKE_PATH": str(fake.path)})
    with DagsterInstance.ephemeral() as instance:
        ran = replayed(build_starlake_definitions(shop.root, job, rejects=True), instance)
    assert not ran.success
    assert ran.made == set()
    assert "embedded engine" in ran.failure


def test_two_projects_have_replays_of_their_own(shop: Folder) -> None:
    one = definitions(shop, ReportingJob({}), rejects=True, name="one", asset_prefix="one")
    two = definitions(shop, ReportingJob({}), rejects=True, name="two", asset_prefix="two")
    both = Definitions.merge(one, two)
    Definitions.validate_loadable(both)
    assert {"one_replay_rejects", "two_replay_rejects"} <= {job.name for job in both.jobs}


def test_scheduled_jobs_and_the_file_sensor_count_rejected_rows(shop: Folder) -> None:
    shop.write(
        "load/shop/_config.sl.yml",
        'version: 1\nload:\n  name: shop\n  metadata: {directory: "{{SL_ROOT}}/incoming", separator: ","}\n',
    )
    shop.table("shop", "orders", more='metadata: {schedule: "0 6 * * *"}\n')
    orders = loaded("shop.orders", 9, 3, reasons=(BAD_ID,))
    job = ReportingJob(reports(orders=orders), {"start_date": "2026-01-01"})
    built = definitions(shop, job, rejects=True, name="bakery")
    with DagsterInstance.ephemeral() as instance:
        find = getattr(built, "resolve_job_def", built.get_job_def)
        daily = find("bakery_daily_06_00").execute_in_process(instance=instance, partition_key="2026-01-05")
        assert {key.path[-1] for key in materialized_by(daily)} == {"orders", "shop_rejected"}
        assert recorded(instance, "audit/shop_rejected")["starlake/rows_rejected"].value == 3
        file = shop.root / "incoming/items_1.csv"
        file.parent.mkdir()
        file.write_text("id\n1\n")
        os.utime(file, (LONG_AGO, LONG_AGO))
        (sensor,) = [each for each in built.sensors if each.name == "bakery_files"]
        context = build_sensor_context(instance=instance, repository_def=built.get_repository_def())
        (request,) = sensor.evaluate_tick(context).run_requests
        asked = {"/".join(each.path) for each in request.asset_selection}
        assert asked == {"shop/items", "audit/shop_rejected"}


def materialized_by(result: Any) -> set[AssetKey]:
    return {event.asset_key for event in result.get_asset_materialization_events()}
