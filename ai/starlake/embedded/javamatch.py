"""Regular expressions that DuckDB does not have: look-around, back references, possessive quantifiers.

DuckDB's engine, RE2, has none of them. The few expressions that use them are evaluated by Python, value by value; all
others never come here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai.starlake.project import java_pattern

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

FUNCTION = "starlake_java_full_match"
_BEYOND_RE2 = re.compile(r"\(\?(?:[=!>]|<[=!])|(?<!\\)(?:\\\\)*\\(?:[1-9]|k<|[GRX])|[*+?}]\+|\{\d*,?\d{4,}")


def needs_python(pattern: str) -> bool:
    """Whether a Java regular expression uses what RE2 does not have."""
    return _BEYOND_RE2.search(pattern) is not None


def teach(database: Database, query: str) -> None:
    """Registers the function with a database if a query uses it."""
    import duckdb

    if FUNCTION in query:
        try:
            database.connection.create_function(FUNCTION, _full_match, ["VARCHAR", "VARCHAR"], "BOOLEAN")
        except duckdb.NotImplementedException:  # it is registered
            return


def _full_match(text: str, pattern: str) -> bool:
    return java_pattern(pattern).fullmatch(text) is not None
