"""What the attributes of a table say: privacy, scripts, filters, names, defaults, nesting."""

from __future__ import annotations

import hashlib
import json

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


@pytest.mark.parametrize("value", [99999999999999999999, 2.75, "x"])
def test_a_json_number_that_does_not_fit_rejects_its_row_only(shop, value):
    job = load(shop, {"id": "long"}, [{"id": 1}, {"id": value}], name="rows1.json", metadata={"format": "JSON"})
    assert (job.accepted_count, job.rejected_count) == (1, 1)
    assert shop.rows() == [(1,)]


def test_a_damaged_document_fails_the_file(shop):
    job = load(shop, {"id": "long"}, '{"id": 1}\n{"id": \n', name="rows1.json", metadata={"format": "JSON"})
    assert "Malformed JSON" in job.error
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


@pytest.mark.parametrize("document", ["7", '"text"', "null", "[[1]]"])
def test_a_document_that_is_no_object_fails_the_file(shop, document):
    job = load(shop, {"id": "long"}, f'{{"id": 1}}\n{document}\n', name="rows1.json", metadata={"format": "JSON"})
    assert "no object" in job.error
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
