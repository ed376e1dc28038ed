"""None of the ways in which Starlake 1.5.16 loses, doubles or changes rows without a word exists here; a test each."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.transform.task_run import TransformRequest

ID = {"id": "long", "label": "string"}
GOOD = "id,label\n1,one\n2,two\n"
ROWS = [(1, "one"), (2, "two")]


def load(shop):
    return shop.engine.load()


def loaded(shop):
    """Load, which must go well."""
    result = load(shop)
    assert [job.error for job in result.failures] == []
    return result


def macros(shop):
    """Write a macro for expectations: how many rows have an id above a limit."""
    path = shop.root / "metadata/expectations/own.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "{% macro none_above(limit) %}SELECT count(*) FROM SL_THIS WHERE id > {{ limit }}{% endmacro %}\n",
        encoding="utf-8",
    )


def audit(shop):
    return shop.query("SELECT schema, success FROM audit.audit ORDER BY timestamp")


def test_failed_load_then_retry(shop):
    shop.table("rows", {"id": "long", "price": "decimal"}, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"id": 1, "price"')
    assert len(load(shop).failures) == 1
    assert shop.files() == ["stage/shop/rows1.json"]
    assert len(load(shop).failures) == 1  # a retry fails too: never green without the rows
    shop.put("rows1.json", '{"id": 1, "price": 2}')
    loaded(shop)
    assert len(shop.rows()) == 1


def test_failed_expectation_of_a_load(shop):
    macros(shop)
    shop.application(expectations={"failOnError": True})
    shop.table("rows", ID, expectations=[{"expect": "none_above(1)", "failOnError": True}])
    shop.put("rows1.csv", GOOD)
    assert len(load(shop).failures) == 1
    assert shop.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rows'") == [(0,)]
    assert audit(shop) == [("rows", False)]
    assert shop.files() == ["stage/shop/rows1.csv"]
    shop.table("rows", ID, expectations=[{"expect": "none_above(2)", "failOnError": True}])
    loaded(shop)
    assert shop.rows() == ROWS  # once, not twice


def test_expectation_whose_macro_does_not_exist(shop):
    shop.task("kpi.rows", "SELECT 1 AS id", expectations=[{"expect": "no_such_macro()"}])
    result = shop.engine.transform(TransformRequest("kpi.rows"))
    assert "no_such_macro" in result.error
    assert shop.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rows'") == [(0,)]


@pytest.mark.parametrize("fail", [True, False])
def test_failed_expectation_of_a_task(shop, fail):
    macros(shop)
    shop.application(expectations={"failOnError": fail})
    shop.task("kpi.rows", "SELECT 7 AS id", expectations=[{"expect": "none_above(1)", "failOnError": True}])
    result = shop.engine.transform(TransformRequest("kpi.rows"))
    assert (result.error is not None) == fail
    assert shop.query("SELECT count, success FROM audit.expectations") == [(1, False)]


def test_two_loads_at_once_on_one_file(shop):
    for name in ("left", "right"):
        shop.table(name, ID)
        shop.put(f"{name}1.csv", GOOD)
    command = [sys.executable, "-m", "ai.starlake.embedded", "load", "--domains", "shop", "--tables"]
    environment = {**os.environ, **shop.environment}
    both = [
        subprocess.Popen([*command, name], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for name in ("left", "right")
    ]
    assert [(one.communicate(timeout=60)[0], one.returncode)[1] for one in both] == [0, 0]
    assert shop.rows("shop.left") == shop.rows("shop.right") == ROWS
    assert shop.files() == ["archive/shop/left1.csv", "archive/shop/right1.csv"]


def test_recursive_transform_whose_dependency_fails(shop):
    shop.task("kpi.base", "SELECT * FROM nowhere.at_all")
    shop.task("kpi.top", "SELECT count(*) AS n FROM kpi.base")
    result = shop.engine.transform(TransformRequest("kpi.top", recursive=True))
    assert result.error.startswith("kpi.base")
    assert result.tasks == ()


def test_recursive_transform_that_fails_itself(shop):
    shop.task("kpi.base", "SELECT 1 AS id")
    shop.task("kpi.top", "SELECT missing FROM kpi.base")
    result = shop.engine.transform(TransformRequest("kpi.top", recursive=True))
    assert result.error.startswith("kpi.top")
    assert result.tasks == ("kpi.base",)


def test_broken_config_of_a_domain(shop):
    shop.table("rows", ID)
    shop.put("rows1.csv", GOOD)
    (shop.root / "metadata/load/shop/_config.sl.yml").write_text("version: 1\nload: [", encoding="utf-8")
    with pytest.raises(StarlakeError, match=r"_config\.sl\.yml"):
        load(shop)
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_quotes_in_the_name_of_a_file(shop):
    shop.table("rows", ID)
    shop.put("""rows'1"2.csv""", GOOD)
    loaded(shop)
    assert shop.rows() == ROWS


