"""Results of checks in runs, from what executors report."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
from dagster import AssetCheckSeverity, AssetCheckSpec, DagsterInstance, DailyPartitionsDefinition

from ai.starlake.dagster import DagsterStarlakeTranslator
from ai.starlake.dagster.assets.metadata_tables import metadata_table
from ai.starlake.executor import StarlakeResult
from ai.starlake.executor.outcomes import CheckOutcome, RejectReason, StarlakeCounts, TableOutcome
from tests.dagster.assets.conftest import Folder
from tests.dagster.assets.reporting import Ran, ReportingJob, definitions, loaded, run
from tests.fakes.project_folder import APPLICATION

WARN, ERROR = AssetCheckSeverity.WARN, AssetCheckSeverity.ERROR
UNIQUE, SET, RANGE = "unique('id')", "quality.always_set('id')", "between('id', 0, 5)"
ORDERS, REJECTS = "shop/orders", "shop/orders:rejected_rows"


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a loaded table with three expectations, and a task that reads it."""
    lines = "".join(f'  - {{expect: "{each}", failOnError: {each is not RANGE}}}\n' for each in (UNIQUE, SET, RANGE))
    folder.table("shop", "orders", more=f"expectations:\n{lines}")
    folder.task("kpis", "sales", "select id from shop.orders")
    return folder


@pytest.fixture
def strict(shop: Folder) -> Folder:
    """Return the project with two expectations that fail the job."""
    shop.write("application.sl.yml", APPLICATION + "      expectations: {failOnError: true}\n")
    return shop


def run_of(folder: Folder, report: TableOutcome | StarlakeResult, *, options: Any = None, **arguments: Any) -> Ran:
    """Run all assets, on an executor that reports this of the loaded table."""
    job = ReportingJob({"shop.orders": report, "kpis.sales": TableOutcome("kpis.sales", checks=())}, options)
    return run(definitions(folder, job, **arguments))


def holds(expect: str, success: bool | None = True, **more: Any) -> CheckOutcome:
    return CheckOutcome(expect, success, **more)


def all_hold() -> tuple[CheckOutcome, ...]:
    return (holds(UNIQUE, count=0), holds(SET, count=0), holds(RANGE, count=0))


def value(check, name: str) -> Any:
    return check.metadata[f"starlake/{name}"].value


BATCHED = pytest.mark.parametrize("batched", [False, True, "project"])


@BATCHED
def test_each_declared_check_reports_in_a_run(shop: Folder, batched: object) -> None:
    ran = run_of(shop, loaded("shop.orders", checks=all_hold()), batched=batched)
    assert ran.success
    names = ("always_set_id", "between_id_0_5", "rejected_rows", "unique_id")
    assert sorted(ran.checks) == [f"{ORDERS}:{name}" for name in names]
    assert all(check.passed for check in ran.checks.values())
    assert all(check.target_materialization_data for check in ran.checks.values())


def test_a_failed_check_is_a_warning_with_its_rows_and_does_not_fail_the_run(shop: Folder) -> None:
    rows = ({"id": "1", "name": "ada"}, {"id": "1", "name": None})
    failed = holds(UNIQUE, False, count=2, rows=rows)
    ran = run_of(shop, loaded("shop.orders", audit_id="a1", checks=(failed, holds(SET), holds(RANGE))))
    assert ran.success
    assert ran.made == {ORDERS, "kpis/sales"}
    check = ran.checks[f"{ORDERS}:unique_id"]
    assert (check.passed, check.severity) == (False, WARN)
    assert (value(check, "expectation"), value(check, "count"), value(check, "audit_id")) == (UNIQUE, 2, "a1")
    table = check.metadata["starlake/failing_rows"]
    assert [record.data for record in table.records] == [dict(row) for row in rows]
    assert [column.name for column in table.schema.columns] == ["id", "name"]


def test_a_query_that_fails_is_a_failed_check_with_its_error(shop: Folder) -> None:
    broken = holds(SET, None, error="Binder Error: no column idd")
    ran = run_of(shop, loaded("shop.orders", checks=(holds(UNIQUE), broken, holds(RANGE))))
    check = ran.checks[f"{ORDERS}:always_set_id"]
    assert (check.passed, check.severity, value(check, "error")) == (False, WARN, "Binder Error: no column idd")
    assert "no column idd" in (check.description or "")


