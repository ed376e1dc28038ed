"""Attributes of a table: privacy, scripts, filters, names, defaults, nesting."""

from __future__ import annotations

import hashlib
import json

import duckdb
import pytest

HASHES = {"MD5": hashlib.md5, "SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


def load(shop, attributes, content, *, name="rows1.csv", **keys):
    shop.table("rows", attributes, **keys)
    shop.put(name, content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content))
    (job,) = shop.engine.load().jobs
    return job


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        *((name, hash_("Zoë Lee".encode()).hexdigest()) for name, hash_ in HASHES.items()),
        ("HIDE", ""),
        ("hide10X", "X" * 10),
        ("INITIALS", "Z.L."),
        ("none", "Zoë Lee"),
        ("SQL: upper(name)", "ZOË LEE"),
    ],
)
def test_privacy_is_applied(shop, privacy, expected):
    attributes = [{"name": "id", "type": "int"}, {"name": "name", "privacy": privacy}]
    assert load(shop, attributes, "id,name\n1,Zoë Lee\n2,\n").error is None
    assert shop.rows() == [(1, expected), (2, None)]


def test_privacy_that_a_number_cannot_take_rejects(shop):
    job = load(shop, [{"name": "id", "type": "int", "privacy": "MD5"}, {"name": "x"}], "id,x\n1,a\n,b\n")
    assert (job.accepted_count, job.rejected_count) == (1, 1)
    assert shop.errors() == ["`id` input and privacy output type are not compatible"]


def test_privacy_in_structs_and_arrays(shop):
    fields = [{"name": "name", "privacy": "HIDE3X"}, {"name": "note", "default": "none", "privacy": "SHA512"}]
    attributes = [
        {"name": "who", "type": "struct", "attributes": fields},
        {"name": "tags", "array": True, "privacy": "INITIALS"},
        {"name": "ages", "type": "int", "array": True, "privacy": "MD5"},
    ]
    rows = [{"who": {"name": "Ann", "note": "x"}, "tags": ["a b", None]}, {"who": {}}, {"ages": [7]}]
    job = load(shop, attributes, rows, name="rows1.json", metadata={"format": "JSON"})
    assert (job.accepted_count, job.rejected_count) == (2, 1)
    assert shop.errors() == ["`ages[0]` input and privacy output type are not compatible"]
    assert shop.query("SELECT who.name, who.note, tags FROM shop.rows ORDER BY who.name") == [
        ("XXX", hashlib.sha512(b"x").hexdigest(), ["a.b.", None]),
        (None, "none", None),
    ]


def test_approximate_numbers(shop):
    load(shop, [{"name": "id", "type": "long", "privacy": "APPROXLONG20"}], "id\n1000\n")
    ((value,),) = shop.rows()
    assert 800 <= value <= 1200


def test_an_unknown_privacy_is_an_error(shop):
    assert "unknown privacy 'ROT13'" in load(shop, [{"name": "a", "privacy": "ROT13"}], "a\n1\n").error


def test_scripts_see_renamed_columns_and_earlier_scripts(shop):
    attributes = [
        {"name": "first", "rename": "given"},
        {"name": "twice", "script": "concat(given, given)"},
        {"name": "thrice", "script": "concat(twice, given) -- and a comment"},
        {"name": "size", "type": "int", "script": "length(thrice)"},
    ]
    load(shop, attributes, "first\nab\n")
    assert shop.rows() == [("ab", "abab", "ababab", 6)]


def test_required_and_absent(shop):
    attributes = [{"name": "id", "type": "int"}, {"name": "must", "required": True}]
    job = load(shop, attributes, "id\n1\n2\n")
    assert (job.input_count, job.rejected_count) == (2, 2)
    assert set(shop.errors()) == {"`must` is required"}


def test_a_default_that_does_not_fit_is_null(shop):
    load(shop, [{"name": "id", "type": "int"}, {"name": "n", "type": "int", "default": "none"}], "id,n\n1,\n2,5\n")
    assert shop.rows() == [(1, None), (2, 5)]


def test_names_that_sql_reserves(shop):
    attributes = [{"name": 'or"der', "type": "int"}, {"name": "select"}, {"name": "full", "rename": "at time"}]
    load(shop, attributes, '"or""der",select,full\n1,a,b\n', metadata={"escape": '"'})
    assert shop.query('SELECT "or""der", "select", "at time" FROM shop.rows') == [(1, "a", "b")]


