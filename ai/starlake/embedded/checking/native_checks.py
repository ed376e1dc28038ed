"""The native loader: DuckDB reads the file without Starlake's validation.

Patterns are not checked then, and required values may be missing; a value that the column's type cannot hold fails the
file. Scripts and filters are DuckDB's SQL. The conversions of the metadata - ``trim``, ``default``, ``privacy`` - are
applied here, although Starlake forgets them, and a fraction is not an integer, which Starlake would round.
"""

from __future__ import annotations

from ai.starlake.embedded.checking.datatypes import TextCheck, text_check
from ai.starlake.project import Attribute, PrimitiveType, TypeDefinition

_INTEGERS = (PrimitiveType.LONG, PrimitiveType.INT, PrimitiveType.SHORT, PrimitiveType.BYTE)


def unvalidated(attribute: Attribute) -> Attribute:
    """Return a copy of an attribute without requirements, its fields included."""
    fields = tuple(unvalidated(field) for field in attribute.attributes)
    return attribute.model_copy(update={"required": False, "attributes": fields})


def native_check(kind: TypeDefinition, column: str) -> TextCheck:
    """Reject the file if a value can be converted neither by its Starlake type nor by DuckDB.

    Args:
        kind: The type.
        column: The DuckDB type of the column.
    """
    if column in {"VARCHAR", "TEXT", "STRING"}:
        return TextCheck(lambda text: text, None, None)
    if kind.primitive_type in _INTEGERS:

        def fails(text: str, value: str) -> str:
            return f"{value} IS NULL OR TRY_CAST({text} AS DOUBLE) <> {value}"

        return TextCheck(lambda text: f"TRY_CAST({text} AS {column})", None, fails)
    own = text_check(kind, column).value
    return TextCheck(
        lambda text: f"coalesce({own(text)}, TRY_CAST({text} AS {column}))", None, lambda _, value: f"{value} IS NULL"
    )
