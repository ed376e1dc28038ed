r"""Java's regular expressions in SQL, in the syntax of RE2, DuckDB's engine."""

from __future__ import annotations

import re

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.checking.python_functions import FULL_MATCH, needs_python
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.project.patterns import java_pattern

_POSIX = frozenset(
    {
        "Alnum",
        "Alpha",
        "ASCII",
        "Blank",
        "Cntrl",
        "Digit",
        "Graph",
        "Lower",
        "Print",
        "Punct",
        "Space",
        "Upper",
        "XDigit",
    }
)
_UNICODE = {
    "IsAlphabetic": "L",
    "IsDigit": "Nd",
    "IsL": "L",
    "IsLatin": "Latin",
    "IsLetter": "L",
    "IsLowercase": "Ll",
    "IsPunctuation": "P",
    "IsUppercase": "Lu",
    "javaLowerCase": "Ll",
    "javaUpperCase": "Lu",
}
_PROPERTY = r"\\[pP](?:\{\w+\}|\w)"
_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|\Z)"
    r"|\\(?P<sign>[pP])\{(?P<property>\w+)\}"
    r"|\\u(?P<code>[0-9a-fA-F]{4})"
    r"|\\(?P<escape>.)"
    r"|(?P<named>\(\?<(?=[A-Za-z]))"
    r"|(?P<bracket>[\[\]])"
    r"|.",
    re.DOTALL,
)
_ESCAPES = {"h": r"[ \t]", "Z": r"\z"}


def full_match(text: str, pattern: str) -> str:
    """Return a SQL condition that is true if a whole string matches a Java regular expression, line breaks included.

    Args:
        text: SQL of the string.
        pattern: The expression.

    Raises:
        StarlakeError: If it is not a regular expression, or uses a feature that neither RE2 nor Python supports.
    """
    _validate(pattern)
    if needs_python(pattern):
        return f"{FULL_MATCH}({text}, {literal('(?s)' + pattern)})"
    return f"regexp_full_match({text}, {literal('(?s)' + as_re2(pattern))})"


def _validate(pattern: str) -> None:
    """Refuse an invalid expression, with an explanation; RE2 knows more properties than Python."""
    try:
        java_pattern(pattern)
    except StarlakeError:
        if needs_python(pattern) or not re.search(_PROPERTY, pattern):
            raise
        java_pattern(re.sub(_PROPERTY, "a", pattern))


def as_re2(pattern: str) -> str:
    r"""Return a Java expression in RE2's syntax: properties, code points, named groups, blanks, the end of strings.

    >>> as_re2(r"(?<day>\p{Digit}{2})[\p{Alpha}\u00e9]+\Z")
    '(?P<day>[[:digit:]]{2})[[:alpha:]\\x{00e9}]+\\z'
    """
    parts = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        parts.append(_written(token, in_class=in_class))
        in_class = token["bracket"] == "[" if token["bracket"] else in_class
    return "".join(parts)


def _written(token: re.Match[str], *, in_class: bool) -> str:
    if token["property"]:
        return _property(token["property"], negated=token["sign"] == "P", in_class=in_class)
    if token["code"]:
        return rf"\x{{{token['code']}}}"
    if token["named"]:
        return "(?P<"
    if token["escape"] and not in_class:
        return _ESCAPES.get(token["escape"], token.group())
    return token.group()


def _property(name: str, *, negated: bool, in_class: bool) -> str:
    if name not in _POSIX:
        return rf"\{'P' if negated else 'p'}{{{_UNICODE.get(name, name)}}}"
    members = f"[:{'^' if negated else ''}{name.lower()}:]"
    return members if in_class else f"[{members}]"
