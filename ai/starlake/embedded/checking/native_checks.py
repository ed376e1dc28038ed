"""The native loader: DuckDB reads the file without Starlake's validation.

Patterns say nothing then, and a value may be missing wherever it is required; one that the type of its column cannot
hold fails the file. Scripts and filters are DuckDB's SQL. What the metadata does to values - ``trim``, ``default``,
``privacy`` - is done here too, which the original forgets, and a fraction is no integer, which it would round.
"""

from __future__ import annotations

from ai.starlake.embedded.checking.datatypes import TextCheck, text_check
from ai.starlake.project import Attribute, PrimitiveType, TypeDefinition

_INTEGERS = (PrimitiveType.LONG, PrimitiveType.INT, PrimitiveType.SHORT, PrimitiveType.BYTE)


def unvalidated(attribute: Attribute) -> Attribute:
    """Return a copy of an attribute of which nothing is required, its fields included."""
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
