"""Aliases of tables: the entries of ``metadata/refs.sl.yml``."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ai.starlake.project.models.base import Model, Text
from ai.starlake.project.patterns import java_pattern


class RefInput(Model):
    """Names of a reference: Java regular expressions that a whole name must match, ignoring case."""

    table: Text = ".*"
    domain: Text | None = None
    """Domain of the names; by default names without a domain."""
    database: Text | None = None


class RefOutput(Model):
    """The referenced table."""

    table: Text = ""
    domain: Text = ""
    database: Text = ""


class TableRef(Model):
    """One entry of the file."""

    input: RefInput = Field(default_factory=RefInput)
    output: RefOutput = Field(default_factory=RefOutput)

    def target(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Return the target of a name.

        Args:
            parts: The parts of the name: table, or domain and table, or database, domain and table.

        Returns:
            Its parts; None if this reference does not match the name. Parts that the entry leaves out are unchanged.
        """
        wanted = (self.input.database, self.input.domain, self.input.table)
        given = (None,) * (3 - len(parts)) + tuple(parts)
        if len(parts) > len(wanted) or not all(map(_fits, wanted, given)):
            return None
        output = (self.output.database, self.output.domain, self.output.table)
        return tuple(part for new, old in zip(output, given, strict=True) if (part := new or old))


def _fits(pattern: str | None, name: str | None) -> bool:
    if pattern is None or name is None:
        return pattern is name
    return java_pattern(f"(?i){pattern}").fullmatch(name) is not None
