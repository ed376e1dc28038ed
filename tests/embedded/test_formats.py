"""Files of JSON, of XML and of fixed layout."""

from __future__ import annotations

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
    assert "a comma stands before the end" in shop.engine.load().failures[0].error
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
