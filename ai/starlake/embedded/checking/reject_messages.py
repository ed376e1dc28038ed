"""Messages of rejects, word for word Starlake's."""

from __future__ import annotations

from dataclasses import dataclass

from ai.starlake.embedded.checking.datatypes import TextCheck
from ai.starlake.embedded.database.quoting import literal
from ai.starlake.project import Attribute, TypeDefinition


@dataclass(frozen=True)
class RejectTexts:
    """The possible errors of the values of one attribute, as SQL.

    Args:
        attribute: The attribute.
        kind: Its type; a struct has none.
        path: SQL of the path of the value: a constant at the top of a table, computed within an array.
        with_value: True if the messages end with the value at fault.
    """

    attribute: Attribute
    kind: TypeDefinition | None
    path: str
    with_value: bool = False

    def missing(self) -> str | None:
        """Return the message for a null; None for an attribute that may be null."""
        if not self.attribute.required or self.attribute.default is not None:
            return None
        return self._text("  can't be null", self.path)

    def absent(self) -> str:
        """Return the message for a column that is missing in the file."""
        return self._text(" is required", "'NULL'")

    def unprotectable(self, value: str) -> str:
        """Return the message for a value whose type cannot hold its hidden form."""
        return self._text(" input and privacy output type are not compatible", value)

    def mismatch(self, value: str) -> str:
        """Return the message for a value that does not match the type's pattern."""
        pattern = self.kind.pattern if self.kind else ""
        return self._text(f" ({self.attribute.type}) doesn't match pattern `{pattern}`", value)

    def unconvertible(self, value: str) -> str:
        """Return the message for a value that matches the type's pattern but is too large for the type."""
        primitive = self.kind.primitive_type if self.kind else "struct"
        return self._text(f" cannot be converted to `{primitive}` with sl type `{self.attribute.type}`", value)

    def of_scalar(self, check: TextCheck, text: str, value: str) -> str | None:
        """Return the message for a scalar, null if there is no error; None if there can be none.

        Args:
            check: The check of strings of the type.
            text: SQL of the string.
            value: SQL of the converted value.
        """
        missing = self.missing()
        if not (missing or check.mismatch or check.unconvertible):
            return None
        branches = [(check.sound(text, value), "NULL")] if check.sound else []
        branches.append((f"{text} IS NULL", missing or "NULL"))
        if check.mismatch:
            branches.append((check.mismatch(text, value), self.mismatch(text)))
        if check.unconvertible:
            branches.append((check.unconvertible(text, value), self.unconvertible(text)))
        whens = " ".join(f"WHEN {condition} THEN {found}" for condition, found in branches)
        return f"CASE {whens} END"

    def _text(self, text: str, value: str) -> str:
        parts = ["'`'", self.path, literal("`" + text)]
        if self.with_value:
            parts += ["': '", f"CAST({value} AS VARCHAR)"]
        return f"concat({', '.join(parts)})"
