"""``load --inPlace``: files are loaded from their folder and stay there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.embedded.areas.journal import Journal
from ai.starlake.embedded.selection import Selection
from ai.starlake.project import Domain, Project, Table

if TYPE_CHECKING:
    from ai.starlake.embedded.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Standing(Journal):
    """An ingestion that moves no files: the commit marker is written, but no journal file.

    Args:
        where: The files.
    """

    where: tuple[Path, ...] = ()

    @classmethod
    def of(cls, warehouse: Warehouse, table: str, files: tuple[Path, ...]) -> Standing:
        """Return the ingestion of files into a table; no journal is written."""
        names, folder = tuple(file.name for file in files), files[0].parent
        return cls(folder, uuid.uuid4().hex, warehouse.file, table, folder, names, None, where=files)

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the files."""
        return self.where

    def finish(self, warehouse: Warehouse) -> None:
        """Remove the marker."""
        self.unmark(warehouse)

    def undo(self, fits: Callable[[str], bool]) -> None:
        """Do nothing; the files were not moved."""


def standing_files(project: Project, selection: Selection, files: Sequence[str]) -> tuple[Table, tuple[Path, ...]]:
    """Return the only selected table, and the files to load in place.

    Args:
        project: The project.
        selection: Must name one domain and one table.
        files: Paths, with or without ``file:``.

    Raises:
        StarlakeError: If the selection is not one table, if there are no files, or if one is missing.
    """
    domains: tuple[Domain, ...] = selection.domains(project) if len(selection.tables) == 1 else ()
    if not files or len(domains) != 1 or len(domains[0].tables) != 1:
        raise PermanentError(
            "--inPlace needs files and the table that they are for", fix="add --domains, --tables and --files"
        )
    paths = tuple(Path(name.removeprefix("file:")).absolute() for name in files)
    for path in paths:
        if not path.is_file():
            raise StarlakeError(f"the file {path} does not exist", fix="give --files paths of files")
    return domains[0].tables[0], paths