SPARK = {
    "substring_index(day, '-', 2)": "2024-05",
    "substring_index(day, '-', -1)": "17",
    "lpad(id, 3, '0')": "007",
    "cast(date_add(day, 15) as string)": "2024-06-01",
    "cast(to_timestamp('2024-05-17 01:02:03') as string)": "2024-05-17 01:02:03",
    "to_timestamp('2024-05-17 01:02:03')": "2024-05-17 01:02:03",
    "add_months(to_date(day), 1)": "2024-06-17",
    "id % 0": None,
    "format_number(12345.678, 2)": "12,345.68",
    "dayofweek(to_date(day))": "6",
    "weekday(to_date(day))": "4",
    "unix_timestamp(day, 'yyyy-MM-dd')": "1715904000",
    "unix_timestamp('2024-05-17 00:00:01')": "1715904001",
    "floor(price)": "2",
    "ceil(price)": "3",
    "cast(price as int)": "2",
    "bigint(price * 2)": "5",
    "pmod(-7, 3)": "2",
    "isnull(name)": "true",
    "trunc(to_date(day), 'MM')": "2024-05-01",
    "format_string('%s/%d', day, id)": "2024-05-17/7",
    "to_timestamp('no time', 'dd/MM/yyyy')": None,
    "regexp_replace(day, '-', '')": "20240517",
    "base64(day)": "MjAyNC0wNS0xNw==",
    "months_between(to_date(day), date'2024-01-01')": "4.51612903",
    "find_in_set('b', 'a,b,c')": "2",
    "months_between(date'2024-02-29', date'2024-01-31')": "1.0",
    "months_between(date'2024-01-15', date'2024-03-15')": "-2.0",
    "nanvl(price, 0)": "2.75",
    "hypot(3, 4)": "5.0",
    "timestamp_seconds(60)": "1970-01-01 00:01:00",
    "round(e(), 5)": "2.71828",
    "cast(cast('2024-05-17 01:02:03.9' as timestamp) as bigint)": "1715907723",
    "cast(1715907723 as timestamp)": "2024-05-17 01:02:03",
    "cast(day as timestamp)": "2024-05-17 00:00:00",
    "cast('soon' as timestamp)": None,
    "to_utc_timestamp('2024-01-02 10:00:00', 'Europe/Paris')": "2024-01-02 09:00:00",
    "sha2(day, 512)": hashlib.sha512(b"2024-05-17").hexdigest(),
    "date_format(from_utc_timestamp('2024-01-02 10:00:00', 'Europe/Paris'), 'HH:mm')": "11:00",
}


def test_scripts_mean_what_they_mean_in_spark(shop):
    read = [{"name": "id", "type": "int"}, {"name": "price", "type": "double"}, {"name": "day"}, {"name": "name"}]
    scripts = [{"name": f"s{number}", "script": script} for number, script in enumerate(SPARK)]
    assert load(shop, [*read, *scripts], "id,price,day,name\n7,2.75,2024-05-17,\n").error is None
    assert dict(zip(SPARK, shop.rows()[0][4:], strict=True)) == SPARK


def test_texts_beside_numbers_are_numbers_as_in_spark(shop):
    attributes = [
        {"name": "code"},
        {"name": "twice", "type": "double", "script": "code * 2"},
        {"name": "less", "type": "boolean", "script": "-1 < Code"},
        {"name": "joined", "script": "code || 1"},
    ]
    load(shop, attributes, "code\n7\n5.5\n4\nx\n", filter="code > 5 AND code <> '7.0'")
    assert shop.rows() == [("5.5", 11.0, True, "5.51"), ("7", 14.0, True, "71")]


def test_functions_with_other_values_than_in_spark_are_refused(shop):
    attributes = [{"name": "id", "type": "int"}, {"name": "key", "type": "long", "script": "hash(id)"}]
    shop.table("rows", attributes)
    shop.put("rows1.csv", "id\n1\n")
    assert "the function hash cannot be used" in shop.engine.load().failures[0].error


def test_what_a_script_gives_is_made_to_fit(shop):
    attributes = [
        {"name": "price", "type": "double"},
        {"name": "whole", "type": "int", "script": "price"},
        {"name": "word", "type": "int", "script": "'some'"},
        {"name": "large", "type": "long", "script": "price * 1000000000000"},
    ]
    assert load(shop, attributes, "price\n2.75\n-2.75\n").error is None
    assert shop.rows() == [(-2.75, -2, None, -2750000000000), (2.75, 2, None, 2750000000000)]


