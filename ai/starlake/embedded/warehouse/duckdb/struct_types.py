"""Struct type evolution: merge two struct types and cast old values."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, cast

from ai.starlake.embedded.database.quoting import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from duckdb.sqltypes import DuckDBPyType

Wider = Callable[[str, str], bool]
"""Returns True if the second of two scalar types can hold all values of the first and more."""


def is_nested(kind: str) -> bool:
    """Return True if a type is a struct, or a list of structs to any depth."""
    return kind.startswith("STRUCT(")


def merged(connection: DuckDBPyConnection, old: str, new: str, wider: Wider) -> str:
    """Return a type with the fields of both types, those of the old one first.

    Args:
        connection: Resolves the names of types.
        old: The type of a column.
        new: The type of the metadata; a struct if the old one is.
        wider: Compares scalars; for other pairs the old type stays.
    """
    return _merged(connection.type(old), connection.type(new), wider)


def converted(connection: DuckDBPyConnection, value: str, old: str, new: str) -> str:
    """Return SQL that casts a value to a type with the same fields or more; missing fields are null."""
    return _converted(value, connection.type(old), connection.type(new), count())


def surplus(connection: DuckDBPyConnection, old: str, new: str) -> list[tuple[str, str]]:
    """Return the paths and types of the fields of the first of two structs that the second lacks."""
    return _surplus(connection.type(old), connection.type(new))


def _surplus(old: DuckDBPyType, new: DuckDBPyType) -> list[tuple[str, str]]:
    if old.id != new.id or old.id not in {"struct", "list"}:
        return []
    ours, theirs = _fields(old), _fields(new)
    if old.id == "list":
        return _surplus(ours["child"], theirs["child"])
    known = {name.lower(): kind for name, kind in theirs.items()}
    found: list[tuple[str, str]] = []
    for name, kind in ours.items():
        if name.lower() not in known:
            found.append((name, str(kind)))
        else:
            found += [(f"{name}.{path}", one) for path, one in _surplus(kind, known[name.lower()])]
    return found


def _fields(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return {name: cast("DuckDBPyType", child) for name, child in kind.children}


def _merged(old: DuckDBPyType, new: DuckDBPyType, wider: Wider) -> str:
    if old.id != new.id or old.id not in {"struct", "list"}:
        return str(new) if wider(str(old), str(new)) else str(old)
    ours, theirs = _fields(old), _fields(new)
    if old.id == "list":
        return f"{_merged(ours['child'], theirs['child'], wider)}[]"
    known = {name.lower(): name for name in theirs}
    kept = [
        (name, _merged(kind, theirs[known[name.lower()]], wider) if name.lower() in known else str(kind))
        for name, kind in ours.items()
    ]
    have = {name.lower() for name in ours}
    added = [(name, str(kind)) for name, kind in theirs.items() if name.lower() not in have]
    return f"STRUCT({', '.join(f'{identifier(name)} {kind}' for name, kind in [*kept, *added])})"


def _converted(value: str, old: DuckDBPyType, new: DuckDBPyType, numbers: count[int]) -> str:
    if old.id != new.id or old.id not in {"struct", "list"}:
        return f"CAST({value} AS {new})"
    ours, theirs = _fields(old), _fields(new)
    if old.id == "list":
        element = f"e{next(numbers)}"
        return (
            f"list_transform({value}, lambda {element}: {_converted(element, ours['child'], theirs['child'], numbers)})"
        )
    parts = ", ".join(
        f"{identifier(name)} := {_converted(f'struct_extract({value}, {literal(name)})', ours[name], kind, numbers)}"
        if name in ours
        else f"{identifier(name)} := CAST(NULL AS {kind})"
        for name, kind in theirs.items()
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({parts}) END"
