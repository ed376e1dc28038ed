"""DuckDB's errors about the project's SQL name the user's file and line, never the engine's own SQL."""

from __future__ import annotations

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.transform.task_run import TransformRequest


@pytest.fixture
def clients(shop):
    shop.table("rows", {"id": "int", "name": "string"})
    shop.put("rows.csv", "id,name\n1,a\n")
    assert shop.engine.load().failures == ()
    return shop


def error_of(shop, name="kpi.t", **request):
    error = shop.engine.transform(TransformRequest(name, **request)).error
    assert error is not None
    assert "DESCRIBE" not in error
    assert "LINE " not in error
    return error


def place(shop, line, name="transform/kpi/t.sql"):
    return f"{shop.root}/metadata/{name}:{line}: "


@pytest.mark.parametrize(
    ("sql", "line", "said", "source"),
    [
        ("SELECT c.nme FROM shop.rows c", 1, '"nme"', "SELECT c.nme FROM shop.rows c"),
        ("-- a comment\n\nSELECT\n  id,\n  nme\nFROM shop.rows\n", 5, '"nme"', "nme"),
        ("SELECT id FROM shop.rows\nGROPU BY id", 2, "syntax error", "GROPU BY id"),
        ("SELECT id FROM shop.rows\nWHERE id = 'x'\n", 2, "Conversion", ""),
        ("SELECT id\nFROM shop.rowz", 2, "rowz", "FROM shop.rowz"),
        ("SELECT id FROM", 1, "syntax error", ""),
        ("SELECT id FROM rows\nJOIN rows r USING (nope)", 1, "nope", ""),
        ("--SL_PRESQL\nSELECT 1;\n--SL_SQL\nSELECT 1 AS a,\n nme\nFROM shop.rows", 5, '"nme"', "nme"),
        ("--SL_PRESQL\nSELECT 1;\nSELECT\n 2 AS b, oops;\n--SL_SQL\nSELECT 1 AS a", 4, '"oops"', "2 AS b, oops;"),
        ("SELECT 1 AS a\n--SL_POSTSQL\n\nDELETE FROM t;\nDELETE FROM nowhere", 5, "nowhere", ""),
        ("{% set a = 1 %}\nSELECT {{ a }} AS a,\n nme FROM shop.rows", 3, '"nme"', "nme FROM shop.rows"),
        (
            "SELECT id\n{% for n in range(3) %}\n, {{ n }} AS c{{ n }}\n{% endfor %}\nFROM shop.rows\nWHERE nme = 1",
            6,
            '"nme"',
            "WHERE nme = 1",
        ),
        ("SELECT id\r\n, nme\r\nFROM shop.rows\r\n", 2, '"nme"', ", nme"),
    ],
)
def test_tasks(clients, sql, line, said, source):
    clients.task("kpi.t", sql)
    error = error_of(clients)
    assert error.startswith(f"kpi.t: {place(clients, line)}")
    assert said in error
    if source:
        assert error.endswith(f"\nin: {source}")
    assert str(clients.root / "metadata/transform/kpi/t.sql") in clients.query("SELECT message FROM audit.audit")[-1][0]


@pytest.mark.parametrize("view", [True, False])
def test_views_and_existing_tables(clients, view):
    keys = {"sink": {"materializedView": "VIEW"}} if view else {}
    clients.task("kpi.t", "SELECT id FROM shop.rows", **keys)
    assert clients.engine.transform(TransformRequest("kpi.t")).error is None
    clients.task("kpi.t", "SELECT id\n, nme FROM shop.rows", **keys)
    assert error_of(clients).startswith(f"kpi.t: {place(clients, 2)}")


def test_values_that_cannot_be_converted(clients):
    clients.task("kpi.t", "SELECT\n  CAST(name AS INTEGER) AS n\nFROM shop.rows", writeStrategy={"type": "OVERWRITE"})
    for _ in range(2):
        error = error_of(clients)
        assert "Could not convert string 'a'" in error
        assert f"{clients.root}/metadata/transform/kpi/t.sql:" in error


def test_sql_in_yaml(shop):
    file = shop.root / "metadata/transform/kpi/t.sl.yml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "version: 1\ntask:\n  name: t\n  presql:\n    - SELECT 1\n    - |\n      SELECT\n        oops\n  sql: |\n"
        "    SELECT 1 AS a\n    , nme\n",
        encoding="utf-8",
    )
    assert error_of(shop).startswith(f"kpi.t: {place(shop, 8, 'transform/kpi/t.sl.yml')}")
    file.write_text(file.read_text().replace("oops", "1"), encoding="utf-8")
    assert error_of(shop).startswith(f"kpi.t: {place(shop, 11, 'transform/kpi/t.sl.yml')}")


def test_a_query_of_the_command_line_is_no_file(clients):
    clients.task("kpi.t", "SELECT id FROM shop.rows")
    error = error_of(clients, query="SELECT id,\nnme FROM shop.rows")
    assert "kpi.t: the query: " in error
    assert '"nme"' in error


def test_compile_and_interactive(clients):
    clients.task("kpi.t", "SELECT id\n, nme FROM shop.rows")
    with pytest.raises(StarlakeError) as raised:
        clients.engine.transform(TransformRequest("kpi.t", interactive="csv"))
    assert str(raised.value).startswith(place(clients, 2))
    clients.task("kpi.t", "SELECT *\nFROM shop.rowz")
    with pytest.raises(StarlakeError) as raised:
        clients.engine.transform(TransformRequest("kpi.t", compile=True))
    assert str(raised.value).startswith(place(clients, 2))


def lines(shop, text):
    file = shop.root / "metadata/load/shop/rows.sl.yml"
    file.write_text(text, encoding="utf-8")
    shop.put("rows.csv", "id,name\n1,a\n")
    [job] = shop.engine.load().jobs
    assert job.error is not None
    assert "LINE" not in job.error
    return file, job.error


TABLE = """version: 1
table:
  name: rows
  pattern: rows.*
  metadata: {separator: ","}
  attributes:
    - {name: id, type: int}
    - {name: name, type: string}
"""


@pytest.mark.parametrize(
    ("more", "line", "said"),
    [
        ("  presql:\n    - SELECT 1\n    - SELECT oops\n", 11, "oops"),
        ("  postsql: [SELECT 1, DELETE FROM nowhere]\n", 9, "nowhere"),
        ("    - name: twice\n      type: int\n      script: |\n        id\n        + idd\n", 12, "idd"),
        ("    - name: twice\n      type: int\n      script: SQL:id + idd\n", 11, "idd"),
        ("  filter: nme = 'a'\n", 9, "nme"),
        ("  expectations:\n    - expect: broken()\n      failOnError: true\n", 10, "nme"),
    ],
)
def test_sql_of_tables(shop, more, line, said):
    macro = shop.root / "metadata/expectations/mine.j2"
    macro.parent.mkdir(parents=True)
    macro.write_text("{% macro broken() %}SELECT nme FROM SL_THIS{% endmacro %}", encoding="utf-8")
    shop.application(expectations={"failOnError": True})
    file, error = lines(shop, TABLE + more)
    assert f"{file}:{line}: " in error
    assert said in error
    assert "stage/shop/rows.csv" in shop.files()
