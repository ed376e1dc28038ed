"""Columns of tasks, and the columns that they are made of, from the SQL alone."""

from __future__ import annotations

import pytest

from ai.starlake.dagster import build_starlake_asset_specs
from tests.dagster.assets.conftest import SAMPLE, Folder, by_key, columns_of, deps_of, lineage_of


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """Return a project with two loaded tables."""
    folder.table("shop", "orders", "id: long, Customer_Id: long, total: double, placed: date")
    folder.table("shop", "customers", "id: long, name: string")
    return folder


def test_the_lineage_of_the_sample() -> None:
    specs = by_key(build_starlake_asset_specs(SAMPLE))
    assert lineage_of(specs["Products/ProductMargins"].metadata["dagster/column_lineage"]) == {
        "product_id": ["starbake/Products.product_id"],
        "product_name": ["starbake/Products.name"],
        "category": ["starbake/Products.details"],
        "price": ["starbake/Products.price"],
        "cost": ["starbake/Ingredients.price", "starbake/Products.recipe"],
        "margin": ["starbake/Ingredients.price", "starbake/Products.price", "starbake/Products.recipe"],
    }
    assert lineage_of(specs["kpis/DailySales"].metadata["dagster/column_lineage"])["margin"] == [
        "Products/ProductMargins.margin",
        "starbake/Orders.lines",
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT o.total FROM shop.orders o", {"total": ["orders.total"]}),
        ("SELECT total FROM orders", {"total": ["orders.total"]}),
        ("SELECT shop.orders.total FROM shop.orders", {"total": ["orders.total"]}),
        ("SELECT TOTAL AS T FROM SHOP.ORDERS", {"T": ["orders.total"]}),
        ("SELECT customer_id FROM shop.orders", {"customer_id": ["orders.Customer_Id"]}),
        (
            "SELECT name, total FROM orders JOIN customers ON customers.id = orders.id",
            {"name": ["customers.name"], "total": ["orders.total"]},
        ),
        ("SELECT total FROM orders WHERE id > 3 AND placed IS NOT NULL", {"total": ["orders.total"]}),
        ("SELECT total + id AS both FROM orders", {"both": ["orders.id", "orders.total"]}),
        (
            "SELECT sum(total) OVER (PARTITION BY customer_id ORDER BY placed) AS s FROM orders",
            {"s": ["orders.Customer_Id", "orders.placed", "orders.total"]},
        ),
        ("SELECT CASE WHEN id > 1 THEN total END AS t FROM orders", {"t": ["orders.id", "orders.total"]}),
        ("SELECT (SELECT max(c.name) FROM customers c) AS n FROM orders", {"n": ["customers.name"]}),
        ("SELECT id FROM orders UNION ALL SELECT id FROM customers", {"id": ["customers.id", "orders.id"]}),
        (
            "WITH a AS (SELECT total AS x FROM orders), b AS (SELECT x FROM a) SELECT x AS y FROM b",
            {"y": ["orders.total"]},
        ),
        ("SELECT * FROM (SELECT id, name FROM customers)", {"id": ["customers.id"], "name": ["customers.name"]}),
        ("SELECT * FROM customers", {"id": ["customers.id"], "name": ["customers.name"]}),
        ("SELECT * EXCLUDE (name) FROM customers", {"id": ["customers.id"]}),
        ("SELECT 1 AS one, id FROM orders", {"id": ["orders.id"]}),
        (
            "SELECT w.grade, o.id FROM orders o JOIN lake.weather w ON w.id = o.id",
            {"grade": ["lake/weather.grade"], "id": ["orders.id"]},
        ),
        (
            "WITH RECURSIVE u AS (SELECT id, total FROM orders UNION ALL SELECT id, total FROM u) SELECT total FROM u",
            {"total": ["orders.total"]},
        ),
        (
            'SELECT customers.*, id * 2 AS "Two Ids" FROM customers',
            {"id": ["customers.id"], "name": ["customers.name"], "Two Ids": ["customers.id"]},
        ),
        ("FROM orders SELECT total", {"total": ["orders.total"]}),
        (
            "SELECT t.total, t.n FROM customers c, LATERAL (SELECT total, c.name n FROM orders o WHERE o.id = c.id) t",
            {"total": ["orders.total"], "n": ["customers.name"]},
        ),
        ("SELECT u.x FROM customers c, unnest([c.name]) AS u(x)", {"x": ["customers.name"]}),
        ("(SELECT total FROM orders)", {"total": ["orders.total"]}),
        (
            "SELECT id AS a, total AS b FROM orders QUALIFY row_number() OVER (PARTITION BY placed) = 1",
            {"a": ["orders.id"], "b": ["orders.total"]},
        ),
        (
            "SELECT count(*) AS n, any_value(name) AS x FROM customers c SEMI JOIN orders o ON o.id = c.id",
            {"x": ["customers.name"]},
        ),
        ("INSTALL x; SELECT id FROM orders", {"id": ["orders.id"]}),
    ],
)
def test_a_column_has_the_columns_that_make_its_values(shop: Folder, sql: str, expected: dict[str, list[str]]) -> None:
    shop.task("kpi", "result", sql)
    found = shop.lineage("kpi/result")
    assert {name: [each.removeprefix("shop/") for each in sources] for name, sources in found.items()} == expected


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM nowhere.known", "SELEC id FRM orders", "CREATE TABLE x AS SELECT 1", "SELECT 1 AS one"]
)
def test_what_is_not_known_has_no_lineage(shop: Folder, sql: str) -> None:
    shop.task("kpi", "result", sql)
    assert shop.lineage("kpi/result") == {}


