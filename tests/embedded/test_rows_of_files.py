"""Rows that cannot be kept as they are: rejected with their line and reason, never cut or shifted without a word."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.embedded.cli.main import starlake
from tests.costly_examples import few_loads

COLUMNS = {"id": "string", "name": "string", "city": "string"}
HEADER = "id,name,city\n"


def _load(shop, content, attributes=None, **metadata):
    shop.table("rows", attributes or COLUMNS, metadata=metadata)
    shop.put("rows1.csv", content)
    return shop.engine.load().jobs[0]


def _rejected(shop):
    """Return the first line of each error, and the line under LINE."""
    query = "SELECT split_part(error, chr(10), 2), line FROM audit.rejected ORDER BY line"
    return shop.query(query)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("1,Smith, John,Lyon", "the row has 4 values for 3 columns: 1,Smith, John,Lyon"),
        ("1,a,b,,,x", "the row has 6 values for 3 columns: 1,a,b,,,x"),
        ('1,"a",b,"x"', 'the row has 4 values for 3 columns: 1,"a",b,"x"'),
        (",,,0", "the row has 4 values for 3 columns: ,,,0"),
    ],
)
@pytest.mark.parametrize("multiline", [False, True])
def test_a_row_with_more_values_than_columns_is_rejected(shop, row, error, multiline):
    job = _load(shop, f"{HEADER}9,x,y\n{row}\n2,Doe,Paris\n", multiline=multiline)
    assert (job.input_count, job.accepted_count, job.rejected_count) == (3, 2, 1)
    assert shop.rows() == [("2", "Doe", "Paris"), ("9", "x", "y")]
    assert _rejected(shop) == [(f"line 3: {error}", 3)]


@pytest.mark.parametrize("more", [",", ",,,", ',""', ', ,""'])
def test_surplus_that_is_empty_is_no_value(shop, more):
    assert _load(shop, f"{HEADER}1,a,b{more}\n2,c,d\n").rejected_count == 0
    assert shop.rows() == [("1", "a", "b"), ("2", "c", "d")]


def test_a_file_without_a_header_has_the_columns_of_the_table(shop):
    assert _load(shop, "1,a,b\n2,c,d,e\n", withHeader=False).rejected_count == 1
    assert _rejected(shop)[0][1] == 2


def test_columns_that_the_table_does_not_know_are_no_surplus(shop):
    assert _load(shop, "id,name,city,more\n1,a,b,c\n2,d,e,f,g\n").rejected_count == 1
    assert _rejected(shop) == [("line 3: the row has 5 values for 4 columns: 2,d,e,f,g", 3)]


@pytest.mark.parametrize("way", ["application", "metadata"])
def test_a_setting_cuts_long_rows(shop, way):
    metadata = {"cutLongRows": True} if way == "metadata" else {}
    if way == "application":
        shop.application(cutLongRows=True)
    assert _load(shop, f"{HEADER}1,a,b,c\n", **metadata).rejected_count == 0
    assert shop.rows() == [("1", "a", "b")]


def test_a_native_load_fails_for_a_row_with_more_values(shop):
    job = _load(shop, f"{HEADER}1,a,b\n2,c,d,e\n", loader="native")
    assert "line 3: the row has 4 values for 3 columns" in job.error
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_a_row_over_lines_is_rejected_whole_where_rows_may_not_go_over_lines(shop):
    job = _load(shop, f'{HEADER}1,"two\n\nlines",x\n2,a,b\n3,"c\n"\n')
    assert (job.accepted_count, job.rejected_count) == (1, 2)
    assert shop.rows() == [("2", "a", "b")]
    errors = _rejected(shop)
    assert errors[0] == ('line 2: the row goes on to line 4 within quotes; set metadata.multiline: true: 1,"two', 2)
    assert errors[1][1] == 6


@pytest.mark.parametrize(
    ("content", "kept", "lines"),
    [
        ('1,"never,b\n2,c,d\n3,e,f\n', [("2", "c", "d"), ("3", "e", "f")], [2]),
        ('1,"never,b\n2,"c",d\n3,"e",f\n', [("2", "c", "d"), ("3", "e", "f")], [2]),
        ('1,a,b\n2,c,"\n', [("1", "a", "b")], [3]),
        ('1,"5"" pipe,b\n2,"c\n3,"e",f\n', [("3", "e", "f")], [2, 3]),
    ],
)
def test_a_quote_that_is_never_closed_rejects_its_row(shop, content, kept, lines):
    job = _load(shop, HEADER + content, escape='"')
    assert shop.rows() == kept
    assert [line for _, line in _rejected(shop)] == lines
    assert job.rejected_count == len(lines)


def test_a_quote_that_is_never_closed_where_rows_may_go_over_lines(shop):
    job = _load(shop, f'{HEADER}1,a,b\n2,"never,d\n3,e,f\n', multiline=True)
    assert (job.accepted_count, job.rejected_count) == (1, 1)
    assert "line 3: the row has a quote that is never closed" in _rejected(shop)[0][0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("skip", [0, 2])
def test_names_over_several_lines(shop, end, skip):
    above = f'a "note{end}more{end}' if skip else ""
    header = f'id,"note{end}(free text)",name,city{end}'
    options = {"options": {"skipRows": str(skip)}} if skip else {}
    job = _load(shop, f'{above}{header}1,x,a,b{end}2,y,"c{end}d",e{end}', multiline=True, **options)
    assert job.rejected_count == 0
    assert shop.rows() == [("1", "a", "b"), ("2", f"c{end}d", "e")]


def test_a_column_by_a_name_over_two_lines(shop):
    shop.table("rows", [{"name": "total\namount", "type": "int", "rename": "total"}], metadata={"multiline": True})
    shop.put("rows1.csv", '"total\namount"\n1\n"2"\n')
    assert shop.engine.load().jobs[0].rejected_count == 0
    assert shop.query("SELECT total FROM shop.rows ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize(("multiline", "line"), [(False, "goes on to line 2 within quotes"), (True, "never closed")])
def test_a_header_with_an_open_quote_is_refused(shop, multiline, line):
    content = 'id,"name\n(free)",city\n1,a,b\n' if not multiline else 'id,"name,city\n1,a,b\n'
    error = _load(shop, content, multiline=multiline).error
    assert "the header of rows1.csv has a quote that is not closed (line 1)" in error
    assert line in error


@pytest.mark.parametrize("size", [990_000, 2_100_000, pytest.param(40_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("quoted", ["no", "one line", "lines"])
def test_cells_of_any_length(shop, size, quoted):
    """Beyond the longest line that DuckDB reads by itself, and beyond its buffer."""
    unit = "x" * 9_999 + {"no": "y", "one line": ",", "lines": "\n"}[quoted]
    text = unit * (size // len(unit))
    cell = text if quoted == "no" else f'"{text}"'
    job = _load(shop, f"{HEADER}1,a,b\n2,{cell},c\n3,d,e\n", multiline=quoted == "lines")
    assert (job.error, job.accepted_count) == (None, 3)
    found = shop.query("SELECT id, length(name), md5(name), city FROM shop.rows WHERE id = '2'")
    assert found == [("2", len(text), hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), "c")]


@pytest.mark.parametrize("multiline", [False, True])
@given(data=st.data())
@few_loads
def test_each_rejected_row_has_its_line(shop, multiline, data):
    """Among blank lines, comments, and rows over lines where there may be some."""
    cell = st.text(alphabet='ab "' + ("\n" if multiline else ""), max_size=4)
    kinds = st.sampled_from(["good", "bad", "long", "blank", "comment"])
    out, lines = io.StringIO(), []
    out.write("#\n\nid,name\n")
    for kind, text in data.draw(st.lists(st.tuples(kinds, cell), max_size=24)):
        line = out.getvalue().count("\n") + 1
        if kind in {"bad", "long"}:
            lines.append(line)
        if kind in {"blank", "comment"}:
            out.write("\n" if kind == "blank" else "# x\n")
        else:
            row = ["1" if kind == "good" else "x", text, *(["more"] if kind == "long" else [])]
            csv.writer(out, lineterminator="\n").writerow(row)
    (shop.root / "datasets/duckdb.db").unlink(missing_ok=True)
    metadata = {"multiline": multiline, "escape": '"', "options": {"comment": "#"}}
    job = _load(shop, out.getvalue(), {"id": "int", "name": "string"}, **metadata)
    assert job.error is None
    assert [line for _, line in _rejected(shop)] == lines


def test_lines_of_several_files(shop):
    shop.application(grouped=True)
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\nx\n")
    shop.put("rows2.csv", "id\ny\n\n\nz\n")
    shop.engine.load()
    found = shop.query("SELECT parse_filename(path), line FROM audit.rejected ORDER BY ALL")
    assert found == [("rows1.csv", 3), ("rows2.csv", 2), ("rows2.csv", 5)]


MISSPELLED = "the header of rows1.csv names 'nam', which is not a column of shop.rows, and does not name name"


def test_a_header_that_misspells_a_column_gives_a_warning(shop):
    shop.table("rows", COLUMNS)
    shop.put("rows1.csv", "id,nam,city\n1,a,b\n")
    result = shop.engine.load()
    assert result.jobs[0].warnings == (f"{MISSPELLED}; did you mean name?",)
    assert result.warning_count == 1
    assert shop.rows() == [("1", None, "b")]


def test_the_command_prints_warnings_and_counts_them(shop, monkeypatch):
    shop.table("rows", COLUMNS)
    shop.put("rows1.csv", "id,nam,city\n1,a,b\n")
    for name, value in {**shop.environment, "SL_API": "1"}.items():
        monkeypatch.setenv(name, value)
    output = CliRunner().invoke(starlake, ["load"]).output
    assert f"Warning: {MISSPELLED}" in output
    assert '"warningCount":1' in output


@pytest.mark.parametrize("header", ["id,name,city", "id,city", "id,name,city,more", "CITY,Id,name", "id,,name"])
def test_a_header_that_lacks_columns_or_has_more_is_fine(shop, header):
    shop.table("rows", COLUMNS)
    shop.put("rows1.csv", f"{header}\n1,a,b\n")
    assert shop.engine.load().jobs[0].warnings == ()


def test_a_setting_makes_misspelled_columns_an_error(shop):
    shop.environment["SL_FAIL_ON_MISSPELLED_COLUMNS"] = "true"
    error = _load(shop, "id,nam,city\n1,a,b\n").error
    assert f"{MISSPELLED}; did you mean name?" in error
    assert shop.files() == ["stage/shop/rows1.csv"]


@pytest.mark.parametrize("blank", ["", "\n"])
@pytest.mark.parametrize(("row", "bad", "metadata"), [("1", "x", {}), ('{"id": 1}', '{"id": "x"}', {"format": "JSON"})])
def test_the_line_of_a_row_far_down(shop, row, bad, metadata, blank):
    rows = [*[row] * 50_100, bad, row]
    content = "\n".join(rows if metadata else ["id", *rows]) + "\n"
    job = _load(shop, blank + content, {"id": "int"}, **metadata)
    assert job.rejected_count == 1
    assert _rejected(shop)[0][1] == 50_101 + len(blank) + (not metadata)
