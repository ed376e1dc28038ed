"""Target tables: creating them, and making their columns follow the metadata (contract 5, schema evolution)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.sql import identifier, qualified
from ai.starlake.embedded.struct_types import converted, is_nested, merged

if TYPE_CHECKING:
    from ai.starlake.embedded.connection import Database

_WIDER: Mapping[str, tuple[str, ...]] = {
    "BOOLEAN": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "TINYINT": ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE"),
    "SMALLINT": ("INTEGER", "BIGINT", "HUGEINT", "DOUBLE"),
    "INTEGER": ("BIGINT", "HUGEINT", "DOUBLE"),
    "BIGINT": ("HUGEINT",),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}
"""Column types and those that hold all of their values; text holds the values of every type."""
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
"""How many digits the values of an integer type have at most."""


_CANONICAL: dict[str, str] = {}
"""Names of types and DuckDB's own names of them, which never change."""


@dataclass(frozen=True)
class Target:
    """A table in the database, by its unquoted names."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """The name for SQL."""
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        """The name for messages."""
        return f"{self.schema}.{self.name}"

    def columns(self, database: Database) -> dict[str, str]:
        """The table's columns and their types in order; empty when there is no such table."""
        query = "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?"
        return dict(database.rows(f"{query} ORDER BY column_index", [self.schema, self.name]))

    def is_view(self, database: Database) -> bool:
        """Whether a view has the name."""
        query = "SELECT count(*) FROM duckdb_views() WHERE schema_name = ? AND view_name = ?"
        return bool(database.value(query, [self.schema, self.name]))


def require_kind(database: Database, target: Target, *, view: bool) -> None:
    """Checks that the name of a target is free, or is that of a table, or of a view, as is wanted.

    Raises:
        StarlakeError: If it is the other of the two.
    """
    is_view = target.is_view(database)
    if view and not is_view and target.columns(database):
        raise StarlakeError(
            f"{target.label} is a table and is to become a view",
            cause="sink.materializedView asks for a view",
            fix=f"drop the table ({target.quoted}) if its rows are no longer needed, or leave materializedView out",
        )
    if is_view and not view:
        raise StarlakeError(
            f"{target.label} is a view and is to hold rows",
            cause="only tables hold rows",
            fix=f"drop the view ({target.quoted}), or set sink.materializedView: VIEW",
        )


def create(database: Database, target: Target, columns: Mapping[str, str]) -> None:
    """Creates an empty table."""
    database.execute(create_statement(target, columns))


def create_statement(target: Target, columns: Mapping[str, str]) -> str:
    """The SQL that creates an empty table."""
    body = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE {target.quoted} ({body})"


def view_statement(target: Target, select: str) -> str:
    """The SQL that makes or replaces a view."""
    return f"CREATE OR REPLACE VIEW {target.quoted} AS {select}"


def evolve(
    database: Database,
    target: Target,
    wanted: Mapping[str, str],
    *,
    added: Mapping[str, str] | None = None,
    drop: bool = True,
) -> None:
    """Makes the columns of a table follow the metadata.

    New columns go to the end. A column that the metadata no longer has is dropped, as Starlake does. A type becomes
    wider and a struct gets more fields when that loses nothing, which Starlake does not do; any other change of type
    leaves the column as it is, and a value that does not fit fails the load.

    Args:
        database: The database.
        target: The table, which exists.
        wanted: Names and types of the columns.
        added: The types of those that have another one where they are added.
        drop: Whether columns may be dropped.
    """
    existing = target.columns(database)
    known = {name.lower(): name for name in existing}
    for name, kind in wanted.items():
        if name.lower() not in known:
            new = (added or {}).get(name, kind)
            database.execute(f"ALTER TABLE {target.quoted} ADD COLUMN {identifier(name)} {new}")
        else:
            _widen(database, target, known[name.lower()], existing[known[name.lower()]], kind)
    kept = {name.lower() for name in wanted}
    for name in existing:
        if drop and name.lower() not in kept:
            database.execute(f"ALTER TABLE {target.quoted} DROP COLUMN {identifier(name)}")


def _widen(database: Database, target: Target, name: str, old: str, new: str) -> None:
    """Gives a column the type that the metadata wants if it holds all that is there; structs get more fields."""
    column, new = identifier(name), canonical(database, new)
    change = f"ALTER TABLE {target.quoted} ALTER COLUMN {column} TYPE"
    if is_nested(old) and is_nested(new):
        kind = merged(database.connection, old, new, _widens)
        if kind != merged(database.connection, old, old, _widens):
            database.execute(f"{change} {kind} USING {converted(database.connection, column, old, kind)}")
    elif _widens(old, new) or ((old, new) == ("BIGINT", "DOUBLE") and _are_doubles(database, target, column)):
        database.execute(f"{change} {new}")


def _are_doubles(database: Database, target: Target, column: str) -> bool:
    """Whether the integers of a column can be told apart as floating point numbers."""
    limit = 2**53
    return not database.value(f"SELECT count(*) FROM {target.quoted} WHERE abs({column}) > {limit}")


def _widens(old: str, new: str) -> bool:
    if old == new:
        return False
    return _is_text_of(old, new) or new in _WIDER.get(old, ()) or _has_more_digits(old, new)


def _is_text_of(old: str, new: str) -> bool:
    return new == "VARCHAR" and "[" not in old and "(" not in old[:7]


def _has_more_digits(old: str, new: str) -> bool:
    """Whether a type is a decimal with no fewer digits before and after the point than an integer or a decimal."""
    before, after = _digits(old)
    wider_before, wider_after = _digits(new)
    return new.startswith("DECIMAL") and 0 <= before <= wider_before and after <= wider_after


def _digits(kind: str) -> tuple[int, int]:
    """The digits before and after the point of a decimal or integer type; (-1, 0) for another type."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else (_DIGITS.get(kind, -1), 0)


def canonical(database: Database, kind: str) -> str:
    """DuckDB's own name of a type: ``INTEGER`` for ``int``."""
    if kind not in _CANONICAL:
        _CANONICAL[kind] = str(database.value(f"SELECT typeof(CAST(NULL AS {kind}))"))
    return _CANONICAL[kind]


def create_schema(database: Database, name: str) -> None:
    """Creates a schema unless it exists."""
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}")


def describe(database: Database, select: str) -> dict[str, str]:
    """The columns and types that a SELECT produces, without running it.

    The second column of a name gets another one, as in the table that DuckDB would make of the SELECT.
    """
    return {row[0]: row[1] for row in database.rows(f"DESCRIBE SELECT * FROM ({select}\n)")}
