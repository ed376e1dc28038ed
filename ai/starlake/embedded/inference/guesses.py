"""Possible types of the columns of a sample, from the narrowest to the widest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

_DATES = ("date", "iso_local_date", "basic_iso_date")
_TIMES = ("timestamp", "iso_local_date_time", "iso_instant", "iso_offset_date_time", "iso_date_time")
_LADDERS: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean",),
    "tinyint": ("short", "long", "decimal"),
    "utinyint": ("short", "long", "decimal"),
    "smallint": ("short", "long", "decimal"),
    "usmallint": ("int", "long", "decimal"),
    "integer": ("int", "long", "decimal"),
    "uinteger": ("long", "decimal"),
    "bigint": ("long", "decimal", "double"),
    "ubigint": ("decimal", "double"),
    "hugeint": ("decimal",),
    "uhugeint": ("decimal",),
    "decimal": ("decimal",),
    "float": ("double",),
    "double": ("double",),
    "date": _DATES,
    "timestamp": _TIMES,
    "timestamp_s": _TIMES,
    "timestamp_ms": _TIMES,
    "timestamp_ns": _TIMES,
    "timestamp with time zone": _TIMES,
}
"""DuckDB's types and the Starlake types to try for each. All others are strings."""
_OPAQUE = frozenset({"json", "map", "union", "variant"})
_DECIMAL_SCALE = 9
_DECIMAL_DIGITS = 29
"""Maximum digits after and before the point of Starlake's ``decimal``."""


class Guess:
    """The possible types of one column, or of one field of a nested one.

    Args:
        name: Its name.
        kind: Its DuckDB type in a relation.
        known: The names of the types of the project; others are not tried.
    """

    def __init__(self, name: str, kind: Any, known: Collection[str]) -> None:
        self.name = name
        self.array = kind.id == "list"
        self.fields: tuple[Guess, ...] = ()
        if self.array:
            kind = dict(kind.children)["child"]
        if kind.id == "struct":
            self.fields = guesses([(field, below) for field, below in kind.children if field], known)
        opaque = kind.id in _OPAQUE or (kind.id == "struct" and not self.fields)
        if kind.id in {"list", "array"} or (opaque and not self._is_empty_list(kind)):
            self._as_json()
            return
        self._ladder = [*(each for each in _ladder(kind) if each in known), "string"]

    @property
    def type(self) -> str:
        """The current type."""
        return "struct" if self.fields else self._ladder[0]

    def widen(self) -> bool:
        """Proceed to the next type; a string that matches none is any JSON value.

        Returns:
            False if there is nothing wider.
        """
        if not self.fields and len(self._ladder) > 1:
            self._ladder.pop(0)
            return True
        if self.type == "variant" and not self.array:
            return False
        self._as_json()
        return True

    def paths(self, above: str = "") -> Iterator[tuple[str, Guess]]:
        """Yield itself and its fields, each with its path in error messages, without array positions."""
        path = f"{above}.{self.name}" if above else self.name
        yield path, self
        for field in self.fields:
            yield from field.paths(path)

    def as_metadata(self) -> dict[str, Any]:
        """Return the attribute as in a metadata file."""
        data: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.array:
            data["array"] = True
        if self.fields:
            data["attributes"] = [field.as_metadata() for field in self.fields]
        return data

    def _is_empty_list(self, kind: Any) -> bool:
        """Return True if this is a list whose item type DuckDB could not determine, such as an empty one."""
        return self.array and str(kind.id) == "json"

    def _as_json(self) -> None:
        self.fields, self.array, self._ladder = (), False, ["variant"]


def guesses(columns: Sequence[tuple[str, Any]], known: Collection[str]) -> tuple[Guess, ...]:
    """Return the guesses of columns. Of names that differ only in case, which no table can have, the first is used."""
    distinct: dict[str, tuple[str, Any]] = {}
    for name, kind in columns:
        distinct.setdefault(name.lower(), (name, kind))
    return tuple(Guess(name, kind, known) for name, kind in distinct.values())


def _ladder(kind: Any) -> tuple[str, ...]:
    if kind.id == "decimal":
        size = dict(kind.children)
        if size["scale"] > _DECIMAL_SCALE or size["precision"] - size["scale"] > _DECIMAL_DIGITS:
            return ()
    return _LADDERS.get(str(kind.id), ())
