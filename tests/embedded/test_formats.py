"""Files of JSON, of XML and of fixed layout."""

from __future__ import annotations

import bz2
import gzip

import duckdb
import pytest


def _field(name, kind, first, last, **keys):
    return {"name": name, "type": kind, "position": {"first": first, "last": last}, **keys}


def test_lines_of_fixed_layout_may_be_short_or_empty(shop):
    attributes = [_field("id", "int", 0, 1), _field("label", "string", 2, 5), _field("day", "date", 6, 15)]
    shop.table("rows", attributes, metadata={"format": "POSITION"})
    shop.put("rows1.dat", "01anna2024-01-02 more\n\n02bo\n03carl2024-01-03")
    job = shop.engine.load().jobs[0]
    assert (job.input_count, job.accepted_count) == (4, 4)
    assert shop.query("SELECT id, label, CAST(day AS VARCHAR) FROM shop.rows ORDER BY id") == [
        (1, "anna", "2024-01-02"),
        (2, "bo", None),
        (3, "carl", "2024-01-03"),
        (None, None, None),
    ]


def test_what_a_short_line_lacks_is_an_empty_text(shop):
    attributes = [_field("id", "string", 0, 1), _field("label", "string", 2, 5, required=True)]
    shop.table("rows", attributes, metadata={"format": "POSITION", "emptyIsNull": False})
    shop.put("rows1.dat", "01\n02ann\n")
    assert not shop.engine.load().failures
    assert shop.rows() == [("01", ""), ("02", "ann")]


@pytest.mark.parametrize(
    ("content", "multiline"),
    [('{"id": 1,}\n', False), ('{"id": 1}\n{"id": [2, ]}\n', False), ('[\n{"id": 1},\n]\n', True)],
)
def test_a_comma_too_much_is_no_json(shop, content, multiline):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON", "multiline": multiline})
    shop.put("rows1.json", content)
    assert "there is a comma before the end" in shop.engine.load().failures[0].error
    assert "stage/shop/rows1.json" in shop.files()


@pytest.mark.parametrize("multiline", [False, True])
def test_a_comma_within_a_text_is_text(shop, multiline):
    shop.table("rows", {"label": "string"}, metadata={"format": "JSON", "multiline": multiline})
    shop.put("rows1.json", '{"label": "a \\",}"}\n{"label": ", ]"}\n')
    assert not shop.engine.load().failures
    assert set(shop.rows()) == {('a ",}',), (", ]",)}


def test_null_is_a_document_without_members(shop):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON"})
    shop.put("rows1.json", '{"id": 1}\nnull\n')
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,), (None,)]


@pytest.mark.parametrize("content", ['{"id": 1}', '\n {"id": 1}\n', '[{"id": 1}]'])
def test_one_object_may_stand_for_an_array(shop, content):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON", "array": True})
    shop.put("rows1.json", content)
    assert not shop.engine.load().failures
    assert shop.rows() == [(1,)]


def test_options_of_the_reader_win_over_keys(shop):
    options = {"multiLine": "true", "encoding": "ISO-8859-1"}
    shop.table("rows", {"label": "string"}, metadata={"format": "JSON", "options": options})
    shop.put("rows1.json", '{\n"label": "caf\u00e9"\n}\n'.encode("latin-1"))
    assert not shop.engine.load().failures
    assert shop.rows() == [("caf\u00e9",)]


@pytest.mark.parametrize(
    ("prolog", "encoding"), [("", "ISO-8859-1"), ('<?xml version="1.0" encoding="ISO-8859-1"?>', "UTF-8")]
)
def test_xml_in_another_encoding(shop, prolog, encoding):
    metadata = {"format": "XML", "encoding": encoding, "options": {"rowTag": "row"}}
    shop.table("rows", {"label": "string"}, metadata=metadata)
    shop.put("rows1.xml", f"{prolog}<x><row><label>caf\u00e9</label></row></x>".encode("latin-1"))
    assert not shop.engine.load().failures
    assert shop.rows() == [("caf\u00e9",)]


def test_xml_in_an_unknown_encoding(shop):
    metadata = {"format": "XML", "encoding": "klingon", "options": {"rowTag": "row"}}
    shop.table("rows", {"label": "string"}, metadata=metadata)
    shop.put("rows1.xml", "<x><row><label>a</label></row></x>")
    assert "'klingon' is unknown" in shop.engine.load().failures[0].error


def _xml(shop, content, attributes, **metadata):
    shop.table("rows", attributes, metadata={"format": "XML", "options": {"rowTag": "row"}, **metadata})
    shop.put("rows1.xml", content)
    assert not shop.engine.load().failures
    return shop.rows()


def test_comments_in_xml_are_no_text(shop):
    content = "<x><!-- <row/> --><row><label>a<!-- b -->c</label></row></x>"
    assert _xml(shop, content, {"label": "string"}) == [("ac",)]