NESTED = [
    {"name": "id", "type": "long"},
    {
        "name": "lines",
        "type": "struct",
        "array": True,
        "attributes": [
            {"name": "sku", "required": True},
            {"name": "parts", "type": "struct", "array": True, "attributes": [{"name": "n", "type": "int"}]},
            {"name": "hidden", "ignore": True},
        ],
    },
]


def test_nesting_to_any_depth(shop):
    good = {"id": 1, "lines": [{"sku": "a", "hidden": 1, "parts": [{"n": 1}, {"n": None}]}, {"sku": "b"}]}
    bad = {"id": 2, "lines": [{"sku": "a"}, {"sku": None, "parts": [{"n": 1}, {"n": "x"}]}]}
    empty = [{"id": 3, "lines": None}, {"id": 4, "lines": []}, {"id": 5}]
    job = load(shop, NESTED, [good, bad, *empty], name="rows1.json", metadata={"format": "JSON"})
    assert (job.error, job.accepted_count) == (None, 4)
    lines = [{"sku": "a", "parts": [{"n": 1}, {"n": None}]}, {"sku": "b", "parts": None}]
    assert shop.rows() == [(1, lines), (3, None), (4, []), (5, None)]
    assert shop.errors() == [
        "`lines[1].sku`  can't be null\n`lines[1].parts[1].n` (int) doesn't match pattern `[-|\\+|0-9][0-9]*`"
    ]


def test_what_is_required_in_an_absent_struct_is_missing(shop):
    who = {"name": "who", "type": "struct", "attributes": [{"name": "first", "required": True}]}
    rows = [{"id": 1, "who": {"first": "Ann"}}, {"id": 2}, {"id": 3, "who": None}]
    load(shop, [{"name": "id", "type": "int"}, who], rows, name="rows1.json", metadata={"format": "JSON"})
    assert shop.rows() == [(1, {"first": "Ann"})]
    assert shop.errors() == ["`who.first`  can't be null"] * 2


@pytest.mark.parametrize("filler", [0, 1500])
def test_a_key_that_no_document_has_is_a_column_that_the_file_lacks(shop, filler):
    who = {"name": "who", "type": "struct", "attributes": [{"name": "first", "required": True}]}
    attributes = [{"name": "id", "type": "int"}, who, {"name": "label", "required": True}]
    rows = [{"id": 1}] * filler + [{"id": 2}, {"id": 3}]
    load(shop, attributes, rows, name="rows1.json", metadata={"format": "JSON"})
    assert set(shop.errors()) == {"`label` is required"}
    load(shop, attributes, [*rows, {"id": 4, "LABEL": "x"}], name="rows2.json", metadata={"format": "JSON"})
    assert shop.rows() == [(4, None, "x")]


def test_rejects_with_the_values_at_fault(shop):
    shop.application(rejectWithValue=True)
    attributes = [
        {"name": "id", "type": "int", "required": True},
        {"name": "label", "required": True},
        {"name": "secret", "type": "int", "privacy": "MD5"},
    ]
    shop.table("rows", attributes)
    shop.put("rows1.csv", "id,secret\n,7\nx,\n")
    assert not shop.engine.load().failures
    assert sorted(shop.errors()) == [
        (
            "`id`  can't be null: id\n`label` is required: NULL\n"
            "`secret` input and privacy output type are not compatible: 7"
        ),
        "`id` (int) doesn't match pattern `[-|\\+|0-9][0-9]*`: x\n`label` is required: NULL",
    ]


def test_a_required_array_has_no_nulls(shop):
    attributes = [{"name": "id", "type": "int"}, {"name": "tags", "array": True, "required": True}]
    rows = [{"id": 1, "tags": []}, {"id": 2, "tags": ["a", None]}, {"id": 3}]
    load(shop, attributes, rows, name="rows1.json", metadata={"format": "JSON"})
    assert shop.rows() == [(1, [])]
    assert shop.errors() == ["`tags[1]`  can't be null", "`tags`  can't be null"]


