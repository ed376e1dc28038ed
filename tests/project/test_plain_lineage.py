"""Plain queries have the lineage that sqlglot gives them, and others are left to sqlglot."""

from __future__ import annotations

import pytest
from sqlglot import exp, parse_one

from ai.starlake.project.assets.item_lineage import query_columns
from ai.starlake.project.assets.plain_lineage import NotPlainError, plain_lineage
from ai.starlake.project.assets.project_item import ItemColumn

KNOWN = {
    ("shop", "orders"): [ItemColumn("id", "BIGINT"), ItemColumn("Total", "DOUBLE"), ItemColumn("placed", "DATE")],
    ("shop", "customers"): [ItemColumn("id", "BIGINT"), ItemColumn("name", "VARCHAR")],
    ("shop", "order"): [ItemColumn("order", "BIGINT"), ItemColumn("group", "VARCHAR")],
}
PLAIN = [
    "SELECT id, total FROM shop.orders",
    "SELECT o.id AS a, TOTAL + o.id AS Both FROM shop.orders AS o",
    "SELECT o.id, c.name FROM shop.orders o JOIN shop.customers c ON c.id = o.id",
    "SELECT name, total FROM shop.orders o LEFT JOIN shop.customers c ON c.id = o.id",
    "SELECT o.id, c.name FROM shop.orders o, shop.customers c WHERE o.id = c.id",
    "WITH a AS (SELECT id, total AS t FROM shop.orders), b AS (SELECT a.t, a.id FROM a) SELECT b.t AS x FROM b",
    "WITH a AS (SELECT 1 AS id) SELECT x.id FROM (WITH a AS (SELECT id FROM shop.orders) SELECT id FROM a) x",
    "WITH orders AS (SELECT id AS key FROM shop.orders) SELECT orders.key FROM orders",
    "SELECT x.n, x.d FROM (SELECT count(*) AS n, max(placed) AS d FROM shop.orders) AS x",
    "SELECT id::VARCHAR AS s, id > 1 AS large, 1 AS one, max(placed) AS m, count(*) AS n FROM shop.orders",
    "SELECT sum(total) OVER (PARTITION BY id ORDER BY placed) AS s FROM shop.orders",
    "SELECT CASE WHEN id > 1 THEN total END AS t FROM shop.orders WHERE id IN (SELECT id FROM shop.customers)",
    'SELECT "order", "group" AS "the group" FROM shop."order" AS o',
    "SELECT w.grade, w.Mass AS m FROM lake.weather AS w",
    "SELECT grade FROM weather",
    "SELECT list_transform([total], v -> v + id) AS l FROM shop.orders",
]
NOT_PLAIN = [
    "SELECT * FROM shop.orders",
    "SELECT o.* FROM shop.orders o",
    "SELECT id AS a, a + 1 AS b FROM shop.orders",
    "SELECT count(*) FROM shop.orders",
    "SELECT id, id FROM shop.orders",
    "SELECT id FROM shop.orders UNION ALL SELECT id FROM shop.customers",
    "SELECT id FROM shop.orders JOIN shop.customers USING (id)",
    "SELECT o.id FROM shop.orders o NATURAL JOIN shop.customers c",
    "SELECT name AS n FROM shop.customers c SEMI JOIN shop.orders o ON o.id = c.id",
    "SELECT (SELECT max(name) FROM shop.customers) AS n FROM shop.orders",
    "SELECT shop.orders.id FROM shop.orders",
    "SELECT orders FROM shop.orders",
    "SELECT grade, id FROM lake.weather, shop.orders",
    "SELECT o.nothing FROM shop.orders o",
    "SELECT O.id FROM shop.orders o",
    "SELECT t.x FROM shop.orders AS t(x, y, z)",
    "SELECT u.x FROM shop.customers c, unnest([c.name]) AS u(x)",
    "SELECT a FROM read_csv('a.csv')",
    "WITH RECURSIVE u AS (SELECT id FROM shop.orders UNION ALL SELECT id FROM u) SELECT id FROM u",
    "WITH a(x) AS (SELECT id FROM shop.orders) SELECT a.x FROM a",
    "WITH A AS (SELECT id FROM shop.orders) SELECT a.id FROM a",
    "SELECT 'x' AS a, b.c.d.e AS f FROM shop.orders AS b",
    'SELECT "a.b" FROM lake.weather',
    "SELECT COLUMNS('a.*') AS x FROM shop.orders",
]


def _columns(sql: str, dialect: str = "duckdb") -> list[tuple[str, str, tuple[object, ...]]]:
    found = query_columns([parse_one(sql, read=dialect)], dialect, tuple, KNOWN)
    return [(column.name.lower(), column.type, column.sources) for column in found]


def _names(table: exp.Table) -> list[str]:
    parts = tuple(part.name for part in table.parts)
    return [column.name.lower() for column in KNOWN.get(parts, ())]


@pytest.mark.parametrize("sql", PLAIN)
def test_a_plain_query_has_the_lineage_that_sqlglot_gives_it(sql: str) -> None:
    assert plain_lineage(parse_one(sql, read="duckdb"), "duckdb", _names)
    assert _columns(sql)
    assert _columns(sql) == _columns(f"SELECT * FROM ({sql})")  # a star is not plain


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "postgres", "spark"])
@pytest.mark.parametrize("sql", ["SELECT w.Grade AS G, Mass FROM lake.weather AS w", PLAIN[5], PLAIN[3]])
def test_names_without_quotes_have_the_case_of_the_database(sql: str, dialect: str) -> None:
    assert plain_lineage(parse_one(sql, read=dialect), dialect, _names)
    assert _columns(sql, dialect)
    assert _columns(sql, dialect) == _columns(f"SELECT * FROM ({sql}) AS x", dialect)


@pytest.mark.parametrize("sql", NOT_PLAIN)
def test_other_queries_are_left_to_sqlglot(sql: str) -> None:
    with pytest.raises(NotPlainError):
        plain_lineage(parse_one(sql, read="duckdb"), "duckdb", _names)