def test_xml_where_a_text_is_declared_is_the_text(shop):
    content = "<x><row><label>a <b>bold</b> &amp; c</label></row></x>"
    assert _xml(shop, content, {"label": "string"}) == [("a <b>bold</b> & c",)]


def test_an_element_that_occurs_again_where_one_is_declared_fails_the_file(shop):
    shop.table("rows", {"label": "string"}, metadata={"format": "XML", "options": {"rowTag": "row"}})
    shop.put("rows1.xml", "<x><row><label>a</label></row><row><label>b</label><label>c</label></row></x>")
    assert "expected to be a string but found ARRAY" in shop.engine.load().failures[0].error


def test_numbers_of_xml_that_cannot_be_read(shop):
    assert _xml(shop, "<x><row><id>1</id></row><row><id>one</id></row></x>", {"id": "int"}) == [(1,)]
    assert shop.errors() == [r"`id` (int) doesn't match pattern `[-|\+|0-9][0-9]*`"]


def test_empty_elements_of_xml(shop):
    content = "<x><row><label/></row><row><label></label></row><row/></x>"
    assert _xml(shop, content, {"label": "string"}, emptyIsNull=False) == [("",), ("",), (None,)]


@pytest.mark.parametrize("content", ["", "<x></x>"])
def test_xml_without_rows(shop, content):
    assert _xml(shop, content, {"label": "string"}) == []


def test_lines_of_fixed_layout_that_end_in_several_ways(shop):
    shop.table("rows", [_field("id", "int", 0, 0), _field("label", "string", 1, 1)], metadata={"format": "POSITION"})
    shop.put("rows1.dat", "1a\r\n2b\n3c\r4d")
    assert not shop.engine.load().failures
    assert shop.rows() == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_parquet_values_become_what_spark_makes_of_them(shop, tmp_path):
    """A single precision number becomes the double with the same decimal form; timestamps have no offset in strings."""
    shop.table("rows", {"price": "double", "seen": "string", "label": "string"}, metadata={"format": "PARQUET"})
    file = tmp_path / "rows1.parquet"
    columns = "0.1::FLOAT AS price, TIMESTAMPTZ '2024-02-29 10:00:00+00' AS seen, encode('caf\u00e9') AS label"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {columns}) TO '{file}' (FORMAT parquet)")
    shop.put("rows1.parquet", file.read_bytes())
    assert not shop.engine.load().failures
    assert shop.rows() == [(0.1, "2024-02-29 10:00:00", "caf\u00e9")]


@pytest.mark.parametrize(
    ("metadata", "content", "expected"),
    [
        (
            {"format": "JSON"},
            '{"more": 1.50, "id": "x", "label": null}\n{"id": 1}\n{"id": "y", "who": {"b": 1, "a": null}}\n',
            '{"id":"x","more":1.5}\n{"id":"y","who":{"b":1}}\n',
        ),
        ({"format": "JSON", "array": True}, '[{"id": "x"}, {"id": 1}, {"id": "y"}]', '[\n{"id":"x"}\n,{"id":"y"}\n]\n'),
        (
            {"format": "XML", "options": {"rowTag": "row"}},
            '<x><row k="v"><id>x</id><tag>a&amp;b</tag></row><row><id>1</id></row></x>',
            '<rows>\n    <row k="v">\n        <id>x</id>\n        <tag>a&amp;b</tag>\n    </row>\n</rows>\n',
        ),
        ({"withHeader": False, "separator": ";"}, 'x;"a;b"\n1;c\n', 'x;"a;b"\n'),
    ],
)
def test_rejected_rows_can_be_loaded_again(shop, metadata, content, expected):
    shop.application(sinkReplayToFile=True)
    shop.table("rows", {"id": "int", "label": "string"}, metadata=metadata)
    shop.put("rows1.dat", content)
    rejected = shop.engine.load().jobs[0].rejected_count
    (file,) = shop.root.joinpath("datasets/replay/shop").iterdir()
    assert file.read_text(encoding="utf-8") == expected
    shop.put("rows2.dat", file.read_bytes())
    again = shop.engine.load().jobs[0]
    assert (again.input_count, again.rejected_count) == (rejected, rejected)


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
@pytest.mark.parametrize(
    ("metadata", "content"),
    [
        ({}, "id,label\n1,a\n"),
        ({"format": "JSON"}, '{"id": 1, "label": "a"}\n'),
        ({"format": "XML", "options": {"rowTag": "row"}}, "<x><row><id>1</id><label>a</label></row></x>"),
    ],
)
def test_packed_files_in_the_stage_area_are_read(shop, suffix, metadata, content):
    shop.table("rows", {"id": "int", "label": "string"}, metadata=metadata)
    pack = {"gz": gzip.compress, "bz2": bz2.compress}[suffix]
    shop.put(f"rows1.txt.{suffix}", pack(content.encode("utf-8")))
    assert not shop.engine.load().failures
    assert shop.rows() == [(1, "a")]


