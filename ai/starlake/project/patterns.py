r"""Java's regular expressions, in Starlake's file patterns and types, in Python.

The two languages agree on nearly everything. Common differences are translated: flags in the middle of an expression,
``\p{...}``, ``\Q...\E``, named groups, ``\z``, ``\Z``, ``\h``, ``\R``. Features that Python lacks (class unions and
intersections) are refused with an explanation instead of being misread.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from ai.starlake.common import PermanentError

_CLASSES = {
    "Lower": "a-z",
    "Ll": "a-zà-öø-ÿ",
    "IsLowercase": "a-zà-öø-ÿ",
    "Upper": "A-Z",
    "Lu": "A-ZÀ-ÖØ-Þ",
    "IsUppercase": "A-ZÀ-ÖØ-Þ",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r"\s",
    "L": r"^\W\d_",
    "IsL": r"^\W\d_",
    "IsAlphabetic": r"^\W\d_",
    "N": r"\d",
    "Nd": r"\d",
    "IsDigit": r"\d",
}
_ESCAPES = {"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t\xa0]", "R": r"(?:\r\n|[\n\r])", "e": r"\x1b"}
_TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)"
    r"|\\(?P<negated>[pP])(?:\{(?P<property>\w+)\}|(?P<letter>\w))"
    r"|\\k<(?P<reference>\w+)>"
    r"|\\(?P<escape>.)"
    r"|\(\?(?P<flags>[a-zA-Z]+)\)"
    r"|(?P<named>\(\?<(?=[a-zA-Z]))"
    r"|(?P<other>.)",
    re.DOTALL,
)


@lru_cache(maxsize=4096)
def java_pattern(pattern: str) -> re.Pattern[str]:
    r"""Return a compiled Java regular expression, for use with ``fullmatch``.

    Args:
        pattern: The expression, as in a metadata file.

    Returns:
        The compiled expression. As in Java its digits and word characters (``\d``, ``\w``) are ASCII.

    Raises:
        StarlakeError: If it is not a regular expression, or uses features that Python lacks.

    >>> bool(java_pattern(r"orders-\d{8}\.csv").fullmatch("orders-20240101.csv"))
    True
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # Python's warning about unions and intersections of classes
            return re.compile(_Translation(pattern).text, 0 if re.search(r"\\[pP]", pattern) else re.ASCII)
    except (re.error, FutureWarning, RecursionError, OverflowError, ValueError) as error:
        raise PermanentError(
            f"{pattern!r} is not a regular expression that can be used",
            cause=str(error),
            fix="write a Java regular expression that the whole text must match; a dot that means a dot is written \\.",
        ) from error


class _Translation:
    """Translation of one expression from Java to Python."""

    def __init__(self, pattern: str) -> None:
        self._parts: list[str] = []
        self._in_class = False
        self._flags: list[str] = [""]  # the open flags, per group from the outermost to the innermost
        for token in _TOKEN.finditer(pattern):
            self._add(token)
        self.text = "".join(self._parts) + self._closing()

    def _add(self, token: re.Match[str]) -> None:
        if self._in_class:
            if token["other"] == "[":
                raise re.error("a character class within another is not supported; write \\[ for the character")
            self._in_class = token["other"] != "]"
            self._parts.append(_literal(token, in_class=True))
        elif token["flags"] is not None:
            self._open(token["flags"])
        elif token["named"] is not None:
            self._flags.append("")
            self._parts.append("(?P<")
        elif token["other"] is not None:
            self._structure(token["other"])
        else:
            self._parts.append(_literal(token, in_class=False))

    def _structure(self, character: str) -> None:
        """Track groups and alternatives: a flag applies to the end of its group, also beyond ``|``."""
        if character == "|" and self._flags[-1]:
            self._parts.append(f"{self._closing()}|{self._flags[-1]}")
        elif character == ")" and len(self._flags) > 1:
            self._parts.append(self._closing() + ")")
            self._flags.pop()
        else:
            if character == "(":
                self._flags.append("")
            self._in_class = character == "["
            self._parts.append(character)

    def _open(self, flags: str) -> None:
        known = "".join(flag for flag in flags if flag in "imsx")
        if not known:
            raise re.error(f"the flags (?{flags}) are not supported")
        self._flags[-1] += f"(?{known}:"
        self._parts.append(f"(?{known}:")

    def _closing(self) -> str:
        return ")" * self._flags[-1].count(":")


def _literal(token: re.Match[str], *, in_class: bool) -> str:
    if token["quoted"] is not None:
        return re.escape(token["quoted"])
    if token["negated"] is not None:
        return _property(token["property"] or token["letter"], negated=token["negated"] == "P", in_class=in_class)
    if token["reference"] is not None:
        return f"(?P={token['reference']})"
    if token["escape"] is not None and not in_class:
        return _ESCAPES.get(token["escape"], f"\\{token['escape']}")
    return token.group()


def _property(name: str, *, negated: bool, in_class: bool) -> str:
    members = _CLASSES.get(name)
    if members is None or (in_class and (negated or members.startswith("^"))):
        raise re.error(f"the character class {name} is not supported here")
    if in_class:
        return members
    if negated:
        return f"[{members[1:]}]" if members.startswith("^") else f"[^{members}]"
    return f"[{members}]"