def test_lineage_goes_on_through_tasks_and_their_names(shop: Folder) -> None:
    shop.task("mid", "clean", "SELECT id AS key, total FROM shop.orders", "version: 1\ntask:\n  table: cleaned\n")
    shop.task("kpi", "result", "SELECT * FROM mid.cleaned")
    assert shop.lineage("kpi/result") == {"key": ["mid/cleaned.key"], "total": ["mid/cleaned.total"]}
    assert shop.types("kpi/result") == {"key": "BIGINT", "total": "DOUBLE"}


def test_lineage_goes_through_references(shop: Folder) -> None:
    shop.write(
        "refs.sl.yml",
        """
        version: 1
        refs:
          - input: {table: all_orders}
            output: {domain: shop, table: orders}
        """,
    )
    shop.task("kpi", "result", "SELECT total FROM all_orders")
    assert shop.lineage("kpi/result") == {"total": ["shop/orders.total"]}


def test_lineage_reads_the_rendered_sql(shop: Folder) -> None:
    shop.write("env.sl.yml", "version: 1\nenv:\n  measure: total\n")
    shop.task(
        "kpi", "result", "SELECT {{ measure }} AS m FROM shop.orders WHERE placed > '{{ sl_data_interval_start }}'"
    )
    assert shop.lineage("kpi/result") == {"m": ["shop/orders.total"]}


def test_types_are_named_only_where_the_sql_is_certain(shop: Folder) -> None:
    shop.task(
        "kpi",
        "result",
        "SELECT id, id::VARCHAR AS text, count(*) AS n, id > 1 AS large, max(placed) AS last, total * 2 AS twice"
        " FROM shop.orders GROUP BY ALL",
    )
    assert shop.types("kpi/result") == {
        "id": "BIGINT",
        "text": "VARCHAR",
        "n": "BIGINT",
        "large": "BOOLEAN",
        "last": "DATE",
        "twice": "unknown",
    }


