"""Outcomes of Starlake itself, which tells counts only: from its audit, where that can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ai.starlake.executor import CommandFailedError, Execution, ShellExecutor, StarlakeCounts, TableOutcome
from ai.starlake.executor.starlake_outcomes import outcomes_on_record
from ai.starlake.job import StarlakeCommand
from ai.starlake.orchestration.project_reading import read_project

COLUMNS = {
    "audit": "JOBID, PATHS, DOMAIN, SCHEMA, SUCCESS, COUNT, COUNTACCEPTED, COUNTREJECTED, "
    "TIMESTAMP, DURATION, MESSAGE, STEP",
    "rejected": "JOBID, TIMESTAMP, DOMAIN, SCHEMA, ERROR, PATH",
    "expectations": "JOBID, DOMAIN, SCHEMA, TIMESTAMP, NAME, PARAMS, SQL, COUNT, EXCEPTION, SUCCESS",
}


class Shop:
    """A project, and the audit that Starlake leaves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.application()
        self.write("metadata/load/sales/_config.sl.yml", load={"metadata": {"directory": str(root / "incoming")}})
        self.table("orders", "below('id', 10)", "filled('id')")
        self.table("clients")
        self.write("metadata/transform/kpi/monthly.sl.yml", task={"table": "months", "expectations": ["filled('id')"]})
        (root / "metadata/transform/kpi/monthly.sql").write_text("SELECT 1 AS id")

    def write(self, name: str, **content: Any) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"version": 1, **content}))

    def application(self, connection: dict[str, Any] | None = None, **keys: Any) -> None:
        duck = {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{self.root}/duckdb.db"}}
        connections = {"main": connection or duck}
        self.write(
            "metadata/application.sl.yml", application={"connectionRef": "main", "connections": connections, **keys}
        )

    def table(self, name: str, *calls: str) -> None:
        expectations = [{"expect": call} for call in calls]
        table = {"name": name, "pattern": f"{name}.*", "expectations": expectations, "attributes": [{"name": "id"}]}
        self.write(f"metadata/load/sales/{name}.sl.yml", table=table)

    def record(self, name: str, *rows: tuple[Any, ...], schema: str = "audit") -> None:
        with duckdb.connect(str(self.root / "duckdb.db")) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            kinds = [f"{column} VARCHAR" for column in COLUMNS[name].split(", ")]
            kinds = [kind.replace("SUCCESS VARCHAR", "SUCCESS BOOLEAN") for kind in kinds]
            kinds = [kind.replace("VARCHAR", "BIGINT") if kind.startswith(("COUNT", "DUR")) else kind for kind in kinds]
            kinds = [kind.replace("VARCHAR", "TIMESTAMP") if kind.startswith("TIME") else kind for kind in kinds]
            connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.{name} ({', '.join(kinds)})")
            marks = ", ".join("?" for _ in kinds)
            connection.executemany(f"INSERT INTO {schema}.{name} VALUES ({marks})", list(rows))

    def loaded(
        self,
        table: str,
        counts: tuple[int, int, int] = (3, 2, 1),
        *,
        path: str = "file:/in/a.csv",
        at: int = 1,
        job: str = "run-1.step-1",
        error: str | None = None,
    ) -> None:
        end = (f"2026-01-01 00:00:0{at}", 1500, error or "success", "LOAD")
        self.record("audit", (job, path, "sales", table, error is None, *counts, *end))

    def checked(
        self,
        call: str,
        count: int,
        *,
        at: int = 1,
        exception: str = "",
        table: str = "orders",
        job: str = "run-1.step-1",
    ) -> None:
        domain = "kpi" if table == "months" else "sales"
        params, met = call.replace("'", '"'), count == 0 and not exception
        row = (job, domain, table, f"2026-01-01 00:00:0{at}", params, params, "SELECT", count, exception, met)
        self.record("expectations", row)


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Shop:
    monkeypatch.setenv("SL_ROOT", str(tmp_path / "project"))
    return Shop(tmp_path / "project")


@pytest.fixture
def told(shop, cli, execution) -> Callable[..., tuple[TableOutcome, ...]]:
    """Return a function that runs a command, with the audit as the test wrote it, and returns the outcomes."""

    def run(*argv: str, code: int = 0, facts: Any = read_project) -> tuple[TableOutcome, ...]:
        executor = ShellExecutor(cli(f"sys.exit({code})"), facts=facts)
        command = StarlakeCommand.of(argv)
        asked = replace(execution, outcomes=True)
        try:
            return executor.run(command, asked).tables
        except CommandFailedError as error:
            return error.tables

    return run


LOAD = ("load", "--domains", "sales", "--tables", "orders")


def test_a_load_is_told_by_its_audit(shop, told):
    shop.loaded("orders")
    shop.loaded("orders", job="somebody else", path="file:/in/x.csv")
    error = "ERR -> \n`id` (int) doesn't match pattern `x`: hush\n\nFILE -> file:/in/a.csv"
    shop.record("rejected", ("run-1.step-1", "2026-01-01", "sales", "orders", error, "file:/in/a.csv"))
    shop.checked("below('id', 10)", 4)
    shop.checked("filled('id')", 0)
    (orders,) = told(*LOAD)
    assert (orders.name, orders.counts, orders.error) == ("sales.orders", StarlakeCounts(3, 2, 1), None)
    assert [(one.expect, one.success, one.count) for one in orders.checks or ()] == [
        ("below('id', 10)", False, 4),
        ("filled('id')", True, 0),
    ]
    assert [(one.reason, one.rows) for one in orders.reasons] == [("`id` (int) doesn't match pattern `x`", 1)]
    assert [one.name for one in orders.files] == ["a.csv"]
    assert (orders.audit_id, orders.duration) == ("run-1.step-1", 1.5)


def test_a_load_of_a_domain_tells_each_table(shop, told):
    shop.loaded("orders", path="file:/in/a.csv")
    shop.loaded("orders", (2, 2, 0), path="file:/in/b.csv", at=2)
    shop.loaded("clients", (1, 1, 0))
    told_by = {table.name: table for table in told("load", "--domains", "sales")}
    assert told_by["sales.orders"].counts == StarlakeCounts(5, 4, 1)
    assert told_by["sales.clients"].checks == ()
    assert told_by["sales.orders"].checks is None
    assert told_by["sales.orders"].checks_unknown == "the audit has no results of its expectations"


def test_a_native_load_counts_once(shop, told):
    """A native load also writes a row of a task, checks its expectations twice, and does not know its rejects."""
    row = ("run-1.step-1", "sales.orders", "sales", "orders", True, -1, -1, -1, "2026-01-01", 1, "success", "TRANSFORM")
    shop.record("audit", row)
    shop.loaded("orders", (3, 3, -1))
    shop.checked("below('id', 10)", 7)
    shop.checked("below('id', 10)", 0, at=2)
    (orders,) = told(*LOAD)
    assert orders.counts == StarlakeCounts(3, 3, 0)
    assert [(one.success, one.error) for one in orders.checks or ()] == [
        (True, None),
        (None, "the audit has no result of it"),
    ]


def test_a_query_that_fails_has_no_count(shop, told):
    shop.loaded("orders")
    shop.checked("below('id', 10)", 0, exception="no such column")
    shop.checked("filled('id')", -(2**31))
    (orders,) = told(*LOAD)
    assert [(one.success, one.count, one.error) for one in orders.checks or ()] == [
        (False, None, "no such column"),
        (False, None, None),
    ]


def test_a_task_is_told_by_its_audit(shop, told):
    row = ("run-1.step-1", "kpi.monthly", "kpi", "months", True, -1, -1, -1, "2026-01-01", 9, "success", "TRANSFORM")
    shop.record("audit", row)
    shop.checked("filled('id')", 0, table="months")
    for argv in (("--name", "kpi.monthly"), ("--name", "kpi.monthly", "--recursive")):
        (monthly,) = told("transform", *argv)
        assert (monthly.name, monthly.counts, monthly.files) == ("kpi.monthly", None, ())
        assert [one.success for one in monthly.checks or ()] == [True]


def test_a_later_attempt_counts_instead_of_the_first(shop, told):
    shop.loaded("orders", (0, 0, 0), error="no such column")
    shop.loaded("orders", (3, 3, 0), at=2)
    (orders,) = told(*LOAD)
    assert (orders.counts, orders.error) == (StarlakeCounts(3, 3, 0), None)


def test_a_failure_on_record(shop, told):
    shop.loaded("orders", (0, 0, 0), error="no such column")
    shop.loaded("clients", (1, 1, 0))
    by_name = {table.name: table for table in told("load", "--domains", "sales", code=1)}
    assert (by_name["sales.orders"].error, by_name["sales.clients"].error) == ("no such column", None)


def test_an_expectation_that_fails_a_load_which_is_on_record_as_a_success(shop, told):
    """So does Starlake 1.5.16."""
    shop.loaded("orders")
    shop.loaded("clients", (1, 1, 0))
    shop.checked("below('id', 10)", 4)
    by_name = {table.name: table for table in told("load", "--domains", "sales", code=1)}
    assert by_name["sales.orders"].error == "its expectations are not met"
    assert by_name["sales.clients"].error is None


def test_a_failure_that_the_audit_does_not_tell(shop, told):
    shop.loaded("orders", job="somebody else")
    (orders,) = told(*LOAD, code=3)
    assert (orders.name, orders.error, orders.checks) == ("sales.orders", "it failed with exit code 3", None)
    assert told("load", "--domains", "sales", code=3) == (), "nobody knows which table it was"


UNREACHABLE: list[tuple[dict[str, Any], str]] = [
    ({}, "the audit of connection main is not reachable from here: {root}/duckdb.db does not exist"),
    ({"audit": {"active": False}}, "the audit is switched off (audit.active)"),
    (
        {"connection": {"type": "bigquery"}},
        "the audit of connection main is not reachable from here: it is not a DuckDB file, its type is bigquery",
    ),
]


@pytest.mark.parametrize(("application", "reason"), UNREACHABLE)
def test_an_audit_that_is_not_reachable_says_why(shop, told, application, reason):
    shop.application(**application)
    expected = reason.format(root=shop.root)
    (orders,) = told(*LOAD)
    assert (orders.name, orders.checks, orders.checks_unknown) == ("sales.orders", None, expected)
    (failed,) = told(*LOAD, code=3)
    assert (failed.error, failed.checks_unknown) == ("it failed with exit code 3", expected)
    assert told("load", "--domains", "sales") == ()
    assert told("stage", "--domains", "sales") == ()
    (checked,) = check(shop, "sales.orders")
    assert (checked.checks, str(checked.checks_unknown).endswith(expected)) == (None, True)


def test_an_audit_that_another_process_has_says_so(shop, told):
    shop.loaded("orders")
    code = f"import duckdb; c = duckdb.connect({str(shop.root / 'duckdb.db')!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        (orders,) = told(*LOAD)
        holder.kill()
    assert "cannot be read: IO Error: Could not set lock on file" in str(orders.checks_unknown)


def test_without_duckdb_the_audit_cannot_be_read(shop, told, monkeypatch):
    shop.loaded("orders")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    (orders,) = told(*LOAD)
    assert "the package duckdb is not installed" in str(orders.checks_unknown)


def test_an_executor_without_facts_says_so(shop, told):
    (orders,) = told(*LOAD, facts=None)
    assert orders.checks_unknown == "the executor knows no audit of the project"


def test_facts_that_cannot_be_read_say_why(shop, told, unreadable_facts):
    found = outcomes_on_record(StarlakeCommand.of(LOAD), lambda: unreadable_facts("", {}), "job")
    assert found[0].checks_unknown == "metadata/application.sl.yml cannot be read"


def test_audits_of_other_kinds_can_be_read_by_facts_of_your_own(shop, told, facts):
    class Warehouse(facts):
        def recorded_outcomes(self, names, *, verb, job_id):
            return tuple(TableOutcome(f"{name} {verb} {job_id}", checks=()) for name in names)

    (orders,) = told(*LOAD, facts=Warehouse)
    assert orders.name == "sales.orders load run-1.step-1"


def check(shop: Shop, *names: str) -> tuple[TableOutcome, ...]:
    class Quiet:
        def output(self, *_: str) -> None:
            pass

        def info(self, _: str) -> None:
            pass

        warning = info

    (shop.root.parent / "starlake").touch(mode=0o755)
    executor = ShellExecutor(str(shop.root.parent / "starlake"), facts=read_project)
    return executor.check_tables(
        StarlakeCommand.of(["check", "--names", ",".join(names)]), Execution("r", "s", Quiet())
    )


def test_checks_alone_are_the_last_results_on_record(shop):
    shop.checked("below('id', 10)", 4, job="one")
    shop.checked("below('id', 10)", 0, at=2, job="two")
    shop.checked("filled('id')", 1, job="one")
    shop.checked("filled('id')", 3, table="months", job="one")
    orders, clients, monthly = check(shop, "sales.orders", "sales.clients", "kpi.monthly")
    assert [(one.success, one.count) for one in orders.checks or ()] == [(True, 0), (False, 1)]
    assert (clients.checks, clients.checks_unknown) == ((), None)
    assert [(monthly.name, one.count) for one in monthly.checks or ()] == [("kpi.monthly", 3)]


def test_nothing_is_read_unless_somebody_asks(shop, cli, execution):
    shop.loaded("orders")
    result = ShellExecutor(cli("pass"), facts=read_project).run(StarlakeCommand.of(LOAD), execution)
    assert result.tables == ()


def test_secrets_are_masked(shop, cli, execution):
    shop.loaded("orders", error="no hush hush")
    executor = ShellExecutor(cli("pass"), facts=read_project)
    command = StarlakeCommand.of(LOAD).with_environment({"DB_PASSWORD": "hush hush"})
    (orders,) = executor.run(command, replace(execution, outcomes=True)).tables
    assert "hush" not in str(orders.error)


def test_the_audit_in_schemas_of_its_own(shop, told):
    shop.application(audit={"domain": "logs", "domainExpectation": "quality"})
    row = ("run-1.step-1", "a.csv", "SALES", "Orders", True, 1, 1, 0, "2026-01-01", 9, "success", "LOAD")
    shop.record("audit", row, schema="logs")
    shop.record(
        "expectations", ("run-1.step-1", "sales", "orders", "2026-01-01", "a", "a", "a", 0, "", True), schema="quality"
    )
    (orders,) = told(*LOAD)
    assert orders.name == "sales.orders"
    assert [one.success for one in orders.checks or ()] == [None, None]
