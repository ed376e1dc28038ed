"""Tasks: SQL and what is around it, failures, dependencies, what is shown instead of run."""

from __future__ import annotations

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.transform.task_run import TransformRequest


def run(shop, name, **request):
    return shop.engine.transform(TransformRequest(name, **request))


def test_presql_may_use_the_target_in_the_first_run(shop):
    shop.task("mart.t", "SELECT 1 AS id, 'a' AS label", presql=["DELETE FROM mart.t WHERE id = 1"])
    for _ in range(2):
        assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1, "a")]


def test_all_or_nothing(shop):
    shop.task(
        "mart.t", "SELECT 1 AS id", presql=["CREATE TABLE mart.trail AS SELECT 1 AS n"], postsql=["SELECT nosuch"]
    )
    assert "nosuch" in run(shop, "mart.t").error
    assert shop.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart'") == []
    assert shop.query("SELECT step, success FROM audit.audit") == [("TRANSFORM", False)]


def test_a_failed_dependency_fails_the_command(shop):
    shop.task("base.a", "SELECT 1 AS id FROM nosuch")
    shop.task("mart.b", "SELECT id FROM base.a")
    result = run(shop, "mart.b", recursive=True)
    assert result.tasks == ()
    assert result.error.startswith("base.a: ")


def test_dependencies_run_once_and_first(shop):
    shop.task("a.one", "SELECT 1 AS id", writeStrategy={"type": "APPEND"})
    shop.task("a.two", "SELECT id FROM one")
    shop.task("a.three", "SELECT one.id FROM a.one, a.two")
    result = run(shop, "A.THREE", recursive=True)
    assert result.tasks == ("a.one", "a.two", "a.three")
    assert shop.rows("a.one") == [(1,)]


def test_a_circle_is_named(shop):
    shop.task("a.one", "SELECT id FROM a.two")
    shop.task("a.two", "SELECT id FROM a.one")
    with pytest.raises(StarlakeError, match=r"a\.one -> a\.two -> a\.one"):
        run(shop, "a.one", recursive=True)


def test_attributes_add_columns(shop):
    shop.task("mart.t", "SELECT 1 AS id")
    run(shop, "mart.t")
    shop.task("mart.t", "SELECT 2 AS id, 'b' AS label", attributes=[{"name": "id", "type": "int"}, {"name": "label"}])
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1, None), (2, "b")]


def test_added_columns_have_the_types_of_the_attributes(shop):
    shop.task("mart.t", "SELECT 1 AS id")
    run(shop, "mart.t")
    added = [{"name": "n", "type": "int"}, {"name": "s", "type": "string"}, {"name": "l", "type": "int", "array": True}]
    shop.task("mart.t", "SELECT 2 AS id, 3 AS n, 4 AS s, [5] AS l", attributes=[{"name": "id"}, *added])
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1, None, None, None), (2, 3, "4", [5])]
    types = shop.query("SELECT data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index")
    assert types == [("INTEGER",), ("BIGINT",), ("VARCHAR",), ("BIGINT[]",)]


def test_names_are_resolved_and_text_is_not(shop):
    """Only table names change: not columns, strings, comments, nor names that a WITH defines."""
    shop.task("base.sales", "SELECT 1 AS id, 'sales' AS label")
    run(shop, "base.sales")
    shop.task(
        "mart.t",
        "WITH other AS (SELECT 'from sales' AS note) -- sales\nSELECT sales.id, sales.label, note FROM sales, other",
    )
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1, "sales", "from sales")]


def test_a_name_is_a_table_where_the_expression_of_that_name_comes_later(shop):
    shop.task("base.sales", "SELECT 1 AS id")
    run(shop, "base.sales")
    shop.task("mart.t", "WITH one AS (SELECT id FROM sales), sales AS (SELECT 2 AS id) SELECT one.id FROM one, sales")
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1,)]


def test_sql_as_it_is(shop):
    shop.task("mart.t", "CREATE TABLE mart.x AS SELECT 1 AS id; INSERT INTO mart.x VALUES (2)", parseSQL=False)
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.x") == [(1,), (2,)]


def test_a_materialized_view_has_the_rows_of_the_last_run(shop):
    shop.task("mart.t", "SELECT {{ number }} AS id", sink={"materializedView": "MATERIALIZED_VIEW"})
    for number in ("1", "2"):
        shop.environment["number"] = number
        assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(2,)]


