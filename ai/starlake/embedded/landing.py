"""Landing areas: ``stage`` takes files from there, ``preload`` looks what is there (contract 1.1 to 1.3 and 4)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ai.starlake.common import StarlakeError
from ai.starlake.embedded.archives import contents, unpack
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
        _unpack(file, domain)
    ready = [
        (file, table)
        for file in waiting(landing)
        if (table := domain.table_of(file.name)) and _ready(landing, file.name, table)
    ]
    moves = tuple(Move(file.name, str(landing), str(target)) for file, _ in ready)
    reporter.staging(landing, target, moves)
    for file, table in ready:
        move(file, target / file.name)
        if table.metadata.ack:
            _ack(landing, file.name, table.metadata.ack).unlink(missing_ok=True)
    return moves


def _unpack(archive: Path, domain: Domain) -> None:
    """Replaces an archive by the files in it; its ack file is theirs too."""
    names = unpack(archive, domain, lambda name: _ready_within(archive, name, domain))
    if not names:
        return
    tables = ((name, domain.table_of(name)) for name in names)
    extensions = {name: table.metadata.ack for name, table in tables if table and table.metadata.ack}
    acks = {_ack(archive.parent, name, extension) for name, extension in extensions.items()}
    for ack in acks:
        ack.touch()
    archive.unlink()
    for ack in {_ack(archive.parent, archive.name, extension) for extension in extensions.values()} - acks:
        ack.unlink(missing_ok=True)


def _ready_within(archive: Path, name: str, domain: Domain) -> bool:
    """Whether a file in an archive may be taken: the archive has an ack file, or the file has one."""
    table = domain.table_of(name)
    return _ready(archive.parent, archive.name, table) or _ready(archive.parent, name, table)


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
        counts = _count(selected, [file.name for file in waiting(project.areas.stage(selected.name))])
    else:
        counts = _count(selected, _ready_names(_landing(selected), selected))
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


def _ready_names(landing: Path, domain: Domain) -> list[str]:
    """The files that ``stage`` would take, those in archives too."""
    names = []
    for file in waiting(landing):
        if _ready(landing, file.name, domain.table_of(file.name)):
            names.append(file.name)
        within = contents(file, domain)
        if all(_ready_within(file, name, domain) for name in within):
            names += within
    return names


def _count(domain: Domain, names: Sequence[str]) -> dict[str, int]:
    return {table.name: sum(table.matches(name) for name in names) for table in domain.tables}


def _landing(domain: Domain) -> Path:
    directory = domain.metadata.directory
    if not directory:
        raise StarlakeError(
            f"the domain {domain.name} has no landing area" + (f" ({domain.file})" if domain.file else ""),
            fix="set load.metadata.directory in its _config.sl.yml to the folder in which its files arrive",
        )
    return Path(directory.removeprefix("file:")).absolute()


def _ready(landing: Path, name: str, table: Table | None) -> bool:
    """Whether a file may be taken: its ack file is there, if it needs one, and it is no ack file itself."""
    if table is None:
        return False
    if not table.metadata.ack:
        return True
    ack = _ack(landing, name, table.metadata.ack)
    return ack.name != name and ack.is_file()


def _ack(landing: Path, name: str, extension: str) -> Path:
    return landing / f"{Path(name).stem}.{extension.lstrip('.')}"
