"""Functions that DuckDB does not have and that Python lends it, value by value; few tables need one.

Look-around, back references and possessive quantifiers are beyond RE2, the engine of DuckDB for regular expressions;
all other patterns never come here. SHA-512 is missing altogether.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ai.starlake.common import StarlakeError
from ai.starlake.project import java_pattern

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

FULL_MATCH = "starlake_java_full_match"
SHA512 = "starlake_sha512"
_BEYOND_RE2 = re.compile(
    r"\(\?(?:[=!>]|<[=!]|[a-z]*x)|(?<!\\)(?:\\\\)*\\(?:[1-9]|k<|[GRX])|[*+?]\+|\{\d+(?:,\d*)?\}\+|\{\d*,?\d{4,}"
)


def needs_python(pattern: str) -> bool:
    """Whether a Java regular expression uses what RE2 does not have."""
    return _BEYOND_RE2.search(pattern) is not None


def teach(database: Database, query: str) -> None:
    """Registers the functions that a query uses with a database.

    Raises:
        StarlakeError: If this version of DuckDB calls Python only where numpy is installed.
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

    with suppress(duckdb.NotImplementedException):  # it is registered
        database.connection.create_function(name, function.run, list(function.parameters), function.result)
    try:
        database.value(f"SELECT {name}({', '.join(repr('a') for _ in function.parameters)})")
    except duckdb.InvalidInputException as error:
        raise StarlakeError(
            f"{function.purpose} cannot be computed",
            cause=str(error),
            fix="install numpy or a newer duckdb",
        ) from error


def _full_match(text: str, pattern: str) -> bool:
    return java_pattern(pattern).fullmatch(text) is not None


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode("utf-8")).hexdigest()


_FUNCTIONS: Mapping[str, _Function] = {
    FULL_MATCH: _Function(
        _full_match, ("VARCHAR", "VARCHAR"), "BOOLEAN", "a pattern with look-around or back references"
    ),
    SHA512: _Function(_sha512, ("VARCHAR",), "VARCHAR", "SHA512"),
}