def test_number_beyond_64_bits(shop):
    shop.table("rows", {"id": "long"}, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"id": 99999999999999999999}\n{"id": 2}\n')
    assert loaded(shop).rejected_count == 1
    assert shop.rows() == [(2,)]


def test_fraction_in_an_integer_column(shop):
    shop.table("rows", {"id": "long"}, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"id": 2.75}\n{"id": 2}\n{"id": 3}\n')
    assert loaded(shop).rejected_count == 1
    assert shop.rows() == [(2,), (3,)]


def test_scd2_with_two_key_columns(shop):
    strategy = {"type": "SCD2", "key": ["id", "part"], "timestamp": "seen"}
    shop.table("rows", {"id": "long", "part": "string", "seen": "timestamp"}, metadata={"writeStrategy": strategy})
    for day in (1, 2):
        shop.put(f"rows{day}.csv", f"id,part,seen\n1,a,2024-01-0{day} 00:00:00\n")
        loaded(shop)
    assert shop.query("SELECT count(*), count(sl_end_ts) FROM shop.rows") == [(2, 1)]


def test_scd2_keeps_the_end_of_closed_versions(shop):
    strategy = {"type": "SCD2", "key": ["id"], "timestamp": "seen"}
    shop.table("rows", {"id": "long", "seen": "timestamp"}, metadata={"writeStrategy": strategy})
    ends = []
    for day in (1, 2, 3):
        shop.put(f"rows{day}.csv", f"id,seen\n1,2024-01-0{day} 00:00:00\n")
        loaded(shop)
        ends.append(shop.query("SELECT sl_end_ts FROM shop.rows ORDER BY seen")[0])
    assert ends[1] == ends[2]


def test_presql_on_a_target_that_does_not_exist_yet(shop):
    shop.task("kpi.rows", "SELECT 1 AS id", presql=["DELETE FROM kpi.rows"])
    for _ in range(2):
        assert shop.engine.transform(TransformRequest("kpi.rows")).error is None
    assert shop.rows("kpi.rows") == [(1,)]


def test_presql_of_a_load_on_a_target_that_does_not_exist_yet(shop):
    shop.table("rows", ID, presql=["DELETE FROM shop.rows"])
    shop.put("rows1.csv", GOOD)
    loaded(shop)
    assert shop.rows() == ROWS


def test_header_in_another_case(shop):
    shop.table("rows", ID)
    shop.put("rows1.csv", GOOD.replace("id,label", "ID,Label"))
    loaded(shop)
    assert shop.rows() == ROWS


def test_skip_rows_with_a_header(shop):
    shop.table("rows", ID, metadata={"options": {"skipRows": "2"}})
    shop.put("rows1.csv", f"written by\nsomebody\n{GOOD}")
    loaded(shop)
    assert shop.rows() == ROWS


def test_column_named_twice(shop):
    shop.table("rows", ID)
    shop.put("rows1.csv", "id,label,label\n1,one,eins\n")
    assert "more than once" in load(shop).failures[0].error
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_native_json_with_a_struct(shop):
    attributes = [
        {"name": "id", "type": "long"},
        {"name": "address", "type": "struct", "attributes": [{"name": "city", "type": "string"}]},
    ]
    shop.table("rows", attributes, metadata={"format": "JSON", "loader": "native"})
    shop.put("rows1.json", '{"id": 1, "address": {"city": "Bern"}}\n')
    loaded(shop)
    assert shop.rows() == [(1, {"city": "Bern"})]


