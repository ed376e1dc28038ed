"""``metadata/refs.sl.yml``: other names for tables, which the SQL of tasks may use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ai.starlake.common import StarlakeError
from ai.starlake.project.findings import ProjectError
from ai.starlake.project.invalid import Origin, build
from ai.starlake.project.models.base import Model, Text
from ai.starlake.project.patterns import java_pattern
from ai.starlake.project.settings import Settings


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
        """The table that a name stands for.

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


def read_refs(settings: Settings) -> tuple[TableRef, ...]:
    """The references of a project, in order; the first that is for a name counts.

    Raises:
        ProjectError: If the file cannot be used.
    """
    file = Path(settings.areas.metadata) / "refs.sl.yml"
    if not file.is_file():
        return ()
    content = settings.store.read(file, "refs")
    if not isinstance(content.data, list):
        finding = content.document.finding(("refs",), "refs must be a list", "write each as - input: ... output: ...")
        raise ProjectError([finding])
    refs = []
    for index, item in enumerate(content.data):
        origin = Origin(content.document, ("refs", index))
        if not isinstance(item, dict):
            raise ProjectError([content.document.finding(origin.path, "a reference has input and output")])
        ref = build(TableRef, item, [origin])
        try:
            for pattern in (ref.input.table, ref.input.domain, ref.input.database):
                java_pattern(pattern or "")
        except StarlakeError as error:
            raise ProjectError([content.document.finding((*origin.path, "input"), str(error))]) from error
        refs.append(ref)
    return tuple(refs)


def _fits(pattern: str | None, name: str | None) -> bool:
    if pattern is None or name is None:
        return pattern is name
    return java_pattern(f"(?i){pattern}").fullmatch(name) is not None