def test_a_packed_file_that_is_cut_off_fails(shop):
    shop.table("rows", {"id": "int", "label": "string"})
    shop.put("rows1.csv.gz", gzip.compress(b"id,label\n1,a\n")[:-9])
    assert shop.engine.load().failures
    assert shop.files() == ["stage/shop/rows1.csv.gz"]


def test_an_xml_row_without_a_required_attribute_is_rejected(shop):
    attributes = [{"name": "_id", "type": "long", "required": True}, {"name": "amount", "type": "decimal"}]
    shop.table("rows", attributes, metadata={"format": "XML", "options": {"rowTag": "row"}})
    shop.put("rows1.xml", '<x><row id="1"><amount>2</amount></row><row><amount>3</amount></row></x>')
    job = shop.engine.load().jobs[0]
    assert (job.accepted_count, job.rejected_count, job.error) == (1, 1, None)
    assert shop.errors() == ["`_id`  can't be null"]


DOCUMENT_TYPES = {
    "external": '<!DOCTYPE x [<!ENTITY a SYSTEM "other.txt">]>\n<x>\n<row><label>1&a;2</label></row></x>',
    "external rows": '<!DOCTYPE x [<!ENTITY a SYSTEM "rows.xml">]>\n<x><row><label>1</label></row>\n&a;</x>',
    "external in an attribute": '<!DOCTYPE x [<!ENTITY a SYSTEM "other.txt">]>\n<x>\n<row label="1&a;2"/></x>',
    "in another entity": '<!DOCTYPE x [<!ENTITY b "&a;"><!ENTITY a SYSTEM "f">]><x><row><label>&b;</label></row></x>',
    "undefined": "<x>\n\n<row><label>1&a;2</label></row></x>",
    "of a document type": '<!DOCTYPE x SYSTEM "x.dtd">\n<x>\n<row><label>1&a;2</label></row></x>',
    "of one in an attribute": '<!DOCTYPE x SYSTEM "x.dtd">\n<x>\n<row label="1&a;2"/></x>',
}


@pytest.mark.parametrize("kind", DOCUMENT_TYPES)
def test_xml_that_refers_to_an_entity_outside_of_it_is_refused(shop, kind):
    shop.table("rows", {"label": "string"}, metadata={"format": "XML", "options": {"rowTag": "row"}})
    for name, content in (("x.dtd", '<!ENTITY a "text">'), ("other.txt", "text"), ("rows.xml", "<row/>"), ("f", "f")):
        shop.put(name, content, area="datasets/ingesting/shop")
    shop.put("rows1.xml", DOCUMENT_TYPES[kind])
    error = shop.engine.load().failures[0].error
    line = 1 if kind == "in another entity" else 3
    assert f"rows1.xml refers to an entity that is not in the file (line {line})" in error
    assert "Entity 'a' not defined" in error
    assert "stage/shop/rows1.xml" in shop.files()


def test_entities_that_are_in_the_file_are_text(shop):
    content = '<!DOCTYPE x [<!ENTITY b "&a;!"><!ENTITY a "tea">]><x><row id="&a;"><label>1&b;2</label></row></x>'
    assert _xml(shop, content, {"_id": "string", "label": "string"}) == [("tea", "1tea!2")]


def test_values_that_the_document_type_in_the_file_gives_by_default(shop):
    content = '<!DOCTYPE x [<!ATTLIST row unit CDATA "kg">]><x><row/><row unit="g"/></x>'
    assert _xml(shop, content, {"_unit": "string"}) == [("g",), ("kg",)]


def test_a_document_type_outside_of_the_file_is_not_read_and_named(shop, caplog):
    shop.put("x.dtd", '<!ATTLIST row unit CDATA "kg">', area="datasets/ingesting/shop")
    content = '<!DOCTYPE x SYSTEM "x.dtd"><x><row><label>a</label></row></x>'
    assert _xml(shop, content, {"_unit": "string", "label": "string"}) == [(None, "a")]
    assert "the document type x.dtd is not read" in caplog.text


def test_entities_that_would_fill_the_memory_are_refused(shop):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    shop.table("rows", {"label": "string"}, metadata={"format": "XML", "options": {"rowTag": "row"}})
    shop.put("rows1.xml", f'<!DOCTYPE x [<!ENTITY e0 "ha ha">{entities}]><x><row><label>&e9;</label></row></x>')
    assert "amplification" in shop.engine.load().failures[0].error


def test_a_long_text_in_xml(shop):
    assert _xml(shop, f"<x><row><label>{'a' * 11_000_000}</label></row></x>", {"label": "string"}) == [
        ("a" * 11_000_000,)
    ]
