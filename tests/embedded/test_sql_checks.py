"""Findings of ``validate`` in SQL: syntax, unknown tables, unknown columns, and cases without findings."""

from __future__ import annotations

import duckdb
import pytest

from ai.starlake.embedded.transform.sql_checks import sql_findings
from ai.starlake.project import Project, validate


@pytest.fixture
def checked(shop):
    """Return a project with a table of two columns, without a database."""
    shop.table("rows", {"id": "int", "name": "string"})
    shop.table(
        "orders",
        [
            {"name": "id", "type": "int"},
            {"name": "placed", "type": "timestamp"},
            {"name": "buyer", "type": "struct", "attributes": [{"name": "city", "type": "string"}]},
            {"name": "items", "type": "struct", "array": True, "attributes": [{"name": "sku", "type": "string"}]},
            {"name": "tags", "type": "string", "array": True},
            {"name": "doc", "type": "variant"},
            {"name": "old", "type": "string", "rename": "new"},
            {"name": "hidden", "type": "string", "ignore": True},
        ],
        metadata={"format": "JSON"},
    )
    return shop


def findings(shop):
    project = Project.read(shop.root, environment=shop.environment)
    wrong = [each for each in validate(shop.root, environment=shop.environment) if each.is_error]
    assert wrong == []
    return sql_findings(project)


def places(shop):
    return [(each.file.name, each.line, each.severity.value) for each in findings(shop)]


@pytest.mark.parametrize(
    ("sql", "line", "said"),
    [
        ("SELECT c.nme FROM shop.rows c", 1, "nme"),
        ("SELECT id\nFROM shop.rows\nGROPU BY id", 3, "syntax error"),
        ("-- nothing\nSELECT id,\n  nme\nFROM shop.rows", 3, "nme"),
        ("SELECT x.id\nFROM shop.rows r", 1, '"x"'),
        ("SELECT id FROM shop.rows JOIN shop.orders USING (name)", 1, "name"),
        ("SELECT * EXCLUDE (nme) FROM shop.rows", 1, "nme"),
        ("WITH q AS (SELECT id FROM shop.rows)\nSELECT name FROM q", 2, "name"),
        ("SELECT id FROM shop.rows r\nWHERE EXISTS (SELECT 1 FROM shop.orders o WHERE o.id = r.idd)", 2, "idd"),
        ("SELECT old FROM shop.orders", 1, "old"),
        ("SELECT hidden FROM shop.orders", 1, "hidden"),
        (
            "{% for c in ['id', 'nme'] %}\n{% if loop.first %}SELECT{% endif %}\n{% endfor %} nme FROM shop.rows",
            3,
            "nme",
        ),
        ("SELECT id FROM shop.rows r, shop.orders o", 1, "Ambiguous"),
        ("SELECT id\nFROM shop.rowz", 2, "shop.rowz"),
        ("SELECT id\nFROM shp.rows", 2, "shp.rows"),
        ("SELECT id FROM nowhere", 1, "nowhere"),
        ("--SL_PRESQL\nSELECT 1;\nSELEC 2;\n--SL_SQL\nSELECT 1 AS a", 3, "syntax error"),
        ("SELECT 1 AS a\n--SL_POSTSQL\nDELETE FORM x", 3, "syntax error"),
        ("SELECT 1 AS a;\n\nSELECT 2 AS a", 3, "2 main statements"),
    ],
)
def test_mistakes_in_tasks(checked, sql, line, said):
    checked.task("kpi.t", sql)
    [finding] = findings(checked)
    assert (finding.file.name, finding.line, finding.severity.value) == ("t.sql", line, "error")
    assert said in finding.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM shop.rows",
        "SELECT ID, Name FROM SHOP.Rows",
        "SELECT new, o.buyer.city, buyer['city'] FROM shop.orders o",
        "SELECT o.id, i.sku FROM shop.orders o, UNNEST(o.items) AS t(i)",
        "SELECT o.id, t.i.sku FROM shop.orders o CROSS JOIN LATERAL (SELECT unnest(o.items) AS i) t",
        "SELECT unnest(items, recursive := true) FROM shop.orders",
        "SELECT list_transform(tags, x -> upper(x)) AS t, [x for x in tags if x > 'a'] AS u FROM shop.orders",
        "SELECT doc.deep.er, doc->>'$.x' FROM shop.orders",
        "SELECT id AS a, a + 1 AS b FROM shop.rows WHERE a > 1 GROUP BY ALL HAVING b > 2 ORDER BY b",
        "SELECT * FROM shop.rows r JOIN shop.orders USING (id)",
        "SELECT COLUMNS('i.*') FROM shop.rows",
        "SELECT * REPLACE (upper(name) AS name) FROM shop.rows QUALIFY row_number() OVER (ORDER BY id) = 1",
        "FROM shop.rows SELECT id",
        "PIVOT shop.rows ON name USING count(*)",
        "SELECT id FROM shop.rows WHERE EXISTS (SELECT 1 FROM shop.orders o WHERE o.id = rows.id)",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t",
        "SELECT * FROM range(3) AS r(n), read_csv('x.csv')",
        "SELECT a FROM 'data.csv'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM duckdb_tables",
        "SELECT count(*) AS n FROM audit.audit",
        "SELECT extract(year FROM placed) AS y FROM shop.orders",
        "SELECT my_macro(id) AS x, name + 1 AS y FROM shop.rows",
        "SELECT x FROM other.catalog.t",
        "SELECT {{ sl_date }} AS d, '{{ \"quoted\" }}' AS q FROM shop.rows",
        "SELECT id FROM shop.rows UNION BY NAME SELECT id FROM shop.orders",
        "SELECT v.a FROM (VALUES (1)) v(a) POSITIONAL JOIN shop.rows",
        "--SL_PRESQL\nCREATE TEMP TABLE made AS SELECT 1 AS x;\n--SL_SQL\nSELECT x FROM made",
        "SELECT id FROM rows",
    ],
)
def test_no_false_alarms(checked, sql):
    checked.task("kpi.t", sql)
    assert places(checked) == []


