"""The native loader: DuckDB reads the file, without Starlake's validation."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

MORNING = datetime(2024, 2, 29, 10, tzinfo=timezone.utc)


def load(shop, content, attributes, *, table=None, **metadata):
    shop.table("rows", attributes, metadata={"loader": "native", **metadata}, **(table or {}))
    shop.put("rows1.dat", content)
    return shop.engine.load().jobs[0]


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        ("id,mail\n1,nobody\n,\n", {}),
        ('{"id": 1, "mail": "nobody"}\n{"other": true}\n', {"format": "JSON"}),
        ('[{"id": 1, "mail": "nobody"}, {}]', {"format": "JSON_FLAT", "array": True}),
    ],
)
def test_nothing_is_required_and_patterns_say_nothing(shop, content, metadata):
    shop.write("metadata/types/types.sl.yml", types=[{"name": "mail", "primitiveType": "string", "pattern": ".+@.+"}])
    attributes = [{"name": name, "type": kind, "required": True} for name, kind in (("id", "int"), ("mail", "mail"))]
    job = load(shop, content, attributes, **metadata)
    assert (job.input_count, job.accepted_count, job.rejected_count, job.error) == (2, 2, 0, None)
    assert shop.rows() == [(1, "nobody"), (None, None)]


def test_values_may_be_written_as_duckdb_reads_them(shop):
    content = "n,day,seen,ok\n 3,2024-2-9,2024-02-29T10:00:00,n\n1e3,2024-02-29,2024-02-29 10:00:00,yes\n"
    load(shop, content, {"n": "int", "day": "date", "seen": "timestamp", "ok": "boolean"})
    assert shop.rows() == [(1000, date(2024, 2, 29), MORNING, True), (3, date(2024, 2, 9), MORNING, False)]


@pytest.mark.parametrize(("kind", "value"), [("int", "1.5"), ("int", "3000000000"), ("date", "someday"), ("byte", "a")])
def test_a_value_that_its_column_cannot_hold_fails_the_file(shop, kind, value):
    job = load(shop, f"v\n{value}\n", {"v": kind})
    assert job.error is not None
    assert "`v` cannot be converted" in job.error
    assert shop.files() == ["stage/shop/rows1.dat"]


def test_scripts_and_filters_are_the_sql_of_duckdb(shop):
    attributes = [
        {"name": "id", "type": "int"},
        {"name": "price", "type": "double", "rename": "cost"},
        {"name": "raw", "type": "string", "ignore": True},
        {"name": "twice", "type": "double", "script": "price * 2"},
        {"name": "label", "type": "string", "script": "list_extract([raw], 1)::VARCHAR || cost -- both names"},
    ]
    load(shop, "id,price,raw\n1,2.5,tea\n2,1,milk\n", attributes, table={"filter": "id = 1"})
    assert shop.rows() == [(1, 2.5, 5.0, "tea2.5")]


def test_other_formats_are_validated(shop):
    options = {"rowTag": "row"}
    job = load(shop, "<x><row><id>1</id></row><row><id>y</id></row></x>", {"id": "int"}, format="XML", options=options)
    assert (job.accepted_count, job.rejected_count) == (1, 1)


@pytest.mark.parametrize("kind", ["OVERWRITE", "APPEND", "UPSERT_BY_KEY", "DELETE_THEN_INSERT"])
def test_counts_are_the_rows_of_the_files(shop, kind):
    """This holds for any change of the table's size: a smaller file, an equal one, an update, no rows."""
    strategy = {"type": kind, "key": ["id"]}
    shop.table("rows", {"id": "int", "label": "string"}, metadata={"loader": "native", "writeStrategy": strategy})
    for name, lines in (("rows1.csv", ["1,a", "2,b", "3,c"]), ("rows2.csv", ["3,x"]), ("rows3.csv", [])):
        shop.put(name, "\n".join(["id,label", *lines]) + "\n")
        job = shop.engine.load().jobs[0]
        assert job.error is None
        assert (job.input_count, job.accepted_count, job.rejected_count) == (len(lines), len(lines), 0)
        on_record = "SELECT count, countaccepted, countrejected FROM audit.audit WHERE step = 'LOAD'"
        assert shop.query(f"{on_record} ORDER BY timestamp DESC LIMIT 1") == [(len(lines), len(lines), 0)]


def test_counts_of_a_group_and_of_rows_that_a_filter_or_postsql_drops(shop):
    keys = {"filter": "id > 1", "postsql": ["DELETE FROM shop.rows"]}
    shop.table("rows", {"id": "int"}, metadata={"loader": "native"}, **keys)
    shop.application(grouped=True)
    shop.put("rows1.csv", "id\n1\n2\n")
    shop.put("rows2.csv", "id\n3\n")
    result = shop.engine.load()
    assert (result.input_count, result.accepted_count, result.rejected_count) == (3, 3, 0)
    assert shop.rows() == []
