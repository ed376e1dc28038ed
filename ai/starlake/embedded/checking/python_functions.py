"""Functions that DuckDB lacks and that Python provides, value by value; few tables need one.

RE2, DuckDB's regular expression engine, does not support look-around, back references and possessive quantifiers; only
patterns with these use Python. SHA-512 is missing altogether.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.common import PermanentError
from ai.starlake.project import java_pattern

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

FULL_MATCH = "starlake_java_full_match"
SHA512 = "starlake_sha512"
CONV = "starlake_conv"
CRC32 = "starlake_crc32"
SOUNDEX = "starlake_soundex"
_BEYOND_RE2 = re.compile(
    r"\(\?(?:[=!>]|<[=!]|[a-z]*x)|(?<!\\)(?:\\\\)*\\(?:[1-9]|k<|[GRX])|[*+?]\+|\{\d+(?:,\d*)?\}\+|\{\d*,?\d{4,}"
)


def needs_python(pattern: str) -> bool:
    """Return True if a Java regular expression uses features that RE2 lacks."""
    return _BEYOND_RE2.search(pattern) is not None


def teach(database: Database, query: str) -> None:
    """Register the functions of a query with a database.

    Raises:
        StarlakeError: If this version of DuckDB needs numpy to call Python, and numpy is missing.
    """
    for name, function in _FUNCTIONS.items():
        if name in query:
            _register(database, name, function)


@dataclass(frozen=True)
class _Function:
    run: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str
    purpose: str


def _register(database: Database, name: str, function: _Function) -> None:
    import duckdb

    with suppress(duckdb.NotImplementedException):  # it is registered already
        database.connection.create_function(name, function.run, list(function.parameters), function.result)
    try:
        database.value(f"SELECT {name}({', '.join(repr('a') for _ in function.parameters)})")
    except duckdb.InvalidInputException as error:
        raise PermanentError(
            f"{function.purpose} cannot be computed",
            cause=str(error),
            fix="install numpy or a newer duckdb",
        ) from error


def _full_match(text: str, pattern: str) -> bool:
    return java_pattern(pattern).fullmatch(text) is not None


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode("utf-8")).hexdigest()


def _crc32(text: str) -> str:
    return str(zlib.crc32(text.encode("utf-8")))


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _conv(text: str, source: str, target: str) -> str | None:
    """Return a number in another base, as Spark does: the leading valid digits, modulo 2^64."""
    if not source.isdigit() or not target.lstrip("-").isdigit():
        return None
    base, to = int(source), int(target)
    bases = range(2, len(_DIGITS) + 1)
    if base not in bases or abs(to) not in bases or not text.strip():
        return None
    text = text.strip().upper()
    digits = text.removeprefix("-")
    known = _DIGITS[:base]
    valid = digits[: next((place for place, one in enumerate(digits) if one not in known), len(digits))]
    number = min(int(valid, base) if valid else 0, 2**64 - 1)
    number = (-number) % 2**64 if text.startswith("-") else number
    sign = "-" if to < 0 and number >= 2**63 else ""
    number = 2**64 - number if sign else number
    written = ""
    while number:
        number, rest = divmod(number, abs(to))
        written = _DIGITS[rest] + written
    return sign + (written or "0")


_SOUNDS = dict(zip("BFPVCGJKQSXZDTLMNR", "111122222222334556", strict=True))


def _soundex(text: str) -> str:
    """Return the Soundex code as Spark does: a string that does not begin with an ASCII letter stays unchanged."""
    upper = text.upper()
    if not upper or not "A" <= upper[0] <= "Z":
        return text
    code, last = upper[0], _SOUNDS.get(upper[0], "")
    for letter in upper[1:]:
        sound = _SOUNDS.get(letter, "")
        if sound and sound != last:
            code += sound
        if letter not in "HW":
            last = sound
        if len(code) == 4:  # noqa: PLR2004  a letter and three digits
            break
    return code.ljust(4, "0")


_FUNCTIONS: Mapping[str, _Function] = {
    FULL_MATCH: _Function(
        _full_match, ("VARCHAR", "VARCHAR"), "BOOLEAN", "a pattern with look-around or back references"
    ),
    SHA512: _Function(_sha512, ("VARCHAR",), "VARCHAR", "SHA512"),
    CONV: _Function(_conv, ("VARCHAR", "VARCHAR", "VARCHAR"), "VARCHAR", "conv"),
    CRC32: _Function(_crc32, ("VARCHAR",), "VARCHAR", "crc32"),
    SOUNDEX: _Function(_soundex, ("VARCHAR",), "VARCHAR", "soundex"),
}