@pytest.mark.parametrize("strategy", [{"type": "OVERWRITE"}, {"type": "UPSERT_BY_KEY", "key": ["id"]}])
def test_column_added_in_the_middle(shop, strategy):
    metadata = {"writeStrategy": strategy}
    shop.table("rows", {"id": "long", "label": "string"}, metadata=metadata)
    shop.put("rows1.csv", GOOD)
    loaded(shop)
    shop.table("rows", {"id": "long", "colour": "string", "label": "string"}, metadata=metadata)
    shop.put("rows2.csv", "id,colour,label\n1,red,one\n")
    loaded(shop)
    assert shop.query("SELECT colour, label FROM shop.rows WHERE id = 1") == [("red", "one")]


def test_days_that_do_not_exist(shop):
    shop.table("rows", {"day": "date"})
    shop.put("rows1.csv", "day\n2023-02-29\n2024-02-29\n1500-02-10\n")
    assert loaded(shop).rejected_count == 1
    assert shop.rows() == [(date(1500, 2, 10),), (date(2024, 2, 29),)]


def test_moments_that_do_not_exist(shop):
    shop.table("rows", {"seen": "timestamp"})
    shop.put("rows1.csv", "seen\n2024-02-30 10:00:00\n2024-02-29 25:00:00\n2024-02-29 10:00:00\n")
    assert loaded(shop).rejected_count == 2
    assert shop.rows() == [(datetime(2024, 2, 29, 10, tzinfo=timezone.utc),)]


def test_int_beyond_32_bits(shop):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n3000000000\n2\n")
    assert loaded(shop).rejected_count == 1
    assert shop.rows() == [(2,)]


def test_failed_native_load_leaves_no_table(shop):
    shop.table("rows", {"id": "long"}, metadata={"loader": "native"})
    shop.put("rows1.csv", "id\none\n")
    assert len(load(shop).failures) == 1
    assert shop.query("SELECT table_name FROM duckdb_tables() WHERE schema_name <> 'audit'") == []
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_write_strategy_that_does_not_exist(shop):
    shop.table("rows", ID, metadata={"writeStrategy": {"type": "OVERWRITE_BY_KEY", "key": ["id"]}})
    shop.put("rows1.csv", GOOD)
    with pytest.raises(StarlakeError, match="OVERWRITE_BY_KEY"):
        load(shop)
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_archives_are_unpacked(shop):
    import gzip

    shop.table("rows", ID, pattern=r"rows.*\.csv")
    shop.put("rows1.csv.gz", gzip.compress(GOOD.encode()), area="incoming/shop")
    shop.engine.stage()
    loaded(shop)
    assert shop.rows() == ROWS


def test_privacy_is_applied(shop):
    shop.table("rows", [{"name": "id", "type": "long"}, {"name": "label", "type": "string", "privacy": "HIDE"}])
    shop.put("rows1.csv", GOOD)
    loaded(shop)
    assert shop.rows() == [(1, ""), (2, "")]


def test_privacy_sql_keeps_its_texts(shop):
    shop.table("rows", [{"name": "label", "type": "string", "privacy": "SQL: concat('Mr ', label)"}])
    shop.put("rows1.csv", "label\nx\n")
    loaded(shop)
    assert shop.rows() == [("Mr x",)]


def test_preload_pending_without_tables_means_all(shop):
    shop.table("rows", ID)
    shop.put("strange.csv", GOOD)
    assert not shop.engine.preload("shop", strategy="pending").ready
    shop.put("rows1.csv", GOOD)
    assert shop.engine.preload("shop", strategy="pending").ready


@pytest.mark.parametrize("call", [{"domains": ["shup"]}, {"domains": ["shop"], "tables": ["raws"]}])
def test_unknown_names_are_errors(shop, call):
    shop.table("rows", ID)
    with pytest.raises(StarlakeError, match=r"shup|raws"):
        shop.engine.load(**call)


