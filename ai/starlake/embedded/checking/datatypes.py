r"""Types of a project in SQL: the form of their strings, the conversion, and the columns.

A string is checked in two steps, as in Starlake: it must match the type's pattern, and it must be convertible to the
type. The checks are cheap for most values: a number or date in DuckDB's own form needs no regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ai.starlake.common import PermanentError
from ai.starlake.embedded.checking.java_dates import DateFormat, as_written, date_formats, wall_clock
from ai.starlake.embedded.checking.java_regexes import full_match
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.project import PrimitiveType, TypeDefinition
from ai.starlake.project.patterns import java_pattern

_INTEGERS = (PrimitiveType.LONG, PrimitiveType.INT, PrimitiveType.SHORT, PrimitiveType.BYTE)
_ZONED = frozenset({"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"})
_EVERY_INTEGER = frozenset(
    {r"-?\d+", r"[-|\+|0-9][0-9]*", r"[-+]?\d+", r"[+-]?\d+", "-?[0-9]+", "[-+]?[0-9]+", ".*", ".+"}
)
"""Patterns that match every canonical integer, so no regex check is needed."""
_BOOLEAN_WORDS = (
    "true",
    "false",
    "yes",
    "no",
    "y",
    "n",
    "t",
    "f",
    "1",
    "0",
    "TRUE",
    "FALSE",
    "True",
    "False",
    "Y",
    "N",
)
_BLANKS = " \u00a0\u202f"
_DIGIT_GROUPS = {
    **dict.fromkeys(("fr", "sv", "nb", "fi", "pl", "cs", "ru", "hu"), (_BLANKS, ",")),
    **dict.fromkeys(("de", "es", "it", "pt", "nl", "da", "tr", "el"), (f".{_BLANKS}", ",")),
}
"""Separators between groups of three digits, and the decimal sign, by language; a comma and a point for others."""


@dataclass(frozen=True)
class TextCheck:
    """The check and the conversion of strings of a type.

    Args:
        value: Returns the SQL of the converted value for the SQL of the string; null if it cannot be converted.
        mismatch: Returns a SQL condition, never null, that is true for a string that does not match the pattern. Its
            arguments are the SQL of the string and of the value. None if every string matches.
        unconvertible: Like `mismatch`, for a string that matches but cannot be converted.
        sound: Like `mismatch`, for a string that is obviously valid and needs no other check; None if there is no quick
            check.
    """

    value: Callable[[str], str]
    mismatch: Callable[[str, str], str] | None
    unconvertible: Callable[[str, str], str] | None
    sound: Callable[[str, str], str] | None = None


def text_check(kind: TypeDefinition, column: str) -> TextCheck:
    """Return the check of strings of a type for a column.

    Args:
        kind: The type.
        column: The DuckDB type of the column.

    Raises:
        StarlakeError: If the type's pattern is invalid.
    """
    return _CHECKS.get(kind.primitive_type, _other)(kind, column)


def _try_cast(column: str) -> Callable[[str], str]:
    return lambda text: f"TRY_CAST({text} AS {column})"


def _regex(pattern: str) -> Callable[[str, str], str] | None:
    if pattern == ".*":
        return None
    full_match("x", pattern)
    return lambda text, _: f"NOT {full_match(text, pattern)}"


def _integer(kind: TypeDefinition, column: str) -> TextCheck:
    canonical = kind.pattern in _EVERY_INTEGER

    def sound(text: str, value: str) -> str:
        return f"CAST({value} AS VARCHAR) = {text}"

    def unconvertible(text: str, value: str) -> str:
        written = f"regexp_full_match({text}, '[+-]?[0-9]+')"
        return f"{value} IS NULL OR (CAST({value} AS VARCHAR) <> {text} AND NOT {written})"

    return TextCheck(_try_cast(column), _regex(kind.pattern), unconvertible, sound if canonical else None)


def _double(kind: TypeDefinition, column: str) -> TextCheck:
    """Return the check of doubles: Java's parser decides, not the pattern. NaN and Infinity are valid."""
    if kind.zone:
        return _local_double(kind.zone, column)

    def mismatch(text: str, value: str) -> str:
        words = f"regexp_full_match({text}, '[-+]?(NaN|Infinity)|[-+]?[0-9.]+([eE][-+]?[0-9]+)?')"
        return f"{value} IS NULL OR contains({text}, '_') OR (NOT isfinite(CAST({value} AS DOUBLE)) AND NOT {words})"

    return TextCheck(_try_cast(column), mismatch, None)


def _local_double(locale: str, column: str) -> TextCheck:
    """Return the check of numbers of a locale; Java would ignore everything after the first other character."""
    between, point = _DIGIT_GROUPS.get(re.split(r"[_-]", locale)[0].lower(), (",", "."))
    whole = rf"(\d{{1,3}}([{between}]\d{{3}})+|\d*)"
    number = rf"[-+]?{whole}([{point}]\d*)?([eE][-+]?\d+)?"

    def value(text: str) -> str:
        text = _stripped(text)
        plain = f"replace(regexp_replace({text}, {literal(f'[{between}]')}, '', 'g'), {literal(point)}, '.')"
        return f"CASE WHEN regexp_full_match({text}, {literal(number)}) THEN TRY_CAST({plain} AS {column}) END"

    return TextCheck(value, _is_null, None)


