r"""The types of a project in SQL: what a text must look like, what it becomes, and the columns that hold it.

A text is checked in two steps, as in Starlake: it must match the type's pattern, then it must be
convertible to the type. Checks are cheap where most values are: a number or date that DuckDB writes in the same way
as the file needs no regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ai.starlake.common import StarlakeError
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
"""Patterns that every integer matches in the way DuckDB writes it; all others are evaluated."""
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
"""Per language what may stand between groups of three digits, and the decimal sign; elsewhere a comma and a point."""


@dataclass(frozen=True)
class TextCheck:
    """How texts of a type are checked and converted.

    Args:
        value: Makes the SQL of the converted value out of the SQL of the text; null when it cannot be converted.
        mismatch: Makes a SQL condition that is true for a text, never null, that does not match the pattern. It is
            given the SQL of the text and of the value. None when every text matches.
        unconvertible: The same for a text that matches and still cannot be converted.
        sound: The same for a text that is good at first sight, so that nothing else need be asked; None when there is
            no quick question.
    """

    value: Callable[[str], str]
    mismatch: Callable[[str, str], str] | None
    unconvertible: Callable[[str, str], str] | None
    sound: Callable[[str, str], str] | None = None


def text_check(kind: TypeDefinition, column: str) -> TextCheck:
    """Says how texts of a type are checked before they go into a column.

    Args:
        kind: The type.
        column: The DuckDB type of the column.

    Raises:
        StarlakeError: If the type's pattern cannot be used.
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
    """Java's parser decides, not the pattern: words are NaN and Infinity, digits have no separators."""
    if kind.zone:
        return _local_double(kind.zone, column)

    def mismatch(text: str, value: str) -> str:
        words = f"regexp_full_match({text}, '[-+]?(NaN|Infinity)|[-+]?[0-9.]+([eE][-+]?[0-9]+)?')"
        return f"{value} IS NULL OR contains({text}, '_') OR (NOT isfinite(CAST({value} AS DOUBLE)) AND NOT {words})"

    return TextCheck(_try_cast(column), mismatch, None)


def _local_double(locale: str, column: str) -> TextCheck:
    """Numbers as people of a locale write them; Java would ignore what follows the first sign that is none of it."""
    between, point = _DIGIT_GROUPS.get(re.split(r"[_-]", locale)[0].lower(), (",", "."))
    whole = rf"(\d{{1,3}}([{between}]\d{{3}})+|\d*)"
    number = rf"[-+]?{whole}([{point}]\d*)?([eE][-+]?\d+)?"

    def value(text: str) -> str:
        text = _stripped(text)
        plain = f"replace(regexp_replace({text}, {literal(f'[{between}]')}, '', 'g'), {literal(point)}, '.')"
        return f"CASE WHEN regexp_full_match({text}, {literal(number)}) THEN TRY_CAST({plain} AS {column}) END"

    return TextCheck(value, _is_null, None)


def _other(kind: TypeDefinition, column: str) -> TextCheck:
    """Texts, decimals, and columns of a type that only the project knows."""
    if column in {"VARCHAR", "TEXT", "STRING"}:
        return TextCheck(lambda text: text, _regex(kind.pattern), None)
    return TextCheck(_try_cast(column), _regex(kind.pattern), _is_null)


def _boolean(kind: TypeDefinition, _column: str) -> TextCheck:
    true_pattern, separator, false_pattern = kind.pattern.partition("<-TF->")
    if not separator:
        raise StarlakeError(
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
    if not kind.zone:  # a locale, with which Java's parser takes names in any case
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
    """Return a UTC timestamp as a column value; DuckDB's own cast asks a library of time zones, which costs more."""
    if column in _ZONED:
        return f"make_timestamptz(epoch_us({timestamp}))"
    return f"CAST({timestamp} AS {column})"


def _stripped(text: str) -> str:
    """Return a text without the blanks around it, which dates, times and booleans may have, as in Starlake."""
    return f"trim({text}, ' ' || chr(9) || chr(10) || chr(13))"


def _differs(written: str, text: str) -> str:
    """Return True if a value is written otherwise than its text, blanks around it apart; they are looked for last."""
    return f"({written} <> {text} AND {written} <> {_stripped(text)})"


def _is_null(_text: str, value: str) -> str:
    return f"{value} IS NULL"


def _first(text: str, formats: tuple[DateFormat, ...], convert: Callable[[str], str], zone: str | None = None) -> str:
    """Return the value of the first format that a text matches."""
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