def test_a_variable_that_nobody_defines_empties_no_table(shop):
    shop.table("rows", {"id": "long", "status": "string"})
    shop.put("rows1.csv", "id,status\n1,open\n2,closed\n")
    loaded(shop)
    shop.write("metadata/env.sl.yml", env={"wanted": "open"})
    sql = "SELECT * FROM shop.rows\nWHERE status = '{{%s}}'"
    shop.task("kpi.x", sql % "wanted", writeStrategy={"type": "OVERWRITE"})
    assert shop.engine.transform(TransformRequest("kpi.x")).error is None
    shop.task("kpi.x", sql % "wantd", writeStrategy={"type": "OVERWRITE"})
    error = shop.engine.transform(TransformRequest("kpi.x")).error
    assert f"{shop.root}/metadata/transform/kpi/x.sql:2: the variable wantd is not defined" in error
    assert "did you mean wanted?" in error
    assert shop.rows("kpi.x") == [(1, "open")]


@pytest.mark.parametrize("verb", ["stage", "load"])
def test_a_variable_that_nobody_defines_in_a_table_stops_the_commands(shop, verb):
    shop.table("rows", ID, pattern="{{patern}}.*")
    shop.put("rows1.csv", "id\n1\n")
    with pytest.raises(StarlakeError, match=r"rows.sl.yml:1: the variable patern is not defined"):
        getattr(shop.engine, verb)()
    assert (shop.root / "datasets/stage/shop/rows1.csv").exists()


def test_reserved_words_are_names_of_columns(shop):
    shop.table("rows", {"order": "long", "full": "string"})
    shop.put("rows1.csv", "order,full\n1,one\n")
    loaded(shop)
    assert shop.rows() == [(1, "one")]


def test_macros_of_the_project_in_sql_files(shop):
    path = shop.root / "metadata/macros/own.j2"
    path.parent.mkdir(parents=True)
    path.write_text("{% macro twice(n) %}{{ n }} * 2{% endmacro %}", encoding="utf-8")
    shop.task("kpi.rows", "SELECT {{ twice(21) }} AS answer")
    assert shop.engine.transform(TransformRequest("kpi.rows")).error is None
    assert shop.rows("kpi.rows") == [(42,)]


@pytest.mark.parametrize(
    ("metadata", "content"),
    [({}, "{"), ({}, "["), ({"array": True}, '[{"id": 1},'), ({"array": True}, '[{"id": 1},\n  ')],
)
def test_json_that_is_cut_off(shop, metadata, content):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON", **metadata})
    shop.put("rows1.json", content)
    (job,) = shop.engine.load().failures
    assert "may be cut off" in job.error
    assert shop.files() == ["stage/shop/rows1.json"]


def test_fields_that_a_struct_gets_later(shop):
    def load(name, fields, document):
        line = {"name": "lines", "type": "struct", "array": True, "attributes": fields}
        shop.table("rows", [{"name": "id", "type": "int"}, line], metadata={"format": "JSON"})
        shop.put(name, document)
        assert not shop.engine.load().failures

    part = {"name": "part", "type": "struct", "attributes": [{"name": "n", "type": "int"}]}
    more = {**part, "attributes": [{"name": "unit"}, *part["attributes"]]}
    load(
        "rows1.json", [{"name": "sku"}, part], '{"id": 1, "lines": [{"sku": "a", "part": {"n": 1}}, null]}\n{"id": 2}\n'
    )
    load(
        "rows2.json",
        [more, {"name": "price", "type": "double"}],
        '{"id": 3, "lines": [{"price": 2.5, "part": {"unit": "kg"}}]}',
    )
    assert shop.rows() == [
        (1, [{"sku": "a", "part": {"n": 1, "unit": None}, "price": None}, None]),
        (2, None),
        (3, [{"sku": None, "part": {"n": None, "unit": "kg"}, "price": 2.5}]),
    ]


def test_several_json_documents_where_one_is_expected(shop):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON"})
    shop.table("wide", {"id": "int"}, metadata={"format": "JSON", "multiline": True})
    shop.put("rows1.json", '{"id": 1}{"id": 2}\n')
    shop.put("wide1.json", '{\n"id": 1\n}\n{\n"id": 2\n}\n')
    assert [job.table for job in shop.engine.load().failures] == ["rows"]
    assert shop.rows("shop.wide") == [(1,), (2,)]
    assert "stage/shop/rows1.json" in shop.files()
