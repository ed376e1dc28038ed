"""Selection of domains and tables for a command."""

from __future__ import annotations

from dataclasses import dataclass

from ai.starlake.common import PermanentError
from ai.starlake.project import Domain, Project, Table


@dataclass(frozen=True)
class Selection:
    """The domains and tables of ``--domains`` and ``--tables``.

    Args:
        names: Names of domains or of their folders; empty for all.
        tables: Names of tables or of their files; empty for all.
    """

    names: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    def domains(self, project: Project) -> tuple[Domain, ...]:
        """Return the selected domains, each with the selected tables only.

        Only the metadata of selected items is read. Starlake ignores unknown names.

        Raises:
            StarlakeError: If a name is unknown, or if the metadata of a selected item is invalid.
        """
        if not self.tables:
            return tuple(project.domain(name) for name in self.names) if self.names else project.domains
        if len(self.names) == 1:
            reader = project.domain_reader
            tables = tuple(project.table(self.names[0], table) for table in self.tables)
            return (reader.config(reader.find_folder(self.names[0])).model_copy(update={"tables": tables}),)
        chosen = tuple(project.domain(name) for name in self.names) if self.names else project.domains
        return self._with_tables(chosen)

    def _with_tables(self, domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        wanted = {name.lower(): name for name in self.tables}
        found: set[str] = set()
        kept = []
        for domain in domains:
            tables = tuple(table for table in domain.tables if _names(table) & wanted.keys())
            found |= {name for table in tables for name in _names(table)}
            if tables:
                kept.append(domain.model_copy(update={"tables": tables}))
        for name in wanted.keys() - found:
            known = sorted(table.file_stem for domain in domains for table in domain.tables)
            raise PermanentError(f"the table {wanted[name]} does not exist", fix=f"use one of {', '.join(known)}")
        return tuple(kept)


def _names(table: Table) -> set[str]:
    return {table.name.lower(), table.file_stem.lower()}