def test_columns_of_tasks_are_those_of_their_select(checked):
    checked.task("kpi.first", "SELECT id, name AS label FROM shop.rows")
    checked.task("kpi.second", "SELECT *, 1 AS extra FROM kpi.first")
    checked.task("kpi.good", "SELECT id, label, extra FROM kpi.second JOIN first USING (id, label)")
    checked.task("kpi.bad", "SELECT name FROM kpi.second")
    assert places(checked) == [("bad.sql", 1, "error")]


def test_what_follows_a_mistake_is_not_a_mistake(checked):
    checked.task("kpi.first", "SELECT nme FROM shop.rows")
    checked.task("kpi.second", "SELECT anything FROM kpi.first")
    assert places(checked) == [("first.sql", 1, "error")]


def test_tables_of_others(checked):
    checked.task("kpi.t", "SELECT x FROM elsewhere.things")
    assert places(checked) == [("t.sql", 1, "warning")]
    checked.write("metadata/external/elsewhere/things.sl.yml", table={"name": "things"})
    assert places(checked) == []


def test_what_the_database_has_is_known(checked):
    file = checked.root / "datasets/duckdb.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.things (x INTEGER)")
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.rows (id INTEGER, name VARCHAR, kept VARCHAR)")
    checked.task("kpi.good", "SELECT x, kept FROM elsewhere.things, shop.rows")
    checked.task("kpi.bad", "SELECT y FROM elsewhere.things")
    assert places(checked) == [("bad.sql", 1, "error")]
    with duckdb.connect(str(file)):  # a database that somebody writes to cannot be read, so nothing is certain
        assert places(checked) == []


def test_attached_databases_are_not_judged(checked):
    url = f"jdbc:duckdb:{checked.root}/datasets/duckdb.db"
    options = {"url": url, "preActions": "ATTACH 'f.db' AS f"}
    checked.application(connections={"duckdb": {"type": "jdbc", "options": options}})
    checked.task("kpi.t", "SELECT x FROM f.things")
    assert places(checked) == []


def test_tables_with_presql_that_alters_them_are_not_judged(checked):
    checked.table("rows", {"id": "int"}, postsql=["ALTER TABLE shop.rows ADD COLUMN IF NOT EXISTS more INTEGER"])
    checked.task("kpi.t", "SELECT more FROM shop.rows")
    assert places(checked) == []


def test_versions_have_their_columns(checked):
    strategy = {"type": "SCD2", "key": ["id"], "timestamp": "id"}
    checked.table("rows", {"id": "int"}, metadata={"writeStrategy": strategy})
    checked.task("kpi.t", "SELECT id, sl_start_ts, sl_end_ts FROM shop.rows")
    assert places(checked) == []


TABLE = """version: 1
table:
  name: more
  pattern: more.*
  metadata: {separator: ","}
  attributes:
    - {name: id, type: int}
"""


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("  presql:\n    - SELECT 1\n    - SELEC 2\n", 10),
        ("    - name: twice\n      type: int\n      script: |\n        id\n        + idd\n", 11),
        ("  filter: nme = 'a'\n", 8),
        ("  expectations:\n    - expect: broken()\n", 9),
        ("  expectations:\n    - expect: unparsable()\n", 9),
    ],
)
def test_mistakes_in_tables(checked, more, line):
    macros = checked.root / "metadata/expectations/mine.j2"
    macros.parent.mkdir(parents=True)
    macros.write_text(
        "{% macro broken() %}SELECT nme FROM SL_THIS{% endmacro %}\n"
        "{% macro unparsable() %}SELECT count(* FROM SL_THIS{% endmacro %}"
        "{% macro good() %}SELECT count(id) - count(*) FROM SL_THIS{% endmacro %}",
        encoding="utf-8",
    )
    (checked.root / "metadata/load/shop/more.sl.yml").write_text(TABLE + more, encoding="utf-8")
    assert places(checked) == [("more.sl.yml", line, "error")]
    right = "    - {name: twice, type: int, script: id + 1}\n  filter: id > 1\n  expectations:\n    - expect: good()\n"
    (checked.root / "metadata/load/shop/more.sl.yml").write_text(TABLE + right, encoding="utf-8")
    assert places(checked) == []


def test_other_databases_are_parsed_in_their_dialect(checked):
    checked.application(
        connections={"bq": {"type": "BQ", "options": {"location": "EU"}}}, connectionRef="bq", loader="native"
    )
    checked.task("kpi.good", "SELECT * EXCEPT (id), SAFE_CAST(x AS INT64) FROM `p-1.ext.t`, UNNEST([1]) WITH OFFSET")
    checked.task("kpi.bad", "SELECT id\nFROM shop.rows\nGROUP id BY")
    found = sql_findings(Project.read(checked.root, environment=checked.environment))
    assert [(each.file.name, each.line, each.severity.value) for each in found] == [("bad.sql", 3, "error")]
