"""Checks that run without making their tables again."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import (
    AssetCheckSeverity,
    AssetSelection,
    DagsterInstance,
    Definitions,
    RunRequest,
    build_sensor_context,
    define_asset_job,
    sensor,
)

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.executor.outcomes import CheckOutcome
from tests.dagster.assets.conftest import Folder, key
from tests.dagster.assets.reporting import Ran, ReportingJob, check_key, loaded, run, run_job
from tests.dagster.assets.test_check_results import HAS_PARTITIONS, Daily
from tests.dagster.assets.test_checks_on_the_engine import ORDERS, deliver, rows_of, shop, strict

__all__ = ["shop"]
ALL = [f"{ORDERS}:{name}" for name in ("none_below_price_0", "broken", "at_least_1", "rejected_rows")]
WARN, ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR


def loaded_once(folder: Folder, instance: DagsterInstance, **arguments: Any) -> Definitions:
    built = build_starlake_definitions(folder.root, **arguments)
    assert run(built, instance=instance).success
    return built


def verdicts(ran: Ran) -> dict[str, tuple[bool, AssetCheckSeverity]]:
    return {name.partition(":")[2]: (check.passed, check.severity) for name, check in ran.checks.items()}


@pytest.mark.parametrize("batched", [False, "project"])
def test_checks_run_alone_on_the_table_as_it_is(shop: Folder, batched: object) -> None:
    with DagsterInstance.ephemeral() as instance:
        built = loaded_once(shop, instance, batched=batched)
        deliver(shop, "3,-7,d@x", name="orders_2.csv")
        ran = run(built, assets=[], checks=ALL, instance=instance)
    assert ran.success, ran.failure
    assert ran.made == set()
    assert (shop.root / "incoming/orders_2.csv").exists(), "nothing is loaded"
    assert verdicts(ran) == {
        "none_below_price_0": (False, WARN),
        "broken": (False, WARN),
        "at_least_1": (True, WARN),
        "rejected_rows": (False, WARN),
    }
    assert rows_of(ran.checks[ALL[0]]) == [{"id": "2", "price": "-3"}]
    assert ran.checks[ALL[3]].metadata["starlake/rows_rejected"].value == 1, "that of the last load"
    assert all(check.target_materialization_data for check in ran.checks.values())


def test_one_check_alone(shop: Folder) -> None:
    with DagsterInstance.ephemeral() as instance:
        ran = run(loaded_once(shop, instance), assets=[], checks=ALL[2:3], instance=instance)
    assert verdicts(ran) == {"at_least_1": (True, WARN)}


def test_checks_of_a_partition_alone(shop: Folder) -> None:
    with DagsterInstance.ephemeral() as instance:
        built = build_starlake_definitions(shop.root, translator=Daily())
        assert run(built, partition="2026-01-02", instance=instance).success
        ran = run(built, assets=[], checks=ALL, partition="2026-01-02", instance=instance)
    assert ran.success, ran.failure
    assert verdicts(ran)["at_least_1"] == (True, WARN)
    assert ran.checks[ALL[3]].metadata["starlake/rows_rejected"].value == 1
    partitions = {getattr(check, "partition", None) for check in ran.checks.values()}
    assert partitions == ({"2026-01-02"} if HAS_PARTITIONS else {None})


def test_a_job_of_checks_and_a_request_for_checks(shop: Folder) -> None:
    """Runs them by name of a job, and as a sensor asks for them."""
    selection = AssetSelection.checks(check_key(ALL[0]), check_key(ALL[2]))
    job = define_asset_job("quality", selection)

    @sensor(job=define_asset_job("everything", AssetSelection.assets(key(ORDERS))))
    def asks() -> RunRequest:
        return RunRequest(asset_selection=[], asset_check_keys=[check_key(ALL[2])])

    built = Definitions.merge(build_starlake_definitions(shop.root), Definitions(jobs=[job], sensors=[asks]))
    with DagsterInstance.ephemeral() as instance:
        loaded_once(shop, instance)
        ran = run_job(getattr(built, "resolve_job_def", built.get_job_def)("quality"), instance)
        assert set(ran.checks) == {ALL[0], ALL[2]}
        assert ran.made == set()
        context = build_sensor_context(instance=instance, repository_def=built.get_repository_def())
        (request,) = asks.evaluate_tick(context).run_requests
        assert request.asset_check_keys == [check_key(ALL[2])]


def test_a_blocking_check_that_fails_alone_fails_the_run_after_all_results(shop: Folder) -> None:
    with DagsterInstance.ephemeral() as instance:
        loaded_once(shop, instance)
        strict(shop)
        ran = run(build_starlake_definitions(shop.root), assets=[], checks=ALL, instance=instance)
    assert not ran.success
    assert verdicts(ran)["none_below_price_0"] == (False, ERROR)
    assert len(ran.checks) == 4
    assert "none_below_price_0" in ran.failure


def test_a_table_that_does_not_exist_is_unknown(shop: Folder) -> None:
    ran = run(build_starlake_definitions(shop.root), assets=[], checks=ALL)
    assert ran.success, ran.failure
    assert set(verdicts(ran).values()) == {(False, WARN)}
    assert all((check.description or "").startswith("unknown: ") for check in ran.checks.values())
    assert "does not exist" in (ran.checks[ALL[0]].description or "")


def test_an_executor_that_cannot_check_alone_says_so(shop: Folder) -> None:
    job = ReportingJob({"shop.orders": loaded("shop.orders", checks=())})
    ran = run(build_starlake_definitions(shop.root, job), assets=[], checks=ALL[:1])
    assert ran.success
    assert job.reporting.commands == []
    assert "only when it loads" in (ran.checks[ALL[0]].description or "")


@pytest.mark.parametrize("rule", ["materialize", "skip"])
def test_checks_report_also_when_there_is_nothing_to_load(shop: Folder, rule: str) -> None:
    job = StarlakeDagsterEmbeddedJob(options={"nothing_to_load": rule})
    with DagsterInstance.ephemeral() as instance:
        built = loaded_once(shop, instance)
        built = build_starlake_definitions(shop.root, job)
        ran = run(built, instance=instance)
    assert ran.success, ran.failure
    assert verdicts(ran) == {
        "none_below_price_0": (False, WARN),
        "broken": (False, WARN),
        "at_least_1": (True, WARN),
        "rejected_rows": (True, WARN),
    }
    assert ran.checks[ALL[3]].description == "there is nothing to load"


def test_nothing_to_load_on_an_executor_that_cannot_check_alone(shop: Folder) -> None:
    job = ReportingJob(
        {"shop.orders": loaded("shop.orders", 0, files=False, checks=(CheckOutcome("at_least(1)", True),))}
    )
    ran = run(build_starlake_definitions(shop.root, job))
    assert ran.success, ran.failure
    assert (ran.checks[ALL[2]].passed, ran.checks[ALL[3]].passed) == (False, True)
    assert (ran.checks[ALL[2]].description or "").startswith("unknown: ")


def test_a_dry_run_of_checks_checks_nothing(shop: Folder) -> None:
    with DagsterInstance.ephemeral() as instance:
        built = loaded_once(shop, instance)
        ran = run(built, assets=[], checks=ALL, instance=instance, tags={"starlake/dry_run": "true"})
    assert ran.success
    assert ran.checks == {}
    assert any("check --names shop.orders" in line for line in ran.log)
