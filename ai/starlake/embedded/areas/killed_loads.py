"""Repair what killed loads left behind, even if the project and its databases have moved."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.areas.area_files import listed
from ai.starlake.embedded.areas.journal import Journal, forget_unwritten, has_journals, unfinished
from ai.starlake.embedded.warehouse.warehouse import Warehouse
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Domain, Project

logger = logging.getLogger(__name__)


def settle_unfinished(workspace: Workspace, domain: Domain, *, everything: bool) -> None:
    """Move the files of killed loads back to the stage area, or on to the archive if their rows are committed.

    Args:
        workspace: The workspace, with the open databases of the domain's tables and their turns.
        domain: The domain, with the selected tables.
        everything: True if these are all of its tables.

    Raises:
        StarlakeError: If a journal cannot be read, or if a file cannot be moved back.
    """
    areas = workspace.project.areas
    ingesting, stage = areas.ingesting(domain.name), areas.stage(domain.name)
    archive = areas.archive(domain.name) if workspace.project.application.archive else None
    tables = {table.full_name: table for table in domain.tables}
    for name in tables:
        forget_unwritten(ingesting, name)
    opened = {name: workspace.warehouse_of(table) for name, table in tables.items()}
    for journal in unfinished(ingesting, stage, archive):
        warehouse = opened.get(journal.table) or _same(journal.database, list(opened.values()))
        if warehouse is None:
            if everything:
                _tell_of_unknown_table(journal)
            continue
        table = tables.get(journal.table)
        warehouses = [warehouse, *_earlier(workspace, journal, warehouse)]
        committed = journal.settle(warehouses, table.matches if table else lambda _name: True)
        logger.warning(
            "a load of %s was interrupted; %s went to %s",
            journal.table,
            ", ".join(journal.names),
            "the archive, since the rows are loaded" if committed else f"{journal.stage}, to be loaded",
        )


def _same(file: Path | None, warehouses: Sequence[Warehouse]) -> Warehouse | None:
    """Return the warehouse of a file."""
    return next((one for one in warehouses if file and one.file and _is_same(file, one.file)), None)


def _is_same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and one.samefile(other))


def _earlier(workspace: Workspace, journal: Journal, warehouse: Warehouse) -> Iterator[Warehouse]:
    """Yield the former warehouse of the rows, if it still exists and the table is in another one now."""
    file = journal.database
    if file is not None and file.is_file() and not (warehouse.file and _is_same(file, warehouse.file)):
        yield workspace.warehouse_at(file)


def _tell_of_unknown_table(journal: Journal) -> None:
    logger.warning(
        "a load of %s was interrupted, and the project has no such table any more: %s stay in %s",
        journal.table,
        ", ".join(journal.names),
        journal.path.parent,
    )


def tell_of_unknown_domains(project: Project) -> None:
    """Warn about files of killed loads in ingesting areas of domains that the project no longer has."""
    root = project.areas.path("ingesting")
    known = {domain.name for domain in project.domains}
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.name not in known and folder.is_dir() and has_journals(folder):
            logger.warning(
                "%s holds files of a load that was interrupted, and the project has no domain %s any more: %s",
                folder,
                folder.name,
                ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))),
            )


def tell_of_strays(workspace: Workspace, domain: Domain) -> None:
    """Warn about files in the ingesting area that no load uses: the next load does not find them there.

    A load of the engine notes its files in a journal. Starlake leaves the files of a failed load without a note.

    Args:
        workspace: The project; with ``SL_INGESTING_FILES=fail``, as executors set it, such files are an error.
        domain: The domain, with the selected tables.

    Raises:
        StarlakeError: If there are such files and they are an error.
    """
    areas = workspace.project.areas
    ingesting, stage = areas.ingesting(domain.name), areas.stage(domain.name)
    files, _ = listed(ingesting)
    there = [file for file in files if any(table.matches(file.name) for table in domain.tables)]
    if not there:
        return
    known = {name for journal in unfinished(ingesting, stage, None) for name in journal.names}
    strays = [file.name for file in there if file.name not in known and file.exists()]
    if not strays:
        return
    error = StarlakeError(
        f"files of {domain.name} wait in {ingesting}, and no load of the engine is working on them: "
        f"{', '.join(strays)}",
        cause="another program is loading them, or left them",
        fix=f"let it end; if none is running, move the files that are to be loaded to {stage}",
    )
    if workspace.environment.get("SL_INGESTING_FILES") == "fail":
        raise error
    logger.warning("%s", error)
