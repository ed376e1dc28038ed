"""With any content of a file, the command ends with 0 or 1 and a message, and strings are read back unchanged."""

from __future__ import annotations

import csv
import io
import os
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.starlake.embedded.cli.main import run
from tests.costly_examples import few_loads

TABLE = """\
version: 1
table:
  name: rows
  pattern: "rows-.*"
  metadata:
    format: {format}
    separator: ","
    writeStrategy:
      type: UPSERT_BY_KEY
      key: [id]
  attributes:
    - name: id
      type: long
      required: true
    - name: day
      type: date
    - name: label
      type: string
      trim: BOTH
"""
FILES = {
    "DSV": b'id,day,label\n1,2024-02-29,"a ""quoted"", text"\n2,,\n',
    "JSON": b'{"id": 1, "day": "2024-02-29", "label": "one"}\n{"id": 2, "label": null}\n',
    "JSON_FLAT": b'{"id": 1, "day": "2024-02-29", "label": "one"}\n{"id": 2}\n',
    "POSITION": b"1 2024-02-29 text\n2            \n",
    "PARQUET": b"PAR1" + bytes(40) + b"PAR1",
    "XML": b"<rows><row><id>1</id><day>2024-02-29</day></row></rows>",
}
OPTIONS = {"XML": "    options:\n      rowTag: row\n"}
POSITIONS = {"id": (0, 0), "day": (2, 11), "label": (13, 20)}
INTERNAL = ("Traceback", "AttributeError", "TypeError", "KeyError", "IndexError", "AssertionError", "NameError")


def starlake(shop, *arguments):
    """Run the command in process; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"PATH": os.environ["PATH"], **shop.environment}
    with mock.patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    return code, out.getvalue(), err.getvalue()


def assert_civil(code, out, err):
    """Check that the command says what it did or what is wrong, and nothing of its own went wrong."""
    assert code in (0, 1)
    assert not [word for word in INTERNAL if word in out + err], out + err
    if code:
        assert (out + err).strip()


@st.composite
def damaged(draw, content):
    """Return a file with a piece of it replaced, taken out, doubled or put in."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 12)))
    piece = draw(
        st.one_of(
            st.binary(max_size=6),
            st.just(content[start:end] * 2),
            st.sampled_from(
                [b"{{", b"}}", b"{% if %}", b"'", b'"', b"\n", b"\t", b": ", b"- ", b"[", b"&a", b"*a", b"\0"]
            ),
        )
    )
    return content[:start] + piece + content[end:]


def table_of(kind):
    text = TABLE.format(format=kind)
    text = text.replace("  attributes:\n", OPTIONS.get(kind, "") + "  attributes:\n", 1)
    if kind == "POSITION":
        for name, (first, last) in POSITIONS.items():
            text = text.replace(f"name: {name}\n", f"name: {name}\n      position: {{first: {first}, last: {last}}}\n")
    return text


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=8)
@given(data=st.data())
def test_damaged_files(lasting_shop, kind, data):
    lasting_shop.clear()
    lasting_shop.write("load/shop/rows.sl.yml", table_of(kind))
    content = data.draw(st.one_of(damaged(FILES[kind]), st.binary(max_size=60)))
    lasting_shop.put("rows-1", content)
    code, out, err = starlake(lasting_shop, "load")
    assert_civil(code, out, err)
    waiting, done = lasting_shop.files("stage"), lasting_shop.files("archive")
    assert (waiting, done) == ((["rows-1"], []) if code else ([], ["rows-1"]))
    assert lasting_shop.files("ingesting") == []


METADATA = {
    "application.sl.yml": ("validate",),
    "load/shop/_config.sl.yml": ("load",),
    "load/shop/rows.sl.yml": ("load",),
    "transform/kpi/totals.sl.yml": ("transform", "--name", "kpi.totals"),
    "transform/kpi/totals.sql": ("transform", "--name", "kpi.totals"),
}


@pytest.mark.parametrize("name", METADATA)
@settings(max_examples=12)
@given(data=st.data())
def test_damaged_metadata(lasting_shop, name, data):
    shop = lasting_shop
    shop.clear()
    shop.application()
    shop.write("load/shop/_config.sl.yml", "version: 1\nload:\n  metadata:\n    directory: incoming/shop\n")
    shop.write("load/shop/rows.sl.yml", table_of("DSV"))
    shop.task("totals", "SELECT count(*) AS rows, '{{ sl_date }}' AS day FROM (VALUES (1), (2)) AS t(id)\n")
    path = shop.metadata / name
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    shop.put("rows-1", FILES["DSV"])
    for command in dict.fromkeys((METADATA[name], ("validate",))):
        assert_civil(*starlake(shop, *command))
    path.unlink()


@settings(max_examples=30)
@given(
    words=st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["load", "--name", "--domains", "a=b"])), max_size=5)
)
def test_any_arguments(lasting_shop, words):
    assert_civil(*starlake(lasting_shop, *words))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
special = st.text(st.sampled_from("a \"',;\\\t|éÉß漢😀\u200b"), max_size=10)


def roundtrip(shop, cells, multiline):
    shop.clear()
    columns = [{"name": "id", "type": "long"}, {"name": "left", "type": "string"}, {"name": "right", "type": "string"}]
    shop.table("texts", columns, {"separator": ",", "escape": '"', "multiline": multiline, "emptyIsNull": False})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "left", "right"])
    writer.writerows([place, *row] for place, row in enumerate(cells))
    shop.put("texts-1.csv", out.getvalue())
    assert not shop.load().failures
    assert shop.rows('SELECT "left", "right" FROM shop.texts ORDER BY id') == cells


@few_loads
@given(cells=st.lists(st.tuples(special, special), min_size=1, max_size=12))
def test_texts_come_back(lasting_shop, cells):
    roundtrip(lasting_shop, cells, multiline=False)


@few_loads
@given(cells=st.lists(st.tuples(texts, texts), min_size=1, max_size=12))
def test_texts_with_line_breaks_come_back(lasting_shop, cells):
    roundtrip(lasting_shop, cells, multiline=True)