def _other(kind: TypeDefinition, column: str) -> TextCheck:
    """Return the check of strings, decimals, and columns of a type that only the project defines."""
    if column in {"VARCHAR", "TEXT", "STRING"}:
        return TextCheck(lambda text: text, _regex(kind.pattern), None)
    return TextCheck(_try_cast(column), _regex(kind.pattern), _is_null)


def _boolean(kind: TypeDefinition, _column: str) -> TextCheck:
    true_pattern, separator, false_pattern = kind.pattern.partition("<-TF->")
    if not separator:
        raise PermanentError(
            f"the pattern of the boolean type {kind.name!r} does not define a pattern for false"
            + (f" ({kind.file})" if kind.file else ""),
            cause=f"it is {kind.pattern!r}",
            fix="write two expressions with <-TF-> between them: true|yes<-TF->false|no",
        )
    words = {
        word: bool(java_pattern(true_pattern).fullmatch(word))
        for word in _BOOLEAN_WORDS
        if java_pattern(true_pattern).fullmatch(word) or java_pattern(false_pattern).fullmatch(word)
    }

    def value(text: str) -> str:
        known = "".join(f" WHEN {literal(word)} THEN {literal(true)}" for word, true in words.items())
        is_true, is_false = (full_match(_stripped(text), one) for one in (true_pattern, false_pattern))
        rest = f"CASE WHEN {is_true} THEN true WHEN {is_false} THEN false END"
        return f"CASE {text}{known} ELSE {rest} END" if known else rest

    return TextCheck(value, lambda _, value: f"{value} IS NULL", None)


def _date(kind: TypeDefinition, column: str) -> TextCheck:
    formats = date_formats(kind.pattern)
    if formats == date_formats("yyyy-MM-dd"):

        def mismatch(text: str, value: str) -> str:
            plain = f"isfinite({value}) AND year({value}) < 10000"
            return f"{value} IS NULL OR {_differs(f'CAST({value} AS VARCHAR)', text)} OR NOT ({plain})"

        return TextCheck(_try_cast(column), mismatch, None)
    if not kind.zone:  # a locale for which Java's parser accepts names in any case
        formats = tuple(map(as_written, formats))
    return TextCheck(lambda text: _first(text, formats, lambda one: f"CAST({one} AS {column})"), _is_null, None)


def _timestamp(kind: TypeDefinition, column: str) -> TextCheck:
    pattern = kind.pattern.strip()
    if pattern.lower() in {"epoch_second", "epoch_milli"}:
        unit, digits = ("1000000", 12) if pattern.lower() == "epoch_second" else ("1000", 15)
        number = (
            f"CASE WHEN regexp_full_match({{0}}, '[+-]?[0-9]{{{{1,{digits}}}}}') THEN TRY_CAST({{0}} AS BIGINT) END"
        )
        return TextCheck(
            lambda text: f"CAST(make_timestamp({number.format(_stripped(text))} * {unit}) AS {column})", _is_null, None
        )
    formats = date_formats(pattern)
    zone = kind.zone if kind.zone and kind.zone.upper() not in {"UTC", "Z", "GMT"} else None
    if formats == date_formats("yyyy-MM-dd HH:mm:ss") and zone is None:

        def mismatch(text: str, value: str) -> str:
            clock = f"make_timestamp(epoch_us({value}))" if column in _ZONED else f"CAST({value} AS TIMESTAMP)"
            written = f"CAST({clock} AS VARCHAR)"
            long = f"length({written}) <> 19"
            return f"{value} IS NULL OR {long} OR {_differs(written, text)} OR NOT isfinite({value})"

        return TextCheck(lambda text: _moment(f"TRY_CAST({text} AS TIMESTAMP)", column), mismatch, None)

    def convert(moment: str) -> str:
        return f"CAST({moment} AS {column})"

    def value(text: str) -> str:
        return _first(text, formats, convert, zone)

    return TextCheck(value, _is_null, None)


def _moment(timestamp: str, column: str) -> str:
    """Return a UTC timestamp as a column value; DuckDB's own cast uses a time zone library, which costs more."""
    if column in _ZONED:
        return f"make_timestamptz(epoch_us({timestamp}))"
    return f"CAST({timestamp} AS {column})"


def _stripped(text: str) -> str:
    """Return a string without surrounding blanks, which dates, times and booleans may have, as in Starlake."""
    return f"trim({text}, ' ' || chr(9) || chr(10) || chr(13))"


def _differs(written: str, text: str) -> str:
    """Return True if a value differs from its string, ignoring surrounding blanks, which are checked last."""
    return f"({written} <> {text} AND {written} <> {_stripped(text)})"


def _is_null(_text: str, value: str) -> str:
    return f"{value} IS NULL"


def _first(text: str, formats: tuple[DateFormat, ...], convert: Callable[[str], str], zone: str | None = None) -> str:
    """Return the value of the first format that a string matches."""
    text, branches = _stripped(text), []
    for one in formats:
        moment = wall_clock(text, one)
        if zone is not None and not one.has_zone:
            moment = f"timezone({literal(zone)}, {moment})"
        branches.append(f"WHEN regexp_full_match({text}, {literal(one.regex)}) THEN {convert(moment)}")
    return f"CASE {' '.join(branches)} END"


_CHECKS: dict[PrimitiveType, Callable[[TypeDefinition, str], TextCheck]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    PrimitiveType.DOUBLE: _double,
    PrimitiveType.BOOLEAN: _boolean,
    PrimitiveType.DATE: _date,
    PrimitiveType.TIMESTAMP: _timestamp,
}
