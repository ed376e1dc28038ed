"""DSV files: whatever is in the fields comes out of the table."""

from __future__ import annotations

import csv
import io
from functools import partial

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.intake.formats.dsv import Dsv
from ai.starlake.project import Attribute, Metadata, Table
from tests.costly_examples import some_loads

NAMES = ("a", "b", "c")
FIELD = st.text(alphabet='xy ,;"\\\té茶#', max_size=6)
ROWS = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=6)


def table(**metadata):
    attributes = tuple(Attribute(name=name) for name in NAMES)
    return Table(name="rows", pattern=".*", attributes=attributes, metadata=Metadata(**{"separator": ",", **metadata}))


@pytest.fixture(scope="module")
def database():
    with open_database(None) as database:
        yield database


def read(database, folder, content, *, careful=False, **metadata):
    file = folder / "rows.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    rows = Dsv().read(database, table(**metadata), file, folder)
    values = ", ".join("NULL" if cell is None else cell.column for cell in rows.cells)
    query = rows.fallback() if careful and rows.fallback else rows.query
    return database.rows(f"SELECT {values} FROM ({query})")


def read_as_loads_do(database, folder, content, **metadata):
    """With DuckDB's reader where it can, else line by line."""
    try:
        return read(database, folder, content, **metadata)
    except duckdb.Error:
        return read(database, folder, content, careful=True, **metadata)


def nulls(rows):
    """Return the rows of a file: an unquoted empty field is null."""
    return [tuple(field or None for field in row) for row in rows]


