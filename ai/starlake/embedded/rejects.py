"""The texts of rejects, word for word Starlake's (contract 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ai.starlake.embedded.datatypes import TextCheck
from ai.starlake.embedded.sql import literal
from ai.starlake.project import Attribute, TypeDefinition


@dataclass(frozen=True)
class ErrorTexts:
    """The texts of rejects, as SQL; a path is SQL too, because it holds the place within an array.

    Args:
        with_value: Whether the texts end with the value at fault.
    """

    with_value: bool

    def missing(self, attribute: Attribute, path: str) -> str:
        """The error of a null: null for an optional attribute."""
        if not attribute.required or attribute.default is not None:
            return "NULL"
        return self._text(path, "  can't be null", path)

    def mismatch(self, attribute: Attribute, kind: TypeDefinition, path: str, value: str) -> str:
        """The error of a text that does not look like the type."""
        return self._text(path, f" ({attribute.type}) doesn't match pattern `{kind.pattern}`", value)

    def unconvertible(self, attribute: Attribute, kind: TypeDefinition, path: str, value: str) -> str:
        """The error of a text that looks like the type and is too large for it."""
        return self._text(
            path, f" cannot be converted to `{kind.primitive_type}` with sl type `{attribute.type}`", value
        )

    def scalar(
        self, attribute: Attribute, kind: TypeDefinition, check: TextCheck, text: str, value: str, path: str
    ) -> str | None:
        """The error of a scalar as SQL, None when it cannot have one."""
        branches = []
        if attribute.required and attribute.default is None:
            branches.append(f"WHEN {text} IS NULL THEN {self.missing(attribute, path)}")
        elif check.mismatch or check.unconvertible:
            branches.append(f"WHEN {text} IS NULL THEN NULL")
        if check.mismatch:
            branches.append(f"WHEN {check.mismatch(text, value)} THEN {self.mismatch(attribute, kind, path, text)}")
        if check.unconvertible:
            branches.append(
                f"WHEN {check.unconvertible(text, value)} THEN {self.unconvertible(attribute, kind, path, text)}"
            )
        return f"CASE {' '.join(branches)} END" if branches else None

    def _text(self, path: str, text: str, value: str) -> str:
        parts = ["'`'", path, literal("`" + text)] + (["': '", f"CAST({value} AS VARCHAR)"] if self.with_value else [])
        return f"concat({', '.join(parts)})"