def test_tables_and_views_do_not_replace_each_other(shop):
    shop.task("mart.t", "SELECT 1 AS id", sink={"materializedView": "VIEW"})
    shop.task("mart.u", "SELECT 1 AS id")
    assert [run(shop, name).error for name in ("mart.t", "mart.u")] == [None, None]
    shop.task("mart.t", "SELECT 2 AS id", sink={"materializedView": "TABLE"})
    shop.task("mart.u", "SELECT 2 AS id", sink={"materializedView": "VIEW"})
    assert "mart.t is a view and is to hold rows" in run(shop, "mart.t").error
    assert "mart.u is a table and is to be a view" in run(shop, "mart.u").error
    assert shop.rows("mart.t") == shop.rows("mart.u") == [(1,)]


def test_truncate(shop):
    shop.task("mart.t", "SELECT 1 AS id")
    for truncate in (False, False, True):
        run(shop, "mart.t", truncate=truncate)
    assert shop.rows("mart.t") == [(1,)]


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("csv", 'id,label\n1,"a,b"\n2,NULL'),
        ("json", '[["id","1"],["label","a,b"]]\n[["id","2"],["label","NULL"]]'),
        ("json-array", '[[["id","1"],["label","a,b"]],[["id","2"],["label","NULL"]]]'),
        ("table", "+--+-----+\n|id|label|\n+--+-----+\n| 1|  a,b|\n| 2| NULL|\n+--+-----+"),
    ],
)
def test_shown_rows(shop, style, expected):
    shop.task("mart.t", "SELECT * FROM (VALUES (1, 'a,b'), (2, NULL), (3, 'c')) AS t(id, label) ORDER BY id")
    assert run(shop, "mart.t", interactive=style, page_size=2).text == expected
    assert "audit" not in {schema for (schema,) in shop.query("SELECT schema_name FROM information_schema.schemata")}


def test_shown_values_are_written_as_java_does(shop):
    values = {
        "TIMESTAMP '2024-01-02 03:04:05'": "2024-01-02 03:04:05.0",
        "TIMESTAMP '2024-01-02 03:04:05.25'": "2024-01-02 03:04:05.25",
        "TIMESTAMPTZ '2024-01-02 03:04:00+00'": "2024-01-02T03:04Z",
        "TIMESTAMPTZ '2024-01-02 03:04:05.5+00'": "2024-01-02T03:04:05.500Z",
        "DATE '2024-01-02'": "2024-01-02",
        "1.50": "1.50",
        "1 = 1": "true",
    }
    shop.task("mart.t", "SELECT " + ", ".join(f"{value} AS c{place}" for place, value in enumerate(values)))
    assert run(shop, "mart.t", interactive="csv").text.splitlines()[1].split(",") == list(values.values())


def test_a_task_without_rows_is_shown_by_its_header(shop):
    shop.task("mart.t", "SELECT 1 AS id WHERE 1 = 0")
    assert run(shop, "mart.t", interactive="table").text == "+--+\n|id|\n+--+\n+--+"


def test_compiled_sql(shop):
    shop.task("mart.t", "SELECT {{ number }} AS id", writeStrategy={"type": "UPSERT_BY_KEY", "key": ["id"]})
    shop.environment["number"] = "7"
    text = run(shop, "mart.t", compile=True).text
    absent, present = text.split("-- SQL when table already exists")
    assert "-- SQL when table does not already exist" in absent
    assert 'CREATE TABLE "mart"."t" ("id" INTEGER)' in absent
    assert "DELETE FROM" not in absent
    assert "DELETE FROM" in present
    assert all("SELECT 7 AS id" in part for part in (absent, present))


def test_compiled_sql_of_views_statements_and_tables_that_do_not_exist_yet(shop):
    shop.task("mart.v", "SELECT 1 AS id", sink={"materializedView": "VIEW"}, presql=["SELECT 'before'"])
    shop.task("mart.s", "DROP TABLE IF EXISTS mart.x", parseSQL=False, postsql=["SELECT 'after'"])
    shop.task("mart.u", "SELECT y.id, y.label AS name FROM nowhere.y")
    view, statement, unknown = (run(shop, name, compile=True).text for name in ("mart.v", "mart.s", "mart.u"))
    assert view.count('SELECT \'before\';\nCREATE OR REPLACE VIEW "mart"."v" AS SELECT 1 AS id;') == 2
    assert statement.count("DROP TABLE IF EXISTS mart.x;\nSELECT 'after';") == 2
    assert unknown.count('INSERT INTO "mart"."u" ("id", "name")') == 2
    assert shop.query("SELECT count(*) FROM information_schema.tables") == [(0,)]


