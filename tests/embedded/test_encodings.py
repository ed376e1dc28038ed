"""Bytes that are not in the encoding of a file are refused, never replaced."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.inference import Request, infer_schema
from ai.starlake.embedded.intake.formats.encodings import as_utf8
from ai.starlake.project import Project

LATIN = "René d'Orléans".encode("latin-1")


def _load(shop, name, content, attributes=None, **metadata):
    shop.table("rows", attributes or {"a": "string"}, metadata=metadata)
    shop.put(name, content)
    return shop.engine.load().jobs[0]


@pytest.mark.parametrize(
    ("content", "place", "metadata"),
    [
        (b"a\n" + LATIN + b"\n", "byte 6 (line 2)", {}),
        (b"a\r\nx\r\n" + LATIN + b"\r\n", "byte 10 (line 3)", {}),
        (b'"' + LATIN + b'"\n1\n', "byte 5 (line 1)", {}),
        (b'{"a": "' + LATIN + b'"}\n', "byte 11 (line 1)", {"format": "JSON"}),
        (b'[{"a": 1},\n {"a": "' + LATIN + b'"}]', "byte 23 (line 2)", {"format": "JSON_FLAT", "array": True}),
        (b"<x>\n<row><a>" + LATIN + b"</a></row></x>", "byte 16 (line 2)", {"format": "XML"}),
    ],
)
def test_bytes_that_are_not_utf8_fail_the_file(shop, content, place, metadata):
    options = {"options": {"rowTag": "row"}} if metadata.get("format") == "XML" else {}
    job = _load(shop, "rows1.dat", content, **metadata, **options)
    assert f"rows1.dat is not UTF-8 at {place}" in job.error
    assert "set metadata.encoding: ISO-8859-1" in job.error
    assert shop.files() == ["stage/shop/rows1.dat"]


def test_bytes_of_a_file_of_fixed_layout(shop):
    attributes = [{"name": "a", "type": "string", "position": {"first": 0, "last": 3}}]
    job = _load(shop, "rows1.dat", b"abcd\nab\xe9d\n", attributes, format="POSITION")
    assert "not UTF-8 at byte 8 (line 2)" in job.error


def test_the_named_encoding_loads_the_file(shop):
    job = _load(shop, "rows1.csv", b"a\n" + LATIN + b"\n", encoding="ISO-8859-1")
    assert job.error is None
    assert shop.rows() == [("René d'Orléans",)]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        ("é".encode(), "US-ASCII", "not US-ASCII at byte 1 .*encoding: UTF-8"),
        (b"\x93x\x94", "UTF-8", "not UTF-8 at byte 1 .*encoding: windows-1252"),
        (b"ab\x81", "windows-1252", "not windows-1252 at byte 3"),
        ("aé".encode("utf-16-le") + b"x", "UTF-16LE", "not UTF-16LE at byte 5"),
        ("ab".encode("utf-16") + b"\0", "UTF-16", "not UTF-16 at byte 7"),
        (b"\x00\xd8a\x00", "UTF-16LE", "not UTF-16LE at byte 1"),
        ("日本".encode("shift_jis") + b"\xff", "Shift_JIS", "not Shift_JIS at byte 5"),
        ("caf€".encode()[:-1], "UTF-8", "not UTF-8 at byte 4"),
        (b"\xed\xa0\x80", "UTF-8", "not UTF-8 at byte 1"),
        (b"\xc0\xaf", "UTF-8", "not UTF-8 at byte 1"),
        (b"+2AA-", "UTF-7", "not UTF-7 at byte 1"),
        ("é".encode("utf-8-sig"), "ISO-8859-1", "byte order mark of UTF-8.*encoding: UTF-8"),
        ("é".encode("utf-16"), "UTF-8", "byte order mark of UTF-16.*encoding: UTF-16"),
        ("é".encode("utf-16"), "UTF-16BE", "byte order mark of UTF-16"),
        ("é".encode("utf-32"), "UTF-16", "byte order mark of UTF-32"),
        ("é".encode("utf-16-le"), "UTF-16", "has no byte order mark.*encoding: UTF-16LE or"),
        (b"a", "klingon", "'klingon' is unknown"),
        (b"a", "base64", "'base64' is unknown"),
        (b"a", "a\0b", "is unknown"),
    ],
)
def test_what_is_not_in_the_encoding(tmp_path, content, encoding, message):
    with pytest.raises(StarlakeError, match=f"(?s){message}"):
        _text(tmp_path, content, encoding)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("é".encode("utf-8-sig"), "UTF-8"),
        ("é".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + "é".encode("utf-16-be"), "UTF-16"),
        (b"\xff\xfe" + "é".encode("utf-16-le"), "UTF-16LE"),
        ("é".encode("utf-16-be"), "UTF-16BE"),
        ("\ufeffé".encode("gb18030"), "GB18030"),
        ("é".encode("utf-32"), "UTF-32"),
        ("é".encode("cp1252"), "Cp1252"),
        ("é".encode("latin-1"), "ISO8859_1"),
    ],
)
def test_a_byte_order_mark_is_no_text(tmp_path, content, encoding):
    assert _text(tmp_path, content, encoding) == "é".encode()


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "GB18030"])
def test_an_empty_file_is_in_every_encoding(tmp_path, encoding):
    assert _text(tmp_path, b"", encoding) == b""


@given(before=st.text("ab\né茶😀\r", max_size=40), after=st.binary(max_size=9))
def test_the_place_is_that_of_the_first_wrong_byte(tmp_path, before, after):
    """Wherever pieces of the file end: a short one is what a long one is at its end."""
    content = (prefix := b"x" * ((1 << 20) - 20) + before.encode()) + b"\xff" + after
    with pytest.raises(StarlakeError) as caught:
        _text(tmp_path, content, "UTF-8")
    line = len(prefix.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert f"at byte {len(prefix) + 1} (line {line})" in str(caught.value)


def test_a_character_over_two_pieces_is_one(tmp_path):
    content = b"x" * ((1 << 20) - 1) + "é茶".encode() + b"y" * (1 << 20)
    assert _text(tmp_path, content, "UTF-8") == content


def test_a_packed_file_is_named(shop):
    job = _load(shop, "rows1.csv.gz", gzip.compress(b"a\n" + LATIN))
    assert "rows1.csv.gz is not UTF-8 at byte 6 (line 2)" in job.error


@pytest.mark.parametrize("way", ["application", "environment", "metadata"])
def test_a_setting_replaces_them_with_a_warning(shop, caplog, way):
    metadata = {}
    if way == "application":
        shop.application(replaceInvalidBytes=True)
    elif way == "environment":
        shop.environment["SL_REPLACE_INVALID_BYTES"] = "true"
    else:
        metadata = {"replaceInvalidBytes": True}
    assert _load(shop, "rows1.csv", b"a\nx\xe9\n", **metadata).error is None
    assert shop.rows() == [("x\ufffd",)]
    assert "rows1.csv is not UTF-8 at byte 4 (line 2)" in caplog.text


@pytest.mark.parametrize(("name", "content"), [("s.csv", b"a,b\n1,\xe9\n"), ("s.json", b'{"a": "\xe9"}\n')])
def test_a_sample_that_is_not_in_its_encoding(shop, name, content):
    file = shop.put(name, content, area="samples")
    project = Project.read(shop.root, environment=shop.environment)
    with pytest.raises(StarlakeError, match=r"(?s)not UTF-8 at byte [78] .*--encoding ISO-8859-1"):
        infer_schema(project, Request(file))
    assert infer_schema(project, Request(file, encoding="ISO-8859-1")).table.name == "s"


def _text(folder: Path, content: bytes, encoding: str) -> bytes:
    file = folder / "file.txt"
    file.write_bytes(content)
    return as_utf8(file, encoding, folder).read_bytes()
