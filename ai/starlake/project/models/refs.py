"""Other names for tables: the entries of ``metadata/refs.sl.yml``."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ai.starlake.project.models.base import Model, Text
from ai.starlake.project.patterns import java_pattern


class RefInput(Model):
    """The names that a reference is for: Java regular expressions that a whole name must match, in any case."""

    table: Text = ".*"
    domain: Text | None = None
    """Without one, names without a domain are meant."""
    database: Text | None = None


class RefOutput(Model):
    """The table that is meant."""

    table: Text = ""
    domain: Text = ""
    database: Text = ""


class TableRef(Model):
    """One entry of the file."""

    input: RefInput = Field(default_factory=RefInput)
    output: RefOutput = Field(default_factory=RefOutput)

    def target(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Return the table that a name stands for.

        Args:
            parts: The parts of the name: table, or domain and table, or database, domain and table.

        Returns:
            Its parts, None if this reference is not for the name. What the entry leaves out stays as it is.
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
