"""Java's date patterns in DuckDB: the form of their strings, and how to parse them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from ai.starlake.common import PermanentError
from ai.starlake.embedded.database.quoting import literal

_HOURS = r"[+-](?:0\d|1[0-8])"
"""Maximum hours of an offset in Java."""
_OFFSET = rf"(?:Z|{_HOURS}:\d{{2}})"
_BASIC_OFFSET = rf"(?:Z|{_HOURS}\d{{2}})"
_YEAR = r"[+-]?\d{4,9}"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"


@dataclass(frozen=True)
class DateFormat:
    """One format of a timestamp.

    Args:
        regex: RE2 expression that the whole string must match.
        format: Format for DuckDB's ``strptime``.
        has_zone: True if the string has an offset or a time zone, so that `format` gives an instant instead of a local
            time.
        exact: True if ``strftime`` restores every string that ``strptime`` reads; ``%j`` reads day 366 of any year.
        century: Expression with two groups, between which the century of a two-digit year is missing.
        weekday: True if the string may contain the day of the week, which must then be correct.
    """

    regex: str
    format: str
    has_zone: bool = False
    exact: bool = False
    century: str = ""
    weekday: bool = False


def _iso(regex: str, text: str, *, has_zone: bool = False, exact: bool = False, weekday: bool = False) -> DateFormat:
    return DateFormat(regex, text, has_zone, exact, weekday=weekday)


_LOCAL_DATE = _iso(r"\d{4}-\d{2}-\d{2}", "%Y-%m-%d")
_OFFSET_DATE = _iso(r"\d{4}-\d{2}-\d{2}" + _OFFSET, "%Y-%m-%d%z", has_zone=True)
_LOCAL_TIMES = (
    _iso(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,9}", "%Y-%m-%dT%H:%M:%S.%n"),
    _iso(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", "%Y-%m-%dT%H:%M:%S"),
    _iso(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", "%Y-%m-%dT%H:%M"),
)
_OFFSET_TIMES = tuple(_iso(one.regex + _OFFSET, one.format + "%z", has_zone=True) for one in _LOCAL_TIMES)
_SHORT_OFFSET_TIMES = tuple(
    _iso(rf"{one.regex}(?:{_OFFSET}|{_HOURS})", one.format + "%z", has_zone=True) for one in _LOCAL_TIMES
)
_ZONE_TIMES = tuple(
    _iso(one.regex + _OFFSET + r"\[[\w/+-]+\]", one.format + "%z", has_zone=True) for one in _LOCAL_TIMES
)
_RFC_DAY = "%d %b %Y"
_RFC_1123 = "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \\d{4} "

ISO_FORMATS: dict[str, tuple[DateFormat, ...]] = {
    "BASIC_ISO_DATE": (_iso(r"\d{8}", "%Y%m%d"), _iso(r"\d{8}" + _BASIC_OFFSET, "%Y%m%d%z", has_zone=True)),
    "ISO_LOCAL_DATE": (_LOCAL_DATE,),
    "ISO_OFFSET_DATE": (_OFFSET_DATE,),
    "ISO_DATE": (_LOCAL_DATE, _OFFSET_DATE),
    "ISO_LOCAL_DATE_TIME": _LOCAL_TIMES,
    "ISO_OFFSET_DATE_TIME": _SHORT_OFFSET_TIMES,
    "ISO_ZONED_DATE_TIME": (*_SHORT_OFFSET_TIMES, *_ZONE_TIMES),
    "ISO_DATE_TIME": (*_LOCAL_TIMES, *_OFFSET_TIMES, *_ZONE_TIMES),
    "ISO_ORDINAL_DATE": (
        _iso(r"\d{4}-\d{3}", "%Y-%j", exact=True),
        _iso(r"\d{4}-\d{3}" + _OFFSET, "%Y-%j%z", has_zone=True),
    ),
    "ISO_WEEK_DATE": (
        _iso(r"\d{4}-W\d{2}-\d", "%G-W%V-%u", exact=True),
        _iso(r"\d{4}-W\d{2}-\d" + _OFFSET, "%G-W%V-%u%z", has_zone=True),
    ),
    "ISO_INSTANT": _OFFSET_TIMES[:2],
    "RFC_1123_DATE_TIME": tuple(
        _iso(_RFC_1123 + clock + zone, f"{_RFC_DAY} {text}{suffix}", has_zone=bool(suffix), weekday=True)
        for clock, text in ((r"\d{2}:\d{2}:\d{2}", "%H:%M:%S"), (r"\d{2}:\d{2}", "%H:%M"))
        for zone, suffix in ((" GMT", ""), (r" [+-]\d{4}", " %z"))
    ),
}
"""The constants of Java's ``DateTimeFormatter`` that a type's pattern may name."""

_YEAR_OF_ERA = r"(?:\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"
"""Any year except 0000, which does not exist."""
_NAME, _LONG_NAME = "(?i:[a-z]{3})", "(?i:[a-z]{3,9})"
_LETTERS: dict[str, tuple[str, str]] = {
    "yyyy": (_YEAR_OF_ERA, "%Y"),
    "uuuu": (r"\d{4}", "%Y"),
    "y": (_YEAR_OF_ERA, "%Y"),
    "u": (r"\d{4}", "%Y"),
    "yy": (r"\d{2}", "%Y"),
    "uu": (r"\d{2}", "%Y"),
    "MM": (r"\d{2}", "%m"),
    "M": (r"\d{1,2}", "%m"),
    "MMM": (_NAME, "%b"),
    "MMMM": (_LONG_NAME, "%B"),
    "LL": (r"\d{2}", "%m"),
    "LLL": (_NAME, "%b"),
    "LLLL": (_LONG_NAME, "%B"),
    "dd": (r"\d{2}", "%d"),
    "d": (r"\d{1,2}", "%d"),
    "DDD": (r"\d{3}", "%j"),
    "D": (r"\d{1,3}", "%j"),
    "EEE": (_NAME, "%a"),
    "EE": (_NAME, "%a"),
    "E": (_NAME, "%a"),
    "EEEE": (_LONG_NAME, "%A"),
    "HH": (r"\d{2}", "%H"),
    "H": (r"\d{1,2}", "%H"),
    "hh": (r"\d{2}", "%I"),
    "h": (r"\d{1,2}", "%I"),
    "mm": (r"\d{2}", "%M"),
    "m": (r"\d{1,2}", "%M"),
    "ss": (r"\d{2}", "%S"),
    "s": (r"\d{1,2}", "%S"),
    "a": (r"(?i:AM|PM)", "%p"),
    **dict.fromkeys(("Z", "ZZ", "ZZZ"), (rf"{_HOURS}\d{{2}}", "%z")),
    "ZZZZZ": (rf"(?:Z|{_HOURS}:\d{{2}})", "%z"),
    "X": (rf"(?:Z|{_HOURS}(?:\d{{2}})?)", "%z"),
    "XX": (rf"(?:Z|{_HOURS}\d{{2}})", "%z"),
    "XXX": (rf"(?:Z|{_HOURS}:\d{{2}})", "%z"),
    "x": (rf"{_HOURS}(?:\d{{2}})?", "%z"),
    "xx": (rf"{_HOURS}\d{{2}}", "%z"),
    "xxx": (rf"{_HOURS}:\d{{2}}", "%z"),
    **dict.fromkeys(("VV", "z", "zz", "zzz"), (r"[A-Za-z][\w/+-]*", "%Z")),
}
_SHORT_YEARS = ("yy", "uu")
"""Two-digit years, which are years from 2000 on in Java."""
_NOTHING = "\0"
"""Placeholder for a bracket, so that the letters on both sides of it stay separate."""
_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL)


@lru_cache(maxsize=512)
def date_formats(pattern: str) -> tuple[DateFormat, ...]:
    """Return the formats of the pattern of a date or timestamp type.

    Args:
        pattern: Letters of Java's ``DateTimeFormatter``, with optional parts in brackets, or the name of one of its
            constants, such as ``ISO_DATE_TIME``.

    Returns:
        The formats of a value.

    Raises:
        StarlakeError: If a letter means something that DuckDB cannot read.
    """
    named = ISO_FORMATS.get(pattern.strip().upper())
    if named:
        return named
    variants = (variant for variant in _without_options(pattern) if variant.strip(_NOTHING))
    return tuple(_translate(variant, pattern) for variant in variants)


def as_written(one: DateFormat) -> DateFormat:
    """Return a format with the names of months and days in Java's spelling: ``Jan``, not ``JAN``."""
    regex = one.regex.replace(_NAME, "[A-Z][a-z]{2}").replace(_LONG_NAME, "[A-Z][a-z]{2,8}")
    return replace(one, regex=regex)