def test_names_of_the_audit_are_the_same_expectations(shop: Folder) -> None:
    named = (holds('unique("id")', False, count=1), holds('always_set("id")'), holds('between("id", 0, 5)'))
    ran = run_of(shop, loaded("shop.orders", checks=named))
    assert {name for name, check in ran.checks.items() if not check.passed} == {f"{ORDERS}:unique_id"}
    assert not any("unknown" in (check.description or "") for check in ran.checks.values())


@BATCHED
def test_all_known_results_are_reported_before_a_failure_that_blocks(strict: Folder, batched: object) -> None:
    checks = (holds(UNIQUE, False, count=2), holds(SET, False, count=1), holds(RANGE, False, count=7))
    ran = run_of(
        strict, loaded("shop.orders", rejected=1, checks=checks, error="2 expectations are not met"), batched=batched
    )
    assert not ran.success
    assert ran.made == set()
    assert "2 expectations are not met" in ran.failure
    assert {name: check.severity for name, check in ran.checks.items()} == {
        f"{ORDERS}:unique_id": ERROR,
        f"{ORDERS}:always_set_id": ERROR,
        f"{ORDERS}:between_id_0_5": WARN,
        REJECTS: ERROR,
    }


def test_checks_of_a_load_that_fails_before_them_do_not_report(shop: Folder) -> None:
    ran = run_of(shop, TableOutcome("shop.orders", error="no such folder"))
    assert not ran.success
    assert ran.checks == {}


