"""Differences between loads and tasks when each had a write path of its own."""

from __future__ import annotations

import duckdb
import pytest

from ai.starlake.embedded.transform.task_run import TransformRequest
from tests.stored_rows import rows_in

each_way = pytest.mark.parametrize("way", ["load", "task"])
LINES = {"load": "shop.rows", "task": "kpi.rows"}


def deliver(shop, way, content="id\n1\n2\n"):
    """Load a file, or run the task that selects the same rows; return why that failed."""
    if way == "task":
        return shop.engine.transform(TransformRequest("kpi.rows")).error
    shop.put("rows.csv", content)
    return next((job.error for job in shop.engine.load().failures), None)


def define(shop, **keys):
    shop.table("rows", {"id": "int"}, **keys)
    shop.task("kpi.rows", "SELECT unnest([1, 2]) AS id", **keys)


@pytest.fixture
def broken_audit(shop):
    """Put the audit into another database, whose audit table cannot hold what is written to it."""
    file = shop.root / "elsewhere.db"
    urls = {"duckdb": shop.root / "datasets/duckdb.db", "other": file}
    connections = {name: {"type": "jdbc", "options": {"url": f"jdbc:duckdb:{url}"}} for name, url in urls.items()}
    shop.application(connections=connections, audit={"sink": {"connectionRef": "other"}})
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA audit")
        connection.execute("CREATE TABLE audit.audit (JOBID INTEGER)")
    return file


@each_way
def test_rows_that_cannot_be_recorded_elsewhere_are_written_and_the_audit_stays_as_it_was(shop, broken_audit, way):
    define(shop)

    error = deliver(shop, way)

    assert "written, but not recorded in the audit" in error
    assert shop.rows(LINES[way]) == [(1,), (2,)]
    columns = rows_in(broken_audit, "SELECT column_name FROM duckdb_columns() WHERE NOT internal")
    assert columns == [("JOBID",)]


@each_way
def test_rows_made_of_those_they_replace_are_read_before_these_are_gone(shop, way):
    metadata = {"loader": "native", "writeStrategy": {"type": "OVERWRITE"}}
    more = {"name": "seen", "type": "long", "script": "(SELECT count(*) FROM shop.rows)"}
    shop.table("rows", [{"name": "id", "type": "int"}, more], metadata=metadata)
    select = "SELECT unnest([1, 2]) AS id, (SELECT count(*) FROM kpi.rows) AS seen"
    shop.task("kpi.rows", select, writeStrategy={"type": "OVERWRITE"})
    (shop.root / "datasets").mkdir()
    with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
        for schema in ("shop", "kpi"):
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(f"CREATE TABLE {schema}.rows AS SELECT 1 AS id, 7::BIGINT AS seen FROM range(3)")

    assert not deliver(shop, way)

    assert shop.rows(LINES[way]) == [(1, 3), (2, 3)]


def test_a_strategy_of_the_project_gets_the_names_of_renamed_key_columns(shop):
    folder = shop.root / "metadata/write-strategies/duckdb"
    folder.mkdir(parents=True)
    (folder / "only_new.j2").write_text(
        "INSERT INTO {{ tableFullName }} ({{ tableColumnsCsv }})"
        " SELECT {{ tableColumnsCsv }} FROM ({{ selectStatement }})"
        " WHERE {{ quotedStrategyKey[0] }} NOT IN (SELECT {{ quotedStrategyKey[0] }} FROM {{ tableFullName }});"
    )
    attributes = [{"name": "id", "type": "int", "rename": "number"}]
    shop.table("rows", attributes, metadata={"writeStrategy": {"type": "ONLY_NEW", "key": ["id"]}})

    for content in ("id\n1\n2\n", "id\n2\n3\n"):
        assert not deliver(shop, "load", content)

    assert shop.rows() == [(1,), (2,), (3,)]
