"""Evolution of tables: columns follow the metadata, and no data is lost silently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.database.quoting import identifier
from ai.starlake.embedded.warehouse.duckdb.struct_types import converted, is_nested, merged, surplus
from ai.starlake.embedded.warehouse.duckdb.tables import canonical, columns_of, quoted
from ai.starlake.embedded.warehouse.warehouse import Loss, Target

if TYPE_CHECKING:
    from ai.starlake.embedded.database.connection import Database

_WIDER: Mapping[str, tuple[str, ...]] = {
    "BOOLEAN": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "TINYINT": ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE"),
    "SMALLINT": ("INTEGER", "BIGINT", "HUGEINT", "DOUBLE"),
    "INTEGER": ("BIGINT", "HUGEINT", "DOUBLE"),
    "BIGINT": ("HUGEINT",),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}
"""Column types and the types that can hold all of their values; strings can hold the values of every type."""
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
"""Maximum digits of the values of an integer type."""


def losses(database: Database, target: Target, wanted: Mapping[str, str], existing: Mapping[str, str]) -> list[Loss]:
    """Return the columns of a table that have values and do not match the metadata.

    Args:
        database: The database.
        target: The table.
        wanted: Names and types of the columns in the metadata.
        existing: Those of the table; empty if it does not exist.
    """
    types = {name.lower(): kind for name, kind in wanted.items()}
    found: list[Loss] = []
    for name, kind in existing.items():
        new = types.get(name.lower())
        if new is None:
            found.append(Loss(name, _count(database, target, identifier(name)), kind))
        elif is_nested(kind) and is_nested(new):
            found += _lost_fields(database, target, name, kind, new)
        elif _stays(database, target, name, kind, canonical(database, new)):
            found.append(Loss(name, _count(database, target, identifier(name)), kind, canonical(database, new)))
    return [loss for loss in found if loss.values]


def _lost_fields(database: Database, target: Target, name: str, old: str, new: str) -> list[Loss]:
    """Return the fields of structs that the metadata lacks; in lists of structs they have no count of their own."""
    count = _count(database, target, identifier(name))
    return [Loss(f"{name}.{path}", count, kind, is_field=True) for path, kind in surplus(database.connection, old, new)]


def _stays(database: Database, target: Target, name: str, old: str, new: str) -> bool:
    if old == new or _widens(old, new) or (_widens(new, old) and old != "VARCHAR"):
        return False
    same = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
    return {old, new} != same and not _are_doubles(database, target, name, old, new)


def _count(database: Database, target: Target, value: str) -> int:
    return int(database.value(f"SELECT count({value}) FROM {quoted(target)}") or 0)


def evolve(
    database: Database,
    target: Target,
    wanted: Mapping[str, str],
    *,
    added: Mapping[str, str] | None = None,
    drop: bool = False,
) -> None:
    """Adapt the columns of a table to the metadata.

    New columns are added at the end. A column that the metadata no longer has stays, unless it may be dropped; fields
    of structs always stay. A type becomes wider and a struct gets more fields if that loses nothing; any other change
    of type leaves the column unchanged, and `fitted` refuses values that it cannot hold.

    Args:
        database: The database.
        target: The table, which exists.
        wanted: Names and types of the columns.
        added: Types to use when a column is added, where they differ from `wanted`.
        drop: True if columns may be dropped.
    """
    existing = columns_of(database, target)
    known = {name.lower(): name for name in existing}
    for name, kind in wanted.items():
        if name.lower() not in known:
            new = (added or {}).get(name, kind)
            database.execute(f"ALTER TABLE {quoted(target)} ADD COLUMN {identifier(name)} {new}")
        else:
            _widen(database, target, known[name.lower()], existing[known[name.lower()]], kind)
    if drop:
        drop_others(database, target, wanted)


def drop_others(database: Database, target: Target, wanted: Mapping[str, str]) -> None:
    """Drop the columns that are not wanted."""
    kept = {name.lower() for name in wanted}
    for name in columns_of(database, target):
        if name.lower() not in kept:
            database.execute(f"ALTER TABLE {quoted(target)} DROP COLUMN {identifier(name)}")


def fitted(
    database: Database, target: Target, select: str, incoming: Mapping[str, str], *, file: str, strict: bool = True
) -> str:
    """Return a SELECT whose rows the columns of a table can hold unchanged.

    Args:
        database: The database.
        target: The table, which exists.
        select: A SELECT of the incoming rows.
        incoming: Its columns and their types.
        file: The file of the metadata, for the message.
        strict: True if a column of fractions may not round a number either.

    Returns:
        The SELECT; its structs have all fields of the table's.

    Raises:
        StarlakeError: If a column would alter a value.
    """
    existing = {name.lower(): (name, kind) for name, kind in columns_of(database, target).items()}
    replaced: list[str] = []
    checks: dict[str, str] = {}
    for name, kind in incoming.items():
        _, column = existing.get(name.lower(), (name, kind))
        new = canonical(database, kind)
        if new == column or "NULL" in new:
            continue
        if is_nested(new) and is_nested(column):
            value = converted(database.connection, identifier(name), new, column)
            replaced.append(f"{value} AS {identifier(name)}")
        elif _may_alter(new, column, strict=strict):
            back = f"TRY_CAST(TRY_CAST({identifier(name)} AS {column}) AS {new})"
            checks[name] = f"any_value({identifier(name)}) FILTER ({back} IS DISTINCT FROM {identifier(name)})"
    if checks:
        _refuse_altered(database, target, select, checks, file)
    return f"SELECT * REPLACE ({', '.join(replaced)}) FROM ({select}\n)" if replaced else select


def _may_alter(new: str, column: str, *, strict: bool) -> bool:
    if "VARCHAR" in (new, column) or column == "FLOAT" or _widens(new, column) or "[" in new + column:
        return False
    return strict or column == "DATE" or column in _DIGITS


def _refuse_altered(database: Database, target: Target, select: str, checks: Mapping[str, str], file: str) -> None:
    (found,) = database.rows(f"SELECT {', '.join(checks.values())} FROM ({select}\n)")
    for name, value in zip(checks, found, strict=True):
        if value is not None:
            kind = next(kind for column, kind in columns_of(database, target).items() if column.lower() == name.lower())
            raise StarlakeError(
                f"the column {name} of {target.label} cannot hold {value} unchanged ({file})",
                cause=f"the column is {kind} in the database, which is not the type of the incoming values",
                fix=f"correct the type of {name}, or change the column: "
                f"ALTER TABLE {quoted(target)} ALTER COLUMN {identifier(name)} TYPE ...",
            )


def _widen(database: Database, target: Target, name: str, old: str, new: str) -> None:
    """Change a column to the type of the metadata, if it can hold all values; add fields to structs."""
    column, new = identifier(name), canonical(database, new)
    change = f"ALTER TABLE {quoted(target)} ALTER COLUMN {column} TYPE"
    if is_nested(old) and is_nested(new):
        kind = merged(database.connection, old, new, _widens)
        if kind != merged(database.connection, old, old, _widens):
            database.execute(f"{change} {kind} USING {converted(database.connection, column, old, kind)}")
    elif _widens(old, new) or _are_doubles(database, target, name, old, new):
        database.execute(f"{change} {new}")


def _are_doubles(database: Database, target: Target, name: str, old: str, new: str) -> bool:
    """Return True if integers become floating point numbers, and each value of the column is preserved."""
    if (old, new) != ("BIGINT", "DOUBLE"):
        return False
    limit = 2**53
    return not database.value(f"SELECT count(*) FROM {quoted(target)} WHERE abs({identifier(name)}) > {limit}")


def _widens(old: str, new: str) -> bool:
    if old == new:
        return False
    return _is_text_of(old, new) or new in _WIDER.get(old, ()) or _has_more_digits(old, new)


def _is_text_of(old: str, new: str) -> bool:
    return new == "VARCHAR" and "[" not in old and "(" not in old[:7]


def _has_more_digits(old: str, new: str) -> bool:
    """Return True if a decimal type has at least as many digits, before and after the point, as another type."""
    before, after = _digits(old)
    wider_before, wider_after = _digits(new)
    return new.startswith("DECIMAL") and 0 <= before <= wider_before and after <= wider_after


def _digits(kind: str) -> tuple[int, int]:
    """Return the digits before and after the point of a decimal or integer type; (-1, 0) for another type."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else (_DIGITS.get(kind, -1), 0)