@pytest.mark.parametrize("project", ["shop", "strict"])
def test_results_that_cannot_be_read_are_unknown_warnings_that_block_nothing(
    project: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(project)
    ran = run_of(folder, loaded("shop.orders", checks=None, checks_unknown="the audit is not reachable"))
    assert ran.success
    assert ran.made == {ORDERS, "kpis/sales"}
    unknown = [check for name, check in ran.checks.items() if name != REJECTS]
    assert len(unknown) == 3
    for check in unknown:
        assert (check.passed, check.severity) == (False, WARN)
        assert check.description == "unknown: the audit is not reachable"
        assert not getattr(check, "blocking", False), "a retry from asset failure would load again"


def test_an_executor_that_reports_nothing_of_tables_leaves_results_unknown(shop: Folder) -> None:
    ran = run_of(shop, StarlakeResult(0.1, counts=StarlakeCounts(3, 3, 0, files=True)))
    assert ran.success
    assert ran.checks.pop(REJECTS).passed
    assert len(ran.checks) == 3
    assert all((check.description or "").startswith("unknown: ") for check in ran.checks.values())
    silent = run_of(shop, StarlakeResult(0.1))
    assert (silent.checks[REJECTS].passed, silent.checks[REJECTS].severity) == (False, WARN)
    assert (silent.checks[REJECTS].description or "").startswith("unknown: ")


def test_an_expectation_without_a_result_is_unknown(shop: Folder) -> None:
    ran = run_of(shop, loaded("shop.orders", checks=(holds(UNIQUE), holds(SET))))
    assert (ran.checks[f"{ORDERS}:between_id_0_5"].description or "").startswith("unknown: ")


@pytest.mark.parametrize(
    ("rejected", "limit", "passed", "severity", "success"),
    [
        (0, None, True, WARN, True),
        (1, None, False, WARN, True),
        (4, None, False, ERROR, False),
        (1, "1", False, WARN, True),
        (2, "1", False, ERROR, False),
        (2, "50%", False, WARN, True),
        (3, "50%", False, ERROR, False),
    ],
)
def test_rejected_rows_warn_and_fail_from_max_rejected(
    shop: Folder, rejected: int, limit: str | None, passed: bool, severity: AssetCheckSeverity, success: bool
) -> None:
    reasons = (RejectReason("`id` cannot be converted", rejected),) if rejected else ()
    report = loaded("shop.orders", 4, rejected, checks=all_hold(), reasons=reasons)
    ran = run_of(shop, report, options={"max_rejected": limit} if limit else None)
    check = ran.checks[REJECTS]
    assert (check.passed, check.severity, ran.success) == (passed, severity, success)
    assert (value(check, "rows_read"), value(check, "rows_rejected")) == (4, rejected)
    assert f"{rejected} of 4 rows" in (check.description or "")
    if reasons:
        table = check.metadata["starlake/reject_reasons"]
        assert [record.data for record in table.records] == [{"reason": "`id` cannot be converted", "rows": rejected}]
    assert len(ran.checks) == 4, "results of expectations are reported also if too many rows are rejected"


class Blocking(DagsterStarlakeTranslator):
    """Lets each expectation block, whatever the project says."""

    def get_asset_check_spec(self, expectation):
        spec = super().get_asset_check_spec(expectation)
        return AssetCheckSpec(spec.name, asset=spec.asset_key, blocking=expectation.name != "rejected_rows")


@BATCHED
def test_all_results_of_blocking_checks_are_reported_before_they_fail_the_step(shop: Folder, batched: object) -> None:
    checks = (holds(UNIQUE, False, count=2), holds(SET, False, count=1), holds(RANGE))
    ran = run_of(shop, loaded("shop.orders", checks=checks), translator=Blocking(), batched=batched)
    assert not ran.success
    assert ran.made == {ORDERS}, "what reads the table does not run"
    assert len(ran.checks) == 4
    assert {name for name, check in ran.checks.items() if check.severity is ERROR and not check.passed} == {
        f"{ORDERS}:unique_id",
        f"{ORDERS}:always_set_id",
    }
    assert "unique_id" in ran.failure
    assert "always_set_id" in ran.failure


def test_checks_can_be_switched_off(shop: Folder) -> None:
    ran = run_of(shop, loaded("shop.orders", rejected=1, checks=(holds(UNIQUE, False),)), checks=False)
    assert ran.success
    assert ran.checks == {}


def test_only_selected_checks_report(shop: Folder) -> None:
    job = ReportingJob({"shop.orders": loaded("shop.orders", checks=all_hold())})
    ran = run(definitions(shop, job), assets=[ORDERS], checks=[f"{ORDERS}:unique_id"])
    assert ran.success
    assert (ran.made, set(ran.checks)) == ({ORDERS}, {f"{ORDERS}:unique_id"})


class Daily(DagsterStarlakeTranslator):
    """Gives all assets a partition a day."""

    def get_asset_spec(self, item):
        days = DailyPartitionsDefinition("2026-01-01")
        return super().get_asset_spec(item).replace_attributes(partitions_def=days)


HAS_PARTITIONS = "partitions_def" in inspect.signature(AssetCheckSpec).parameters


def test_results_are_those_of_the_partition_that_ran(shop: Folder) -> None:
    job = ReportingJob({"shop.orders": loaded("shop.orders", checks=all_hold())})
    built = definitions(shop, job, translator=Daily())
    with DagsterInstance.ephemeral() as instance:
        for day in ("2026-01-02", "2026-01-03"):
            ran = run(built, assets=[ORDERS], partition=day, instance=instance)
            assert ran.success, ran.failure
            of = {getattr(check, "partition", None) for check in ran.checks.values()}
            assert of == ({day} if HAS_PARTITIONS else {None})
            assert len(ran.checks) == 4
            targets = {check.target_materialization_data.run_id for check in ran.checks.values()}
            assert targets == {ran.run_id}


def test_each_partition_of_a_backfill_in_one_run_has_results(shop: Folder) -> None:
    sql = "select id from shop.orders where day >= '{{ sl_data_interval_start }}'"
    shop.task("kpis", "sales", sql, 'version: 1\ntask:\n  expectations: ["at_least(1)"]\n')
    report = TableOutcome("kpis.sales", checks=(holds("at_least(1)", False, count=1),))
    job = ReportingJob({"kpis.sales": report}, {"backfill_policy": "single_run"})
    built = definitions(shop, job, translator=Daily())
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    ran = run(built, assets=["kpis/sales"], tags={start: "2026-01-02", end: "2026-01-04"})
    assert ran.success, ran.failure
    assert job.reporting.commands == ["transform kpis.sales"]
    found = sorted((getattr(each, "partition", None) or "", each.passed) for each in ran.results)
    assert found == (
        [("2026-01-02", False), ("2026-01-03", False), ("2026-01-04", False)] if HAS_PARTITIONS else [("", False)]
    )


def test_tables_in_metadata_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = metadata_table([{"id": "1"}, {"id": "2", "rows": 3}])
    assert [record.data for record in table.records] == [{"id": "1", "rows": None}, {"id": "2", "rows": 3}]