def test_attributes_of_a_task_describe_its_columns(shop: Folder) -> None:
    shop.task(
        "kpi",
        "result",
        "SELECT id, total * 2 AS twice FROM shop.orders",
        """
        version: 1
        task:
          primaryKey: [id]
          attributes:
            - {name: twice, type: decimal, comment: Two of them, privacy: HIDE}
            - {name: note, type: string}
        """,
    )
    columns = columns_of(shop.specs()["kpi/result"])
    assert {name: column.type for name, column in columns.items()} == {
        "id": "BIGINT",
        "twice": "DECIMAL(38,9)",
        "note": "VARCHAR",
    }
    assert columns["twice"].description == "Two of them"
    assert columns["twice"].tags["privacy"] == "HIDE"
    assert columns["id"].constraints.unique
    assert shop.lineage("kpi/result") == {"id": ["shop/orders.id"], "twice": ["shop/orders.total"]}


def test_a_script_of_python_has_the_columns_of_its_metadata(shop: Folder) -> None:
    shop.write("transform/kpi/result.py", "print('hello')\n")
    shop.write("transform/kpi/result.sl.yml", "version: 1\ntask:\n  attributes:\n    - {name: id, type: long}\n")
    spec = shop.specs()["kpi/result"]
    assert shop.types("kpi/result") == {"id": "BIGINT"}
    assert spec.kinds == {"starlake", "duckdb", "python"}


def test_no_secret_of_a_privacy_algorithm_is_shown(folder: Folder) -> None:
    folder.write(
        "load/shop/orders.sl.yml",
        """
        version: 1
        table:
          name: orders
          pattern: orders.*
          attributes:
            - {name: id, type: string, privacy: "SQL: md5(concat(id, 'pepper'))"}
        """,
    )
    assert "pepper" not in repr(folder.specs()["shop/orders"])


def test_columns_with_blanks_and_nested_values_are_followed(folder: Folder) -> None:
    folder.write(
        "load/shop/orders.sl.yml",
        """
        version: 1
        table:
          name: orders
          pattern: orders.*
          attributes:
            - {name: unit price, type: double}
            - name: lines
              type: struct
              array: true
              attributes:
                - {name: product, type: string}
        """,
    )
    folder.task(
        "kpi",
        "result",
        'SELECT o."unit price" AS p, l.line.product AS product'
        " FROM shop.orders o, LATERAL (SELECT unnest(o.lines) AS line) l",
    )
    assert folder.lineage("kpi/result") == {"p": ["shop/orders.unit price"], "product": ["shop/orders.lines"]}


def test_a_long_chain_that_doubles_at_each_step_takes_no_longer(shop: Folder) -> None:
    steps = [f"c{n} AS (SELECT a.total + b.total AS total FROM c{n - 1} a, c{n - 1} b)" for n in range(1, 41)]
    shop.task("kpi", "result", f"WITH c0 AS (SELECT total FROM orders), {', '.join(steps)} SELECT total FROM c40")
    assert shop.lineage("kpi/result") == {"total": ["shop/orders.total"]}


def test_a_task_that_reads_its_own_table_has_its_columns(shop: Folder) -> None:
    shop.task("kpi", "result", "SELECT o.id, r.seen FROM shop.orders o LEFT JOIN kpi.result r ON r.id = o.id")
    assert deps_of(shop.specs()["kpi/result"]) == {"shop/orders"}
    assert shop.lineage("kpi/result") == {"id": ["shop/orders.id"], "seen": ["kpi/result.seen"]}


def test_sql_that_cannot_be_parsed_is_named_with_its_reason(shop: Folder) -> None:
    shop.task("kpis", "odd", "SELECT id\nFROM shop.orders WHERE ((id = 1")
    shop.task("kpis", "good", "SELECT id FROM shop.orders")
    for turn in ("parsed", "from the cache"):
        with pytest.warns(UserWarning, match=r"kpis.odd has no column lineage: .*odd.sql: line 2: ") as caught:
            specs = shop.specs()
        assert len([each for each in caught if "column lineage" in str(each.message)]) == 1, turn
        said = specs["kpis/odd"].metadata["starlake/lineage_unknown"]
        assert "odd.sql: line 2: " in str(said)
        assert deps_of(specs["kpis/odd"]) == {"shop/orders"}, "edges are searched for all the same"
        assert "starlake/lineage_unknown" not in specs["kpis/good"].metadata
