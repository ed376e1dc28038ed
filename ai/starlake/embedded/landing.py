"""Landing areas: ``stage`` takes files from there, ``preload`` looks what is there (contract 1.1 to 1.3 and 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.archives import unpack
from ai.starlake.embedded.files import move, waiting
from ai.starlake.embedded.reporting import Reporter
from ai.starlake.embedded.results import Move, PreloadResult, StageResult
from ai.starlake.embedded.selection import Selection
from ai.starlake.project import Domain, Project, Table

logger = logging.getLogger(__name__)

STRATEGIES = ("none", "imported", "pending", "ack")


def stage(project: Project, selection: Selection, reporter: Reporter) -> StageResult:
    """Moves the files of tables from the landing areas to the stage areas.

    Args:
        project: The project.
        selection: The domains and tables; tables count only when domains are named, as in the original.
        reporter: Is told what moves.

    Raises:
        StarlakeError: If a selected domain has no landing area.
    """
    if not selection.names:
        selection = Selection()
    moves: list[Move] = []
    for domain in selection.domains(project):
        moves += _stage_domain(project, domain, reporter)
    return StageResult(tuple(moves))


def _stage_domain(project: Project, domain: Domain, reporter: Reporter) -> tuple[Move, ...]:
    landing, target = _landing(domain), project.areas.stage(domain.name)
    if not landing.is_dir():
        logger.error(
            "the landing area %s of the domain %s does not exist; the domain is left out", landing, domain.name
        )
        return ()
    for file in waiting(landing):
        unpack(file, domain, lambda name, inner: _ready(landing, name, _table_of(domain, inner)))
    ready = [
        (file, table)
        for file in waiting(landing)
        if (table := _table_of(domain, file.name)) and _ready(landing, file.name, table)
    ]
    moves = tuple(Move(file.name, str(landing), str(target)) for file, _ in ready)
    reporter.staging(landing, target, moves)
    for file, table in ready:
        move(file, target / file.name)
        if table.metadata.ack:
            _ack(landing, file.name, table.metadata.ack).unlink(missing_ok=True)
    return moves


def preload(
    project: Project, domain: str, tables: tuple[str, ...], strategy: str, ack_file: str | None
) -> PreloadResult:
    """Says whether there is something to load (contract 1.3). Nothing is moved; only ``ack`` consumes its file.

    Args:
        project: The project.
        domain: The name of the domain.
        tables: The tables to ask about; all of the domain when empty.
        strategy: ``none``, ``imported``, ``pending`` or ``ack``, in any case.
        ack_file: The file that ``ack`` waits for.

    Raises:
        StarlakeError: If the strategy or a name is unknown, or if ``imported`` is asked of a domain without landing
            area.
    """
    name = strategy.lower()
    if name not in STRATEGIES:
        raise StarlakeError(
            f"the pre-load strategy {strategy!r} does not exist", fix=f"use one of {', '.join(STRATEGIES)}"
        )
    if name == "none":
        return PreloadResult(ready=True)
    if name == "ack":
        return PreloadResult(ready=_consume(ack_file))
    selected = Selection((domain,), tables).domains(project)[0]
    if name == "pending":
        counts = _count(project.areas.stage(selected.name), selected, lambda _file, _table: True)
    else:
        landing = _landing(selected)
        counts = _count(landing, selected, lambda file, table: _ready(landing, file, table))
    return PreloadResult(ready=any(counts.values()), counts=counts)


def _consume(ack_file: str | None) -> bool:
    if not ack_file:
        return False
    path = Path(ack_file.removeprefix("file:"))
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StarlakeError(
            f"the ack file {path} cannot be deleted", cause=str(error), fix="check its permissions"
        ) from error
    return True


def _count(folder: Path, domain: Domain, counts: Callable[[str, Table], bool]) -> dict[str, int]:
    files = waiting(folder)
    return {
        table.name: sum(table.matches(file.name) and counts(file.name, table) for file in files)
        for table in domain.tables
    }


def _landing(domain: Domain) -> Path:
    directory = domain.metadata.directory
    if not directory:
        raise StarlakeError(
            f"the domain {domain.name} has no landing area" + (f" ({domain.file})" if domain.file else ""),
            fix="set load.metadata.directory in its _config.sl.yml to the folder in which its files arrive",
        )
    return Path(directory.removeprefix("file:")).absolute()


def _table_of(domain: Domain, name: str) -> Table | None:
    return domain.table_of(name)


def _ready(landing: Path, name: str, table: Table | None) -> bool:
    """Whether a file may be taken: its ack file is there, if it needs one."""
    if table is None:
        return False
    return not table.metadata.ack or _ack(landing, name, table.metadata.ack).is_file()


def _ack(landing: Path, name: str, extension: str) -> Path:
    return landing / f"{Path(name).stem}.{extension.lstrip('.')}"