def test_an_expectation_that_must_hold_keeps_the_rows_out(shop):
    shop.application(expectations={"failOnError": True})
    (shop.root / "metadata/expectations").mkdir()
    (shop.root / "metadata/expectations/own.j2").write_text(
        "{% macro none_null(c) %}SELECT count(*) FROM SL_THIS WHERE {{ c }} IS NULL{% endmacro %}"
        "{% macro broken() %}SELECT nosuch FROM SL_THIS{% endmacro %}"
    )
    expectations = [{"expect": "broken()", "failOnError": False}, {"expect": "quality.none_null('id')"}]
    shop.task("mart.t", "SELECT NULL AS id", expectations=expectations)
    assert "does not meet 1 of its 2 expectations" in run(shop, "mart.t").error
    assert shop.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'mart'") == [(0,)]
    assert shop.query("SELECT name, success, count FROM audit.expectations ORDER BY 1") == [
        ("broken()", False, 0),
        ('none_null("id")', False, 1),
    ]
    shop.table("rows", {"id": "int"}, expectations=expectations)
    shop.put("rows1.csv", "id\n\n1\nx\n")
    shop.put("rows2.csv", "id,n\n,2\n")
    failures = shop.engine.load().failures
    assert [job.files for job in failures] == [("rows2.csv",)]
    assert shop.rows() == [(1,)]
    assert "stage/shop/rows2.csv" in shop.files()


def test_an_unknown_macro_fails_before_anything_is_written(shop):
    shop.task("mart.t", "SELECT 1 AS id", expectations=[{"expect": "nosuch()"}])
    assert "nosuch" in run(shop, "mart.t").error
    assert shop.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'mart'") == [(0,)]


def test_a_task_without_sql_says_where_to_write_it(shop):
    shop.write("metadata/transform/mart/t.sl.yml", task={"name": "t"})
    with pytest.raises(StarlakeError, match=r"write t\.sql"):
        run(shop, "mart.t")


PYTHON = {
    "relation": "return connection.sql(f\"SELECT 7 AS id, '{variables['tint']}' AS label\")",
    "polars": "import polars; return polars.DataFrame({'id': [7], 'label': [variables['tint']]})",
    "lazy": "import polars; return polars.LazyFrame({'id': [7], 'label': [variables['tint']]})",
}


@pytest.mark.parametrize("body", PYTHON.values(), ids=PYTHON)
def test_python_tasks(shop, body):
    shop.write("metadata/transform/mart/t.sl.yml", task={"writeStrategy": {"type": "OVERWRITE"}})
    (shop.root / "metadata/transform/mart/t.py").write_text(f"def task(connection, variables):\n    {body}\n")
    shop.environment["tint"] = "red"
    for _ in range(2):
        assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(7, "red")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def task(connection, variables):\n    return 1 / 0\n", "ZeroDivisionError"),
        ("def task(connection, variables):\n    return 42\n", "returned a int"),
        ("def other():\n    pass\n", "no function task"),
        ("def task(:\n", "cannot be read"),
    ],
)
def test_python_tasks_that_fail_say_why(shop, text, message):
    shop.write("metadata/transform/mart/t.sl.yml", task={})
    (shop.root / "metadata/transform/mart/t.py").write_text(text)
    error = run(shop, "mart.t").error
    assert message in error
    assert "t.py" in error
    assert shop.query("SELECT success FROM audit.audit") == [(False,)]


def refs(shop, *entries):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n7\n")
    assert not shop.engine.load().failures
    shop.write("metadata/refs.sl.yml", refs=list(entries))


@pytest.mark.parametrize("name", ["sales", "SALES", "old_shop.rows", "old_mall.rows"])
def test_other_names_for_tables(shop, name):
    refs(
        shop,
        {"input": {"table": "sales"}, "output": {"domain": "shop", "table": "rows"}},
        {"input": {"domain": "old_.*"}, "output": {"domain": "shop"}},
    )
    shop.task("mart.t", f"SELECT max({name.rpartition('.')[2]}.id) AS id FROM {name}")
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(7,)]


def test_other_names_are_for_whole_names_and_leave_common_table_expressions_alone(shop):
    refs(shop, {"input": {"table": "sale"}, "output": {"domain": "shop", "table": "rows"}})
    shop.task("mart.t", "WITH sale AS (SELECT 1 AS id) SELECT id FROM sale")
    shop.task("mart.u", "SELECT id FROM sales")
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1,)]
    assert "sales" in run(shop, "mart.u").error


def test_other_names_that_are_no_patterns_are_told_with_their_line(shop):
    refs(shop, {"input": {"table": "["}, "output": {"table": "rows"}})
    shop.task("mart.t", "SELECT id FROM sales")
    assert "refs.sl.yml:1" in run(shop, "mart.t").error


