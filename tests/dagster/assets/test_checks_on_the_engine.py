"""Checks and rejected rows of a real project on the embedded engine."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import AssetCheckSeverity, DagsterInstance

from ai.starlake.dagster import build_starlake_definitions
from tests.dagster.assets.conftest import Folder, key
from tests.dagster.assets.reporting import run, run_job
from tests.fakes.project_folder import APPLICATION

MACROS = """
    {% macro none_below(column, least) %}SELECT count(*) FROM sl_this WHERE {{ column }} < {{ least }}{% endmacro %}
    {% macro broken() %}SELECT count(*) FROM sl_this WHERE no_such_column = 1{% endmacro %}
    {% macro at_least(rows) %}
    SELECT CASE WHEN count(*) >= {{ rows }} THEN 0 ELSE 1 END FROM sl_this
    {% endmacro %}
"""
CHECKS = """\
expectations:
  - {expect: "shop.none_below('price', 0)", failOnError: true}
  - {expect: "broken()", failOnError: false}
  - {expect: "at_least(1)", failOnError: true}
"""
ORDERS = "shop/orders"


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a table with a private column and three expectations, and a file with a row that is rejected."""
    folder.write("expectations/shop.j2", MACROS)
    folder.write(
        "load/shop/_config.sl.yml",
        'version: 1\nload:\n  name: shop\n  metadata: {directory: "{{SL_ROOT}}/incoming", separator: ","}\n',
    )
    table = folder.table("shop", "orders", "id: long, price: long, mail: string", CHECKS)
    text = table.read_text("utf-8").replace("name: mail, type: string", "name: mail, type: string, privacy: HIDE")
    table.write_text(text, "utf-8")
    deliver(folder, "1,5,a@x", "2,-3,b@x", "x,1,c@x")
    return folder


def deliver(folder: Folder, *rows: str, name: str = "orders_1.csv") -> None:
    incoming = folder.root / "incoming"
    incoming.mkdir(exist_ok=True)
    (incoming / name).write_text("\n".join(["id,price,mail", *rows, ""]), "utf-8")


def strict(folder: Folder) -> None:
    folder.write("application.sl.yml", APPLICATION + "      expectations: {failOnError: true}\n")


def rows_of(check: Any) -> list[dict[str, Any]]:
    return [dict(record.data) for record in check.metadata["starlake/failing_rows"].records]


def test_results_rows_and_reasons(shop: Folder) -> None:
    ran = run(build_starlake_definitions(shop.root))
    assert ran.success, ran.failure
    assert ran.made == {ORDERS}
    below = ran.checks[f"{ORDERS}:none_below_price_0"]
    assert (below.passed, below.severity) == (False, AssetCheckSeverity.WARN)
    assert below.metadata["starlake/count"].value == 1
    assert rows_of(below) == [{"id": "2", "price": "-3"}]
    broken = ran.checks[f"{ORDERS}:broken"]
    assert not broken.passed
    assert "no_such_column" in broken.metadata["starlake/error"].value
    assert ran.checks[f"{ORDERS}:at_least_1"].passed
    rejected = ran.checks[f"{ORDERS}:rejected_rows"]
    assert (rejected.passed, rejected.severity) == (False, AssetCheckSeverity.WARN)
    assert rejected.metadata["starlake/rows_rejected"].value == 1
    (reason,) = rejected.metadata["starlake/reject_reasons"].records
    assert "`id`" in str(reason.data["reason"])


def test_one_that_blocks_leaves_the_table_as_it_was(shop: Folder) -> None:
    strict(shop)
    ran = run(build_starlake_definitions(shop.root))
    assert not ran.success
    assert ran.made == set()
    assert "none_below" in ran.failure
    assert {name: check.passed for name, check in ran.checks.items()} == {
        f"{ORDERS}:none_below_price_0": False,
        f"{ORDERS}:broken": False,
        f"{ORDERS}:at_least_1": True,
    }
    below = ran.checks[f"{ORDERS}:none_below_price_0"]
    assert below.severity is AssetCheckSeverity.ERROR
    assert rows_of(below) == [{"id": "2", "price": "-3"}]


def test_rejected_rows_of_the_domain(shop: Folder) -> None:
    with DagsterInstance.ephemeral() as instance:
        ran = run(build_starlake_definitions(shop.root, rejects=True), instance=instance)
        assert ran.success, ran.failure
        assert ran.made == {ORDERS, "audit/shop_rejected"}


def test_rejected_rows_are_replayed_when_the_metadata_is_corrected(shop: Folder) -> None:
    shop.write("application.sl.yml", APPLICATION + "      sinkReplayToFile: true\n")
    table = shop.root / "metadata/load/shop/orders.sl.yml"
    wrong = table.read_text("utf-8")
    with DagsterInstance.ephemeral() as instance:
        built = build_starlake_definitions(shop.root, rejects=True, name="shop")
        assert run(built, instance=instance).success
        replay = next(job for job in built.jobs if job.name == "shop_replay_rejects")
        ran = run_job(replay, instance)
        assert not ran.success, "the metadata is as it was, and all rows are rejected again"
        table.write_text(wrong.replace("{name: id, type: long}", "{name: id, type: string}"), "utf-8")
        ran = run_job(replay, instance)
        assert ran.success, ran.failure
        assert ran.made == {ORDERS, "audit/shop_rejected"}
        records = {name: instance.get_latest_materialization_event(key(name)) for name in ran.made}
        found = {name: record.asset_materialization.metadata for name, record in records.items()}
        assert found[ORDERS]["starlake/rows_accepted"].value == 1
        assert found[ORDERS]["dagster/row_count"].value == 3
        assert found["audit/shop_rejected"]["starlake/rows_rejected"].value == 0
        again = run_job(replay, instance)
        assert again.success
        assert again.made == set(), "no row is loaded twice"
