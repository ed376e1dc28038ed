"""SQL of databases for the queries of the audit, where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai.starlake.common import StarlakeError


@dataclass(frozen=True)
class SqlWords:
    """Expressions of a database, with ``{0}``, ``{1}`` for their arguments.

    Args:
        plus_milliseconds: A timestamp without time zone, and milliseconds to add.
        minute: The minute of such a timestamp.
        in_utc: A timestamp with time zone, as one without, in UTC.
        zoned: The types of timestamps with time zone that SQLAlchemy does not recognize as such.
    """

    plus_milliseconds: str
    minute: str = "date_trunc('minute', {0})"
    in_utc: str = "timezone('UTC', {0})"
    zoned: frozenset[str] = frozenset()


_POSTGRES = SqlWords("({0} + ({1}) * interval '1 millisecond')")
DUCKDB = _POSTGRES

_WORDS: Mapping[str, SqlWords] = {
    "postgresql": _POSTGRES,
    "redshift": SqlWords("dateadd(millisecond, {1}, {0})"),
    "snowflake": SqlWords(
        "dateadd(millisecond, {1}, {0})",
        in_utc="CAST(convert_timezone('UTC', {0}) AS TIMESTAMP_NTZ)",
        zoned=frozenset({"TIMESTAMP_TZ", "TIMESTAMP_LTZ"}),
    ),
    "bigquery": SqlWords(
        "datetime_add({0}, INTERVAL ({1}) MILLISECOND)",
        "datetime_trunc({0}, MINUTE)",
        "DATETIME({0}, 'UTC')",
        frozenset({"TIMESTAMP"}),
    ),
    "databricks": SqlWords("timestampadd(MILLISECOND, {1}, {0})"),
    "mysql": SqlWords(
        "date_add({0}, INTERVAL (CAST({1} AS SIGNED) * 1000) MICROSECOND)",
        "CAST(date_format({0}, '%Y-%m-%d %H:%i:00') AS DATETIME)",
    ),
}


def words_of(dialect: str) -> SqlWords:
    """Return the expressions of a database.

    Args:
        dialect: The name of its SQLAlchemy dialect.

    Raises:
        StarlakeError: If the dialect is not supported.
    """
    try:
        return _WORDS[dialect]
    except KeyError:
        raise StarlakeError(
            f"the audit cannot be read from a database of the dialect {dialect}",
            fix=f"use DuckDB or one of {', '.join(sorted(_WORDS))}",
        ) from None
