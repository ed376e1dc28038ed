"""Forms of the values of a type, and their conversion."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.datatypes import text_check
from ai.starlake.embedded.checking.java_dates import date_formats
from ai.starlake.embedded.checking.java_regexes import full_match
from ai.starlake.embedded.checking.python_functions import teach
from ai.starlake.embedded.database.connection import open_database
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.project import PrimitiveType, TypeDefinition, java_pattern
from ai.starlake.project.databases.column_types import column_type

UTC = dt.timezone.utc
DATE, MOMENT, STRING = PrimitiveType.DATE, PrimitiveType.TIMESTAMP, PrimitiveType.STRING
INT = TypeDefinition(
    name="int", pattern=r"[-|\+|0-9][0-9]*", primitive_type=PrimitiveType.LONG, ddl_mapping={"duckdb": "INTEGER"}
)
LONG = TypeDefinition(name="long", pattern=r"-?\d+", primitive_type=PrimitiveType.LONG)
DOUBLE = TypeDefinition(name="double", pattern="x", primitive_type=PrimitiveType.DOUBLE)
FRENCH, GERMAN, ENGLISH = (DOUBLE.model_copy(update={"zone": zone}) for zone in ("fr_FR", "de_DE", "en_US"))
DECIMAL = TypeDefinition(name="decimal", pattern=r"[-+]?[\d.]+", primitive_type=PrimitiveType.DECIMAL, zone="6,2")
BOOLEAN = TypeDefinition(name="boolean", pattern="(?i)oui|y<-TF->(?i)non|n", primitive_type=PrimitiveType.BOOLEAN)


def kind(primitive: PrimitiveType, pattern: str, zone: str | None = None) -> TypeDefinition:
    columns = {"duckdb": "TIMESTAMPTZ"} if primitive is MOMENT else {}
    return TypeDefinition(name="t", pattern=pattern, primitive_type=primitive, zone=zone, ddl_mapping=columns)


@pytest.fixture(scope="module")
def database():
    with open_database(None) as database:
        yield database


def convert(database, type_: TypeDefinition, text: str):
    """Return the value of a string, or the name of its problem."""
    check = text_check(type_, column_type(type_, declared=True))
    value = check.value("t")
    mismatch = check.mismatch("t", value) if check.mismatch else "false"
    wrong = check.unconvertible("t", value) if check.unconvertible else "false"
    query = f"SELECT {mismatch}, {wrong}, {value} FROM (SELECT {literal(text)} AS t)"
    teach(database, query)
    bad, unconvertible, result = database.rows(query)[0]
    return "mismatch" if bad else "unconvertible" if unconvertible else result


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        (INT, "7", 7),
        (INT, "+7", 7),
        (INT, "007", 7),
        (INT, "-0", 0),
        (INT, "1.5", "mismatch"),
        (INT, "1e3", "mismatch"),
        (INT, " 7", "mismatch"),
        (INT, "7\n", "mismatch"),
        (INT, "|5", "unconvertible"),
        (INT, "-", "unconvertible"),
        (INT, "2147483648", "unconvertible"),
        (INT, "99999999999999999999", "unconvertible"),
        (LONG, "9223372036854775807", 2**63 - 1),
        (LONG, "9223372036854775808", "unconvertible"),
        (LONG, "+5", "mismatch"),
        (DOUBLE, "1.50", 1.5),
        (DOUBLE, "5.", 5.0),
        (DOUBLE, "-1.5e+2", -150.0),
        (DOUBLE, "-Infinity", float("-inf")),
        (DOUBLE, "inf", "mismatch"),
        (DOUBLE, "1_000", "mismatch"),
        (DOUBLE, "0x1p3", "mismatch"),
        (DOUBLE, "1,5", "mismatch"),
        (FRENCH, "1 234,5", 1234.5),
        (FRENCH, "1\u202f234\u202f567,5", 1234567.5),
        (FRENCH, "-12,5e-1", -1.25),
        (FRENCH, "1.5", "mismatch"),
        (FRENCH, "1 23,5", "mismatch"),
        (FRENCH, "", "mismatch"),
        (GERMAN, "1.234,5", 1234.5),
        (GERMAN, "1.5", "mismatch"),
        (ENGLISH, "1,234.5", 1234.5),
        (ENGLISH, "1,5", "mismatch"),
        (DECIMAL, "12.345", Decimal("12.35")),
        (DECIMAL, "12345.6", "unconvertible"),
        (BOOLEAN, "OUI", True),
        (BOOLEAN, "n", False),
        (BOOLEAN, "true", "mismatch"),
        (kind(DATE, "yyyy-MM-dd"), "2024-02-29", dt.date(2024, 2, 29)),
        (kind(DATE, "yyyy-MM-dd"), "2023-02-29", "mismatch"),
        (kind(DATE, "yyyy-MM-dd"), "2024-2-9", "mismatch"),
        (kind(DATE, "yyyy-MM-dd"), "infinity", "mismatch"),
        (kind(DATE, "yyyy-MM-dd"), " 2024-02-29 ", dt.date(2024, 2, 29)),
        (kind(DATE, "yyyy-MM-dd"), "10000-01-01", "mismatch"),
        (kind(DATE, "yyyy-M-d"), "0000-1-1", "mismatch"),
        (kind(DATE, "dd-MMM-yyyy"), "09-Feb-2024", dt.date(2024, 2, 9)),
        (kind(DATE, "dd-MMM-yyyy"), "09-FEB-2024", "mismatch"),
        (kind(DATE, "dd-MMM-yyyy", "en_US"), "09-FEB-2024", dt.date(2024, 2, 9)),
        (kind(DATE, "[yyyy-MM-dd][dd/MM/yyyy]"), "09/02/2024", dt.date(2024, 2, 9)),
        (kind(DATE, "[yyyy-MM-dd][dd/MM/yyyy]"), "2024-02-09", dt.date(2024, 2, 9)),
        (kind(DATE, "yyyy-M-d"), "2024-2-9", dt.date(2024, 2, 9)),
        (kind(DATE, "yyyy-M-d"), "2024-12-19", dt.date(2024, 12, 19)),
        (kind(DATE, "yy-MM-dd"), "99-01-31", dt.date(2099, 1, 31)),
        (kind(MOMENT, "dd/MM/yy HH:mm"), "31/12/69 10:00 ", dt.datetime(2069, 12, 31, 10, tzinfo=UTC)),
        (kind(MOMENT, "yyyy-M-d H:mm:ss"), "2024-2-9 3:04:05", dt.datetime(2024, 2, 9, 3, 4, 5, tzinfo=UTC)),
        (
            kind(MOMENT, "yyyy-MM-dd HH:mm:ss"),
            " 2024-02-29 10:11:12 ",
            dt.datetime(2024, 2, 29, 10, 11, 12, tzinfo=UTC),
        ),
        (kind(MOMENT, "epoch_second"), " 60 ", dt.datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        (BOOLEAN, " oui ", True),
        (kind(STRING, "M|F|Male"), "Male", "Male"),
        (kind(STRING, "M|F|Male"), "Mal", "mismatch"),
        (kind(DATE, "dd/MM/yyyy"), "29/02/2024", dt.date(2024, 2, 29)),
        (kind(DATE, "d MMM yyyy"), "3 Feb 2024", dt.date(2024, 2, 3)),
        (kind(MOMENT, "yyyy-MM-dd HH:mm:ss"), "2024-02-29 10:11:12.5", "mismatch"),
        (kind(MOMENT, "yyyy-MM-dd HH:mm:ss"), "2024-02-29 25:00:00", "mismatch"),
        (kind(MOMENT, "epoch_milli"), "1500", dt.datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)),
        (kind(MOMENT, "epoch_second"), "60", dt.datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        (kind(MOMENT, "epoch_second"), "6.5", "mismatch"),
        (
            kind(MOMENT, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"),
            "2024-02-29T01:02:03.004Z",
            dt.datetime(2024, 2, 29, 1, 2, 3, 4000, UTC),
        ),
        (kind(MOMENT, "yyyy-MM-dd HH:mm", "Europe/Paris"), "2024-02-29 10:00", dt.datetime(2024, 2, 29, 9, tzinfo=UTC)),
        (kind(MOMENT, "yyyy-MM-dd[ HH:mm]"), "2024-02-29", dt.datetime(2024, 2, 29, tzinfo=UTC)),
        (
            kind(MOMENT, "ISO_ZONED_DATE_TIME"),
            "2011-12-03T10:15:30+01:00[Europe/Paris]",
            dt.datetime(2011, 12, 3, 9, 15, 30, tzinfo=UTC),
        ),
        (
            kind(MOMENT, "RFC_1123_DATE_TIME"),
            "Tue, 3 Jun 2008 11:05:30 +0200",
            dt.datetime(2008, 6, 3, 9, 5, 30, tzinfo=UTC),
        ),
        (kind(MOMENT, "ISO_ORDINAL_DATE"), "2023-366", "mismatch"),
        (kind(MOMENT, "ISO_INSTANT"), "2024-02-29T10:11:12", "mismatch"),
        (kind(MOMENT, "ISO_INSTANT"), "2024-02-29T10:11:12+02:00", dt.datetime(2024, 2, 29, 8, 11, 12, tzinfo=UTC)),
        (kind(MOMENT, "ISO_INSTANT"), "2024-02-29T10:11:12+0200", "mismatch"),
        (kind(MOMENT, "ISO_DATE_TIME"), "2024-02-29T10:11:12+0200", "mismatch"),
        (kind(MOMENT, "ISO_OFFSET_DATE_TIME"), "2024-02-29T10:11:12+02", dt.datetime(2024, 2, 29, 8, 11, 12, 0, UTC)),
        (kind(MOMENT, "ISO_OFFSET_DATE_TIME"), "2024-02-29T10:11:12+25:00", "mismatch"),
        (
            kind(MOMENT, "ISO_LOCAL_DATE_TIME"),
            "2024-02-29T10:11:12.123456789",
            dt.datetime(2024, 2, 29, 10, 11, 12, 123456, UTC),
        ),
        (kind(MOMENT, "yyyy-MM-dd HH:mmX"), "2024-02-29 10:00+0230", dt.datetime(2024, 2, 29, 7, 30, tzinfo=UTC)),
        (kind(MOMENT, "epoch_second"), "20240229130509", "mismatch"),
        (kind(DATE, "EEE dd MMM yyyy"), "Thu 29 Feb 2024", dt.date(2024, 2, 29)),
        (kind(DATE, "EEE dd MMM yyyy"), "Fri 29 Feb 2024", "mismatch"),
        (kind(DATE, "EEEE d MMMM yyyy"), "Thursday 29 February 2024", dt.date(2024, 2, 29)),
        (kind(MOMENT, "RFC_1123_DATE_TIME"), "Wed, 3 Jun 2008 11:05:30 GMT", "mismatch"),
        (kind(MOMENT, "RFC_1123_DATE_TIME"), "Wed, 3 Jun 2008 23:05:30 -0300", "mismatch"),
        (
            kind(MOMENT, "RFC_1123_DATE_TIME"),
            "Tue, 3 Jun 2008 23:05:30 -0300",
            dt.datetime(2008, 6, 4, 2, 5, 30, tzinfo=UTC),
        ),
        (kind(MOMENT, "yyyy-MM-dd HH:mm ZZZZZ"), "2024-02-29 10:00 +01:00", dt.datetime(2024, 2, 29, 9, tzinfo=UTC)),
        (kind(MOMENT, "HH:mm"), "10:11", dt.datetime(1970, 1, 1, 10, 11, tzinfo=UTC)),
    ],
)
def test_values(database, type_, text, expected):
    assert convert(database, type_, text) == expected


@given(st.integers(-(2**70), 2**70), st.sampled_from(["", "0", "+", "00"]))
def test_integers_are_read_as_python_reads_them(database, number, prefix):
    text = f"{prefix}{number}" if number >= 0 else str(number)
    expected = number if -(2**31) <= number < 2**31 else "unconvertible"
    assert convert(database, INT, text) == expected


@given(st.dates(min_value=dt.date(1, 1, 1)), st.sampled_from(["yyyy-MM-dd", "yyyyMMdd", "dd.MM.yyyy", "DDD/yyyy"]))
def test_every_day_is_read_in_every_layout(database, day, pattern):
    layouts = {"yyyy-MM-dd": "%04Y-%m-%d", "yyyyMMdd": "%04Y%m%d", "dd.MM.yyyy": "%d.%m.%04Y", "DDD/yyyy": "%j/%04Y"}
    text = day.strftime(layouts[pattern].replace("%04Y", f"{day.year:04d}"))
    assert convert(database, kind(DATE, pattern), text) == day


@given(
    st.text(alphabet="ab1é \n.|", max_size=6),
    st.sampled_from([r"a.*", r"[ab]+|\d", r"(?i)A\d?", r"\w+", r"(?<x>a)b?", r".+", r"\Qa.b\E"]),
)
def test_patterns_match_as_in_java(database, text, pattern):
    """RE2 and the translation to Python agree, line breaks included."""
    dotall = java_pattern("(?s)" + pattern)
    assert database.value(f"SELECT {full_match(literal(text), pattern)}") == bool(dotall.fullmatch(text))


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"\p{Alpha}{2}", "ab", "a1"),
        (r"\p{Alpha}+", "ab", "é"),
        (r"[\p{Upper}\d_]+", "A_1", "a"),
        (r"[\p{L} \-]+", "é - a", "1"),
        (r"\P{Punct}", "a", "!"),
        (r"[^\p{Punct}]", "a", "!"),
        (r"\p{IsAlphabetic}\p{IsDigit}", "é5", "5é"),
        (r"\x41\u0042[\u00e9]", "ABé", "ABe"),
        (r"(?x) a \d", "a1", " a 1"),
        (r"[\]\p{Digit}\[]+", "[1]", "a"),
        (r"\Q[a]\E\h", "[a] ", "a"),
    ],
)
def test_classes_of_characters_are_those_of_java(database, pattern, good, bad):
    rule = kind(PrimitiveType.STRING, pattern)
    assert convert(database, rule, good) == good
    assert convert(database, rule, bad) == "mismatch"


@pytest.mark.parametrize("pattern", [r"(?=a)ab", r"(a)\1"])
def test_patterns_beyond_re2_work_too(database, pattern):
    rule = kind(PrimitiveType.STRING, pattern)
    for text in ("ab", "aa", "b", ""):
        expected = text if java_pattern("(?s)" + pattern).fullmatch(text) else "mismatch"
        assert convert(database, rule, text) == expected


def test_a_date_letter_that_cannot_be_read_is_named():
    with pytest.raises(StarlakeError, match="'GG'"):
        date_formats("yyyy GG")


def test_a_ddl_mapping_is_no_way_to_run_sql():
    evil = TypeDefinition(name="evil", pattern=".*", ddl_mapping={"duckdb": "INT); DROP TABLE x; --"})
    with pytest.raises(StarlakeError, match="not the name of a column type"):
        column_type(evil, declared=True)


@pytest.mark.parametrize(
    ("type_", "declared", "expected"),
    [(INT, True, "INTEGER"), (INT, False, "BIGINT"), (DECIMAL, True, "DECIMAL(6,2)"), (DOUBLE, False, "DOUBLE")],
)
def test_column_types(type_, declared, expected):
    assert column_type(type_, declared=declared) == expected
