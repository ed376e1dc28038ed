"""Errors and rejects of JSON and other formats name the line that an editor shows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costly_examples import some_loads

MANY = '{"a": "x"}\n' * 1000


def _failed(shop, content, attributes=None, **metadata):
    shop.table("rows", attributes or {"a": "string"}, metadata={"format": "JSON", **metadata})
    shop.put("rows1.json", content)
    error = shop.engine.load().failures[0].error
    assert shop.files() == ["stage/shop/rows1.json"]
    assert "auto-detecting" not in error
    return error


ARRAY = {"array": True}
OVER_LINES = {"multiline": True}


@pytest.mark.parametrize(
    ("content", "metadata", "line"),
    [
        ('{"a":"ok"}\n{"a":"oops"\n{"a":"z"}\n', {}, 2),
        ('{"a":"oops"\n', {}, 1),
        (MANY + '{"a":"oops"\n' + MANY, {}, 1001),
        (MANY * 3 + '{"a":1,}\n', {}, 3001),
        ('\n\n{"a":1}\r\n\r\n{"a":[1,  ]}\n', {}, 5),
        ('{"a":1}\n{"a":1}{"a":2}\n', {}, 2),
        ('{"a":1}\n{"a":1}}\n', {}, 2),
        ('{"a":1}\n{"a":1}, {"a":2}\n', {}, 2),
        ("{\"a\":1}\n{'a':1}\n", {}, 2),
        ('{"a":1}\n{"a":"\\ud800"}\n', {}, 2),
        ('{"a":1}\n{"a":"x\ty"}\n', {}, 2),
        ('{"a":1}\n{"a":"\\x"}\n', {}, 2),
        ('{"a":1}\n7\n', {}, 2),
        ('{"a":1}\n\n[{"a":1}, "x"]\n', {}, 3),
        ('{"a":1}\n{"a":', {}, 2),
        ('[{"a":1},\n{"a":2\n,{"a":3}]', ARRAY, 3),
        ('[{"a":1}\n{"a":2}]', ARRAY, 2),
        ('[{"a":1},\n\n,{"a":2}]', ARRAY, 3),
        ('[\n{"a":1},\n{"a":2,\n}\n]', ARRAY, 3),
        ('[\n{"a":1},\n]', ARRAY, 2),
        ('[{"a":1}] \n x]', ARRAY, 2),
        ('[{"a":1},\n2]', ARRAY, 2),
        ('[{"a":1},\n{"a":2}\n\n', ARRAY, 3),
        ("[\n" + '{"a":1},\n' * 1500 + '{"a":}\n]', ARRAY, 1502),
        ('{"a":\n1 2}', OVER_LINES, 2),
        ('{"a":1}\n{"a":1},\n{"a":2}', OVER_LINES, 2),
        ('{"a":1}\r{"a":\r]}', OVER_LINES, 3),
    ],
)
def test_a_mistake_in_json_has_its_line(shop, content, metadata, line):
    assert f"(line {line}" in _failed(shop, content, **metadata)


@given(
    before=st.lists(
        st.sampled_from(['{"a": 1}', "", '{"a":\t"\\n\\u00e9"}', '[{"a": 1}, {"a": 2}]', "null"]), max_size=30
    ),
    wrong=st.sampled_from(['{"a": 1', '{"a" 1}', "{]}", '{"a": tru}', '{"a": 1}}', "{a: 1}", '{"a": "', '"x"', "[[]]"]),
    after=st.lists(st.sampled_from(['{"a": 1}', ""]), max_size=3),
)
@some_loads
def test_the_first_mistake_is_named(shop, before, wrong, after):
    error = _failed(shop, "\n".join([*before, wrong, *after]) + "\n")
    assert f"(line {len(before) + 1}" in error


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("[1]", {"type": "string"}),
        ("{}", {"type": "string", "array": True}),
        ("7", {"type": "struct", "attributes": [{"name": "b", "type": "int"}]}),
        ('{"b": [1]}', {"type": "struct", "attributes": [{"name": "b", "type": "int"}]}),
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_a_value_of_another_shape_has_its_line(shop, value, attribute, array):
    rows = ['{"other": 1}', f'{{"A": {value}}}']
    content = f"[\n{rows[0]},\n{rows[1]}]" if array else "\n".join(["", *rows])
    error = _failed(shop, content, [{"name": "a", **attribute}], array=array)
    assert "rows1.json does not fit its table (line 3)" in error
    assert "` expected to be a" in error


def test_the_file_of_several_that_is_wrong_is_named(shop):
    shop.application(grouped=True)
    shop.table("rows", {"a": "string"}, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"a": 1}\n')
    shop.put("rows2.json", '{"a": 1}\n{"a": 1\n')
    assert "rows2.json is not valid JSON (line 2, column 8)" in shop.engine.load().failures[0].error


@pytest.mark.parametrize(
    ("content", "metadata", "lines"),
    [
        ('{"a": 1}\n{"a": "x"}\n{"a": "y"}\n', {}, [2, 3]),
        ('\n{"a": 1}\r\n\r\n{"a": "x"}\n\n[{"a": "y"}, {"a": 1}, {"a": "z"}]\n', {}, [4, 6, 6]),
        ('[{"a": 1},\n\n{"a": "x"}, {"a":\n"y"}]', {"array": True}, [3, 3]),
        ('{"a": 1}\n{"a":\n"x"}\n\n{"a": "y"}', {"multiline": True}, [2, 5]),
    ],
)
def test_rejected_documents_have_their_lines(shop, content, metadata, lines):
    shop.table("rows", {"a": "int"}, metadata={"format": "JSON", **metadata})
    shop.put("rows1.json", content)
    assert not shop.engine.load().failures
    assert [line for (line,) in shop.query("SELECT line FROM audit.rejected ORDER BY line")] == lines


def test_rejected_elements_and_lines_of_fixed_layout_have_their_lines(shop):
    shop.table("tags", {"a": "int"}, metadata={"format": "XML", "options": {"rowTag": "row"}})
    shop.put("tags1.xml", "<x>\n<row><a>1</a></row>\n<row>\n<a>x</a></row></x>")
    fixed = {"name": "a", "type": "int", "position": {"first": 0, "last": 0}}
    shop.table("fixed", [fixed], metadata={"format": "POSITION"})
    shop.put("fixed1.dat", "1\n\nx\n")
    shop.engine.load()
    assert shop.query("SELECT schema, line FROM audit.rejected ORDER BY ALL") == [("fixed", 3), ("tags", 3)]


def test_an_element_of_another_shape_has_its_line(shop):
    shop.table("rows", {"a": "string"}, metadata={"format": "XML", "options": {"rowTag": "row"}})
    shop.put("rows1.xml", "<x><row><a>1</a></row>\n\n<row><a>1</a><a>2</a></row></x>")
    assert "rows1.xml does not fit its table (line 3)" in shop.engine.load().failures[0].error


def test_json_that_is_right_is_not_blamed(shop):
    """This holds for any numbers and strings in it."""
    shop.table("rows", {"a": "string"}, metadata={"format": "JSON"})
    shop.put("rows1.json", json.dumps({"a": 10**400, "b": "\U0001f600", "c": 1e-7}) + "\n")
    assert not shop.engine.load().failures