def test_fields_of_structs_are_trimmed_and_empty_as_the_table_says(shop):
    who = {"name": "who", "type": "struct", "attributes": [{"name": "first", "trim": "BOTH"}, {"name": "last"}]}
    metadata = {"format": "JSON", "emptyIsNull": False}
    load(shop, [who], [{"who": {"first": " Ann ", "last": ""}}], name="rows1.json", metadata=metadata)
    assert shop.rows() == [({"first": "Ann", "last": ""},)]


@pytest.mark.parametrize("value", [99999999999999999999, 2.75, "x"])
def test_a_json_number_that_does_not_fit_rejects_its_row_only(shop, value):
    job = load(shop, {"id": "long"}, [{"id": 1}, {"id": value}], name="rows1.json", metadata={"format": "JSON"})
    assert (job.accepted_count, job.rejected_count) == (1, 1)
    assert shop.rows() == [(1,)]


def test_json_of_several_shapes_is_text(shop):
    """Spark finds no other type for such a column; if all values have another shape the file fails."""
    attributes = [{"name": "id", "type": "int"}, {"name": "label"}, {"name": "tags", "array": True}]
    rows = [
        {"id": 1, "label": "x"},
        {"id": 2, "label": {"a": [1, {"b": None}]}},
        {"id": [3], "label": ["y"]},
        {"id": 4, "tags": ["t"]},
    ]
    job = load(shop, attributes, rows, name="rows1.json", metadata={"format": "JSON"})
    assert (job.error, job.accepted_count, job.rejected_count) == (None, 3, 1)
    assert shop.rows() == [(1, "x", None), (2, '{"a":[1,{"b":null}]}', None), (4, None, ["t"])]
    assert shop.errors() == [r"`id` (int) doesn't match pattern `[-|\+|0-9][0-9]*`"]


@pytest.mark.parametrize("rows", [[{"tags": ["t"]}, {"tags": "t"}], [{"label": ["x"]}, {"label": None}]])
def test_json_of_another_shape_fails_the_file(shop, rows):
    attributes = [{"name": "label"}, {"name": "tags", "array": True}]
    job = load(shop, attributes, rows, name="rows1.json", metadata={"format": "JSON"})
    assert "expected to be a" in job.error


def test_a_damaged_document_fails_the_file(shop):
    job = load(shop, {"id": "long"}, '{"id": 1}\n{"id": }\n', name="rows1.json", metadata={"format": "JSON"})
    assert "is not valid JSON (line 2, column" in job.error
    assert shop.files() == ["stage/shop/rows1.json"]


def test_values_at_fault_are_shown_on_request(shop):
    shop.environment["SL_REJECT_WITH_VALUE"] = "true"
    load(shop, [{"name": "id", "type": "int"}, {"name": "must", "required": True}], "id,must\nx,\n")
    assert shop.errors() == [
        "`id` (int) doesn't match pattern `[-|\\+|0-9][0-9]*`: x\n`must`  can't be null: must",
    ]


def test_only_so_many_rejects_are_kept(shop):
    shop.application(audit={"maxErrors": 3})
    job = load(shop, {"id": "int"}, "id\n" + "x\n" * 10)
    assert job.rejected_count == 10
    assert len(shop.errors()) == 3


def test_arrays_among_lines_of_json(shop):
    content = '[{"id": 1}, {"id": 2}]\n{"id": 3}\n[]\n'
    job = load(shop, {"id": "long"}, content, name="rows1.json", metadata={"format": "JSON"})
    assert (job.error, job.input_count) == (None, 3)
    assert shop.rows() == [(1,), (2,), (3,)]


@pytest.mark.parametrize("document", ["7", '"text"', "[[1]]"])
def test_a_document_that_is_no_object_fails_the_file(shop, document):
    job = load(shop, {"id": "long"}, f'{{"id": 1}}\n{document}\n', name="rows1.json", metadata={"format": "JSON"})
    assert "that is not an object (line 2)" in job.error
    assert shop.files() == ["stage/shop/rows1.json"]


@pytest.mark.parametrize("layout", [{}, {"array": True}, {"multiline": True}])
def test_json_keys_in_another_case(shop, layout):
    attributes = [
        {"name": "id", "type": "long"},
        {"name": "a/b~c", "rename": "city", "type": "string"},
        {"name": "größe", "type": "struct", "attributes": [{"name": "cm", "type": "int"}]},
    ]
    document = {"ID": 1, "A/B~C": "Bern", "GRÖSSE": 1, "Größe": {"cm": 2}}
    content = json.dumps([document] if layout.get("array") else document)
    job = load(shop, attributes, content, name="rows1.json", metadata={"format": "JSON", **layout})
    assert (job.error, job.accepted_count) == (None, 1)
    assert shop.rows() == [(1, "Bern", {"cm": 2})]