@pytest.mark.parametrize("careful", [False, True])
@given(rows=ROWS)
def test_what_python_writes_is_read(database, tmp_path, careful, rows):
    """Both ways of reading, with RFC 4180 quotes; a row of three empty fields is a row."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([NAMES, *rows])
    way = partial(read, careful=True) if careful else read_as_loads_do
    assert way(database, tmp_path, out.getvalue(), escape='"') == nulls(rows)


@given(rows=ROWS, separator=st.sampled_from(["|", "\t", "~|~", "§§§§§"]))
def test_any_separator(database, tmp_path, rows, separator):
    rows = [tuple(field.replace(separator, "").replace('"', "").replace("\\", "") for field in row) for row in rows]
    text = "".join(separator.join(row) + "\n" for row in [NAMES, *rows])
    kept = [row for row in rows if separator.join(row).strip()]  # a line of blanks, including tabs, is not a row
    assert read_as_loads_do(database, tmp_path, text, separator=separator) == nulls(kept)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b,c\n1\n", [("1", None, None)]),
        ("a,b,c\n1,2,3,4,5\n", [("1", "2", "3")]),
        ("a,b,c\r\n1,2,3\r\n\r\n", [("1", "2", "3")]),
        ("a,b,c\n\n1,2,3", [("1", "2", "3")]),
        ('a,b,c\n"1,2"x,"3\n', [('"1,2"x', "3", None)]),
        ('a,b,c\n"x\\"y","\\\\","z"\n', [('x"y', "\\", "z")]),
        ('a,b,c\n"","x""y",\n', [("", 'x"y', None)]),
        ('a,b,c\n"C:\\new","\\\\",1\n', [("C:\\new", "\\", "1")]),
        ('a,b,c\n "x","y" ,"\n', [(' "x"', "y", '"')]),
        ("a,b,c\n  \n1,2,3\n \t\n", [("1", "2", "3")]),
        ("C,B,A\n3,2,1\n", [("1", "2", "3")]),
        ("b,z\n2,9\n", [(None, "2", None)]),
        ("", []),
        ("a,b,c\n", []),
    ],
)
def test_odd_files(database, tmp_path, content, expected):
    assert read(database, tmp_path, content, careful=True) == expected
    assert read_as_loads_do(database, tmp_path, content) == expected


def test_a_quote_before_the_separator_only_counts_at_the_start(database, tmp_path):
    assert read(database, tmp_path, 'a,b,c\n1,x"y,3\n') == [("1", 'x"y', "3")]


@pytest.mark.parametrize("careful", [False, True])
def test_multiline(database, tmp_path, careful):
    content = 'a,b,c\n1,"two\nlines",3\n4,5,6\n'
    found = read(database, tmp_path, content, careful=careful, multiline=True)
    assert found == [("1", "two\nlines", "3"), ("4", "5", "6")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a,b,c\n1,"x\ny"\n2\n3,"z\n\n",4,5\n', [("1", "x\ny", None), ("2", None, None), ("3", "z\n\n", "4")]),
        ('a,b,c\n1,"x\ny","q""q\\"q"\n', [("1", "x\ny", 'q"q"q')]),
        ('a,b,c\r\n1,"x\ny",3\r\n', [("1", "x\ny", "3")]),
        ('a,b,c\r\n1,"x\r\ny",3\r\n', [("1", "x\r\ny", "3")]),
        ('a,b,c\n1,"x\r\ny",3\n', [("1", "x\r\ny", "3")]),
        ('a,b,c\n1,2,3\n4,"never closed,5\n6,7,8\n', [("1", "2", "3"), ("4", "never closed,5\n6,7,8\n", None)]),
        ('a,b,c\n1,2,3\n4,"never', [("1", "2", "3"), ("4", "never", None)]),
        ('a,b,c\n1,"x"y\n2,"z"\n', [("1", '"x"y', None), ("2", "z", None)]),
        ('a,b,c\n\n1,"x\n\ny",3\n\n', [("1", "x\n\ny", "3")]),
    ],
)
def test_rows_over_several_lines(database, tmp_path, content, expected):
    assert read(database, tmp_path, content, careful=True, multiline=True) == expected
    assert read_as_loads_do(database, tmp_path, content, multiline=True) == expected


@given(rows=st.lists(st.tuples(*[st.text(alphabet='xy ,"\\\n', max_size=6)] * 3), max_size=5))
def test_rows_over_several_lines_that_python_writes(database, tmp_path, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([NAMES, *rows])
    for careful in (False, True):
        assert read(database, tmp_path, out.getvalue(), careful=careful, multiline=True, escape='"') == nulls(rows)


@pytest.mark.parametrize(
    ("content", "metadata", "expected"),
    [
        ("é,1,2\n".encode("latin-1"), {"encoding": "ISO-8859-1", "with_header": False}, [("é", "1", "2")]),
        ("a,b,c\né,1,2\n".encode("utf-16"), {"encoding": "UTF-16"}, [("é", "1", "2")]),
        ("x,1,2\n", {"options": {"header": "false"}}, [("x", "1", "2")]),
        (b"a,b,c\n\xff,1,2\n", {"replace_invalid_bytes": True}, [("\ufffd", "1", "2")]),
        (b"\xef\xbb\xbfa,b,c\nx,1,2\n", {}, [("x", "1", "2")]),
        ("a,b,c\nNA,NA,x\n", {"null_value": "NA"}, [(None, None, "x")]),
        ("one\ntwo\na,b,c\nx,1,2\n", {"options": {"skipRows": "2"}}, [("x", "1", "2")]),
        ("#no\na,b,c\n#no,1,2,3,4\nx,1,#2\n", {"options": {"comment": "#"}}, [("x", "1", "#2")]),
        ("a,b,c\n x , 1,2 \n", {"options": {"ignoreLeadingWhiteSpace": "true"}}, [("x ", "1", "2 ")]),
        ('a,b,c\n1, "x,y" , z\n', {"options": {"ignoreLeadingWhiteSpace": "true"}}, [("1", "x,y", "z")]),
        (
            'a,b,c\n1, "x\ny",3\n#"no\n4\n',
            {"multiline": True, "options": {"ignoreLeadingWhiteSpace": "true", "comment": "#"}},
            [("1", "x\ny", "3"), ("4", None, None)],
        ),
        ("a\\tb\n".replace("\\t", "\t") + "1\t2\n", {"separator": "\\t"}, [("1", "2", None)]),
    ],
)
def test_settings_of_the_metadata(database, tmp_path, content, metadata, expected):
    assert read_as_loads_do(database, tmp_path, content, **metadata) == expected


@pytest.mark.parametrize(
    ("content", "metadata", "message"),
    [
        ("a,b,b\n1,2,3\n", {}, "names the column 'b' .* more than once"),
        ("1,2,3\n", {}, "names no column"),
    ],
)
def test_what_cannot_be_read_is_explained(database, tmp_path, content, metadata, message):
    with pytest.raises(StarlakeError, match=message):
        read(database, tmp_path, content, **metadata)


@given(content=st.binary(max_size=200))
@some_loads
def test_any_bytes_are_read_or_refused(shop, content):
    """No bytes make the engine fall over; what is not loaded stays in the stage area."""
    shop.table("rows", {"a": "string", "b": "int"})
    for file in (shop.root / "datasets").rglob("*.csv"):
        file.unlink()
    shop.put("rows1.csv", content)
    result = shop.engine.load()
    assert len(result.jobs) == 1
    where = "stage" if result.failures else "archive"
    assert [name for name in shop.files() if name.endswith(".csv")] == [f"{where}/shop/rows1.csv"]


@pytest.mark.parametrize("multiline", [False, True])
def test_lines_that_end_in_several_ways(database, tmp_path, multiline):
    content = "1,x\n2,y\r\n3,z\r4,\r\n"
    found = read_as_loads_do(database, tmp_path, content, with_header=False, multiline=multiline)
    assert found == [("1", "x", None), ("2", "y", None), ("3", "z", None), ("4", None, None)]


def test_tabs_are_blanks_where_blanks_do_not_count(database, tmp_path):
    options = {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}
    found = read_as_loads_do(database, tmp_path, " a\t,\tb ,\t\n", with_header=False, options=options)
    assert found == [("a", "b", None)]


def test_empty_lines_among_comments_of_one_column_are_no_rows(database, tmp_path):
    only = Table(
        name="rows", pattern=".*", attributes=(Attribute(name="a"),), metadata=Metadata(options={"comment": "#"})
    )
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n\n# 2\n3\n", encoding="utf-8")
    query = Dsv().read(database, only, file, tmp_path).query
    assert database.rows(f"SELECT c0 FROM ({query})") == [("1",), ("3",)]


LINE_ENDS = ["\n", "\r\n", "\r"]


@given(
    rows=st.lists(st.tuples(*[st.text(alphabet='x ,"\r\n', max_size=5)] * 3), max_size=4),
    ends=st.lists(st.sampled_from(LINE_ENDS), min_size=5, max_size=5),
    same=st.booleans(),
)
def test_line_ends_within_quotes_are_kept(database, tmp_path, rows, ends, same):
    """They are kept with any line ends of rows, uniform or mixed."""
    out = io.StringIO()
    for row, end in zip([NAMES, *rows], ends[:1] * 5 if same else ends, strict=False):
        csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL if row is not NAMES else csv.QUOTE_MINIMAL).writerow(
            row
        )
    for careful in (False, True):
        way = partial(read, careful=True) if careful else read_as_loads_do
        assert way(database, tmp_path, out.getvalue(), multiline=True, escape='"') == rows