def _without_options(pattern: str) -> list[str]:
    """Yield a pattern with and without each of its optional parts ``[...]``."""
    found = re.search(r"\[([^\[\]]*)\]", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [*_without_options(_NOTHING.join([before, found[1], after])), *_without_options(before + _NOTHING + after)]


def _translate(pattern: str, whole: str) -> DateFormat:
    regex, text, has_zone, exact, before = "", "", False, False, None
    for token in _TOKEN.finditer(pattern):
        if token["letters"]:
            letter_regex, directive = _letters(token["letters"], whole)
            has_zone = has_zone or directive in {"%z", "%Z"}
            exact = exact or directive == "%j"
            before = regex if token["letters"] in _SHORT_YEARS else before
            regex, text = regex + letter_regex, text + directive
            continue
        if token["other"] == _NOTHING:
            continue
        fixed = token["other"] if token["other"] is not None else (token["quoted"].replace("''", "'") or "'")
        regex, text = regex + _escape(fixed), text + fixed.replace("%", "%%")
    century = "" if before is None else f"^({before})({regex[len(before) :]})$"
    return DateFormat(regex, text, has_zone, exact and not has_zone, century, not has_zone and "%a" in text.lower())


def _letters(letters: str, pattern: str) -> tuple[str, str]:
    if set(letters) <= {"S"}:
        return rf"\d{{{len(letters)}}}", "%n"
    try:
        return _LETTERS[letters]
    except KeyError:
        raise PermanentError(
            f"the date pattern {pattern!r} cannot be read",
            cause=f"its letters {letters!r} have no counterpart in DuckDB",
            fix="use the letters y, M, d, H, h, m, s, S, a, E, D, X, x, Z, V, or the name of one of Java's ISO formats",
        ) from None


def _escape(text: str) -> str:
    return "".join(
        f"\\{character}" if not character.isalnum() and character.isascii() else character for character in text
    )


def wall_clock(text: str, one: DateFormat) -> str:
    """Return SQL that reads a string of a format: a TIMESTAMP, a TIMESTAMPTZ if it has a time zone, or null."""
    whole = text
    if one.century:
        text = f"regexp_replace({text}, {literal(one.century)}, '\\120\\2')"
    if one.has_zone:
        text = f"regexp_replace(regexp_replace({text}, '\\[.*\\]$', ''), 'Z$', '+00:00')"
    if one.format.startswith(_RFC_DAY):
        text = f"regexp_replace(regexp_replace({text}, '^[A-Za-z]+, ', ''), ' GMT$', '')"
    if "%n" in one.format:  # DuckDB would round digits below a microsecond, Java drops them
        text = f"regexp_replace({text}, '([.,:][0-9]{{6}})[0-9]+', '\\1')"
    layout = one.format
    if not any(year in layout for year in ("%Y", "%G")):  # DuckDB would read it as 1900
        text, layout = f"'1970-' || {text}", f"%Y-{layout}"
    read = f"try_strptime({text}, {literal(layout)})"
    if one.exact:
        return f"CASE WHEN strftime({read}, {literal(one.format)}) = {text} THEN {read} END"
    return f"CASE WHEN {_is_its_weekday(whole, one, read)} THEN {read} END" if one.weekday else read


def _is_its_weekday(text: str, one: DateFormat, read: str) -> str:
    """Return True if the day of the week in a string, if any, is that of the date in its own time zone."""
    day = read
    if one.has_zone:
        day = f"try_strptime(regexp_extract({text}, '[0-9]+ [A-Za-z]+ [0-9]+'), {literal(_RFC_DAY)})"
    named = f"regexp_matches({text}, '(?i)\\b(mon|tue|wed|thu|fri|sat|sun)')"
    return f"NOT {named} OR regexp_matches({text}, '(?i)\\b' || strftime({day}, '%a'))"