def test_the_exact_json_key_wins_whatever_its_value_then_the_first(shop):
    documents = [{"ID": 1, "id": 2}, {"ID": 3, "id": None}, {"iD": 4, "ID": 5}, {"other": 6}, {}]
    job = load(shop, {"id": "long"}, documents, name="rows1.json", metadata={"format": "JSON"})
    assert (job.error, job.accepted_count) == (None, 5)
    assert shop.rows() == [(2,), (4,), (None,), (None,), (None,)]


def test_parquet_values_are_not_rounded(shop, tmp_path):
    file = tmp_path / "rows.parquet"
    values = "(1, 3.0::DOUBLE, 2.5::DECIMAL(3, 1), NULL), (2, 3.7, 2, NULL), (3, 4, 5, TIMESTAMP '2024-01-02 10:00:00')"
    duckdb.sql(f"SELECT * FROM (VALUES {values}) AS v(id, n, price, day)").write_parquet(str(file))
    attributes = [
        {"name": "id", "type": "int"},
        {"name": "n", "type": "int"},
        {"name": "price", "type": "double"},
        {"name": "day", "type": "date"},
    ]
    shop.table("rows", attributes, metadata={"format": "PARQUET"})
    shop.put("rows1.parquet", file.read_bytes())
    assert not shop.engine.load().failures
    assert shop.rows() == [(1, 3, 2.5, None)]
    assert sorted(shop.errors()) == [
        "`day` (date) doesn't match pattern `yyyy-MM-dd`",
        "`n` (int) doesn't match pattern `[-|\\+|0-9][0-9]*`",
    ]


def test_fields_named_as_a_column_have_its_type(shop):
    """The DDL of a type is looked up by name, whatever the depth."""
    fields = [{"name": "id", "type": "int"}, {"name": "code", "type": "int"}, {"name": "qty", "type": "int"}]
    lines = {"name": "lines", "type": "struct", "array": True, "attributes": fields}
    columns = [{"name": "id", "type": "int"}, {"name": "code", "type": "string"}, lines]
    shop.table("rows", columns, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"id": 1, "lines": [{"id": 2, "code": 3, "qty": 3000000000}]}\n{"lines": [{"id": 3e9}]}\n')
    assert shop.engine.load().jobs[0].rejected_count == 1
    kinds = shop.query("SELECT typeof(lines) FROM shop.rows")
    assert kinds == [("STRUCT(id INTEGER, code BIGINT, qty BIGINT)[]",)]


@pytest.mark.parametrize(
    ("old", "new", "first", "second"),
    [
        ("int", "decimal", "7", "1.5"),
        ("long", "decimal", "7", "0.25"),
        ("long", "double", "7", "0.25"),
        ("price", "decimal", "7.25", "0.123456789"),
        ("short", "int", "7", "70000"),
        ("boolean", "int", "true", "5"),
        ("date", "string", "2024-02-29", "someday"),
    ],
)
def test_columns_become_wide_enough(shop, old, new, first, second):
    price = {"name": "price", "primitiveType": "decimal", "pattern": ".*", "zone": "10,2"}
    shop.write("metadata/types/types.sl.yml", types=[price])
    for number, (kind, value) in enumerate([(old, first), (new, second)]):
        shop.table("rows", {"v": kind})
        shop.put(f"rows{number}.csv", f"v\n{value}\n")
        assert not shop.engine.load().failures
    texts = [text for (text,) in shop.query("SELECT CAST(v AS VARCHAR) FROM shop.rows")]
    assert texts[0].startswith("1" if first == "true" else first)
    assert texts[1].startswith(second)


def test_long_numbers_stay_what_they_are(shop):
    """No column of them becomes one of floating point numbers, which cannot tell them apart."""
    shop.table("rows", {"v": "long"})
    shop.put("rows1.csv", "v\n9007199254740993\n")
    shop.engine.load()
    shop.table("rows", {"v": "double"})
    shop.put("rows2.csv", "v\n2\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [(2,), (9007199254740993,)]
