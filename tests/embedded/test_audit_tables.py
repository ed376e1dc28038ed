"""Audit tables that another version of Starlake made: columns are missing, in another order, or there are more."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.embedded.warehouse import audit

TABLES = {name: list(columns.items()) for name, columns in audit._TABLES.items()}


@pytest.fixture
def busy(shop):
    """Return a table with a rejected row and an expectation, and a task with one."""
    shop.write("metadata/expectations/own.j2")
    (shop.root / "metadata/expectations/own.j2").write_text(
        "{% macro none_of(value) %}SELECT count(*) FROM sl_this WHERE id = {{ value }}{% endmacro %}"
    )
    expectations = [{"expect": "none_of(7)"}]
    shop.table("rows", {"id": "int"}, expectations=expectations)
    shop.task("kpi.ids", "SELECT 1 AS id", expectations=expectations)
    return shop


def make(shop, schema):
    """Make the audit tables of another version.

    Args:
        shop: The project.
        schema: The columns of each table, names and types.
    """
    (shop.root / "datasets").mkdir(exist_ok=True)
    with duckdb.connect(str(shop.root / "datasets/duckdb.db")) as connection:
        connection.execute("DROP SCHEMA IF EXISTS audit CASCADE; CREATE SCHEMA audit")
        for name, columns in schema.items():
            body = ", ".join(f"{column} {kind}" for column, kind in columns)
            connection.execute(f"CREATE TABLE audit.{name} ({body})")


def work(shop):
    shop.put("rows1.csv", "id\n1\nx\n")
    (job,) = shop.engine.load().jobs
    assert job.error is None
    assert shop.engine.transform(TransformRequest("kpi.ids")).error is None


def check(shop):
    assert shop.query("SELECT DOMAIN, SCHEMA, STEP, SUCCESS, COUNT, COUNTREJECTED FROM audit.audit ORDER BY ALL") == [
        ("kpi", "ids", "TRANSFORM", True, -1, -1),
        ("shop", "rows", "LOAD", True, 2, 1),
    ]
    assert shop.query("SELECT count(*) FROM audit.audit WHERE SCHEDULED_DATE IS NULL OR JOBID IS NULL") == [(0,)]
    assert shop.query("SELECT DOMAIN, SCHEMA, PATH LIKE '%/rows1.csv' FROM audit.rejected") == [("shop", "rows", True)]
    assert shop.query("SELECT DOMAIN, NAME, COUNT, SUCCESS FROM audit.expectations ORDER BY ALL") == [
        ("kpi", "none_of(7)", 0, True),
        ("shop", "none_of(7)", 0, True),
    ]


@st.composite
def other_versions(draw):
    """Return some of the columns in any order and case, and some that nobody knows."""
    schema = {}
    for name, columns in TABLES.items():
        known = draw(st.lists(st.sampled_from(columns), min_size=1, unique=True))
        more = [(f"more{place}", kind) for place, kind in enumerate(draw(st.lists(st.sampled_from(["INT", "TEXT"]))))]
        lower = draw(st.booleans())
        schema[name] = draw(
            st.permutations([(column.lower() if lower else column, kind) for column, kind in known + more])
        )
    return schema


@settings(max_examples=12)
@given(other_versions())
def test_tables_of_any_version_are_written_to(busy, schema):
    make(busy, schema)
    work(busy)
    check(busy)


def test_rows_of_an_older_starlake_stay(busy):
    """Starlake before 1.5.1 had no SCHEDULED_DATE."""
    make(busy, {"audit": TABLES["audit"][:-1]})
    with duckdb.connect(str(busy.root / "datasets/duckdb.db")) as connection:
        connection.execute("INSERT INTO audit.audit (JOBID, DOMAIN, SUCCESS) VALUES ('old', 'gone', false)")
    work(busy)
    assert busy.query("SELECT JOBID, SCHEDULED_DATE FROM audit.audit WHERE NOT SUCCESS") == [("old", None)]
    assert busy.query("SELECT count(*) FROM audit.audit") == [(3,)]


@pytest.mark.parametrize("extra", ["CREATE INDEX own ON audit.audit (JOBID)", "CREATE VIEW own AS FROM audit.audit"])
def test_what_depends_on_a_table_is_no_obstacle(busy, extra):
    make(busy, {"audit": TABLES["audit"][:-1]})
    with duckdb.connect(str(busy.root / "datasets/duckdb.db")) as connection:
        connection.execute(extra)
    work(busy)
    check(busy)