@pytest.mark.parametrize(("keys", "truncate"), [({"writeStrategy": {"type": "OVERWRITE"}}, False), ({}, True)])
def test_a_task_may_make_its_rows_of_those_that_they_replace(shop, keys, truncate):
    shop.task("mart.t", "SELECT 1 AS id UNION ALL SELECT 2")
    run(shop, "mart.t")
    shop.task("mart.t", "SELECT id + 1 AS id FROM mart.t WHERE id > 1", **keys)
    assert run(shop, "mart.t", truncate=truncate).error is None
    assert shop.rows("mart.t") == [(3,)]


def test_columns_of_one_name_are_told_apart_as_duckdb_does(shop):
    shop.task("mart.t", "SELECT 1 AS id, 2 AS id, 3 AS ID")
    for _ in range(2):
        assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1, 2, 3)] * 2
    assert shop.query("SELECT column_name FROM duckdb_columns() WHERE table_name = 't'") == [
        ("id",),
        ("id_1",),
        ("ID_2",),
    ]


def test_presql_of_the_file_comes_before_and_its_postsql_after_that_of_the_yaml(shop):
    def note(text):
        return f"INSERT INTO mart.trail SELECT count(*), '{text}' FROM mart.trail"

    sql = f"--SL_PRESQL\nCREATE TABLE mart.trail(n INT, what TEXT);\n{note('pre')};\n--SL_SQL\nSELECT 1 AS id\n"
    shop.task("mart.t", f"{sql}--SL_POSTSQL\n{note('post')}", presql=[note("yaml pre")], postsql=[note("yaml post")])
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.trail") == [(0, "pre"), (1, "yaml pre"), (2, "yaml post"), (3, "post")]


def test_presql_is_undone_with_the_task(shop):
    shop.task("mart.t", "SELECT nosuch", presql=["CREATE TABLE mart.trail(n INT)"])
    assert "nosuch" in run(shop, "mart.t").error
    assert shop.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mart'") == []


def test_tasks_in_folders_below(shop):
    shop.task("mart/sub.t", "SELECT 1 AS id")
    assert run(shop, "mart.t").error is None
    assert shop.rows("mart.t") == [(1,)]


def test_variables_may_be_written_with_a_dollar_sign(shop):
    shop.environment["colour"] = "red"
    escaped = """{{ "'${nosuch}'" }} AS c"""
    shop.task("mart.t", f"SELECT '${{colour}}' AS a, '${{ colour }}{{{{colour}}}}' AS b, {escaped}, '$colour' AS d")
    shop.task("mart.u", "SELECT 1 AS id", table="${colour}")
    assert run(shop, "mart.t").error is None
    assert run(shop, "mart.u").error is None
    assert shop.rows("mart.t") == [("red", "redred", "${nosuch}", "$colour")]
    assert shop.rows("mart.red") == [(1,)]


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        ({"type": "UPSERT_BY_KEY", "key": ["nosuch"]}, "nosuch"),
        ({"type": "SCD2", "key": ["ID"], "timestamp": "then"}, "then"),
        ({"type": "OVERWRITE_BY_PARTITION"}, "day"),
    ],
)
def test_a_strategy_goes_by_columns_of_the_rows(shop, strategy, name):
    shop.task("mart.t", "SELECT 1 AS id", writeStrategy=strategy, sink={"partition": ["day"]})
    assert f"goes by {name}, which is not a column of its rows" in run(shop, "mart.t").error


def test_the_first_row_of_a_key_is_kept_when_no_time_tells_them_apart(shop):
    rows = " UNION ALL ".join(f"SELECT {number % 3} AS id, {number} AS n" for number in range(9))
    shop.task("mart.t", rows, writeStrategy={"type": "UPSERT_BY_KEY", "key": ["id"], "on": "SOURCE_AND_TARGET"})
    for _ in range(2):
        assert run(shop, "mart.t").error is None
        assert shop.rows("mart.t") == [(0, 0), (1, 1), (2, 2)]


def test_only_the_named_task_is_truncated(shop):
    shop.task("base.b", "SELECT 1 AS id")
    shop.task("mart.t", "SELECT 2 AS id, (SELECT count(*) FROM base.b) AS n")
    for truncate in (False, True):
        assert run(shop, "MART.t", recursive=True, truncate=truncate).error is None
    assert shop.rows("base.b") == [(1,), (1,)]
    assert shop.rows("mart.t") == [(2, 2)]
