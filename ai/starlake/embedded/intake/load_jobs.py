"""The verb ``load``: assignment of files to tables, and the order of ingestions."""

from __future__ import annotations

import filecmp
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.outcomes.table_outcomes import StarlakeCounts, TableOutcome
from ai.starlake.embedded.areas.area_files import copy, free_path, listed, waiting
from ai.starlake.embedded.areas.delivery import keep
from ai.starlake.embedded.areas.in_place import standing_files
from ai.starlake.embedded.areas.killed_loads import settle_unfinished, tell_of_strays, tell_of_unknown_domains
from ai.starlake.embedded.areas.stage import refusal
from ai.starlake.embedded.areas.turns import is_used
from ai.starlake.embedded.intake.adaptive import runs
from ai.starlake.embedded.intake.ingestion import Ingestion
from ai.starlake.embedded.outcome_notes import failed_outcome
from ai.starlake.embedded.reporting import EngineReporter
from ai.starlake.embedded.results import JobResult, LoadResult
from ai.starlake.embedded.selection import Selection
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Application, Domain, Table
from ai.starlake.project.landing import FileRule, FileRules, printable

logger = logging.getLogger(__name__)

Group = tuple[Table, tuple[Path, ...]]


def load(workspace: Workspace, selection: Selection, files: Sequence[str], reporter: EngineReporter) -> LoadResult:
    """Load the files in the stage areas.

    Args:
        workspace: The project and its databases.
        selection: The domains and tables to load.
        files: Files from elsewhere to copy to the stage area first; they require exactly one domain.
        reporter: Receives events.

    Returns:
        The ingestions. The files of failed ones are back in the stage area; the others were completed.

    Raises:
        StarlakeError: If the metadata of a selected table is invalid; no file is moved then.
    """
    domains = selection.domains(workspace.project)
    if selection == Selection():
        tell_of_unknown_domains(workspace.project)
    for domain in domains:
        tell_of_strays(workspace, domain)
    _bring(workspace, domains, files)
    jobs: list[JobResult] = []
    unresolved: list[str] = []
    for domain in domains:
        _warn_without_stage(workspace, domain)
        with _held(workspace, domain, everything=not selection.tables):
            groups, strangers, unusable = _grouped(workspace, domain)
            if not selection.tables:
                unresolved += _set_aside(workspace, domain, strangers)
            jobs += unusable
            reporter.planned(len(groups))
            for table, listed_files in groups:
                group = tuple(file for file in listed_files if file.exists())
                if group:  # otherwise another command has taken them
                    reporter.loading(table, group)
                    job = _ingested(workspace, table, group)
                    reporter.loaded(job)
                    jobs.append(job)
    if selection.tables:
        _tell_of_idle_tables(workspace, domains)
    return LoadResult(tuple(jobs), tuple(unresolved))


def _tell_of_idle_tables(workspace: Workspace, domains: Sequence[Domain]) -> None:
    """Report an outcome of each table without files: a table without an outcome was not reached."""
    outcomes = workspace.outcomes
    if outcomes.wanted:
        told = {outcome.name for outcome in outcomes.tables}
        for table in (table for domain in domains for table in domain.tables if table.full_name not in told):
            outcomes.add(TableOutcome(table.full_name, StarlakeCounts(0, 0, 0, files=False), checks=()))


def _ingested(workspace: Workspace, table: Table, files: tuple[Path, ...]) -> JobResult:
    """Load files; a failure of the file system is an error of this ingestion only."""
    try:
        return Ingestion(workspace, table, files).run()
    except OSError as error:
        names = tuple(file.name for file in files)
        text = f"{', '.join(names)} cannot be moved or read: {error.strerror or error}"
        job = JobResult(table.domain, table.name, names, (), workspace.job_id(names[0]), error=text)
        _tell_of_failure(workspace, table, job)
        return job


def _tell_of_failure(workspace: Workspace, table: Table, job: JobResult) -> None:
    if workspace.outcomes.wanted:
        workspace.outcomes.add(failed_outcome(workspace.project, table, job))


def load_in_place(
    workspace: Workspace, selection: Selection, files: Sequence[str], reporter: EngineReporter
) -> LoadResult:
    """Load files of one table in place; each is an ingestion, and none is moved.

    Args:
        workspace: The project and its databases.
        selection: Must name one domain and one table.
        files: The files.
        reporter: Receives events.

    Raises:
        StarlakeError: If the selection is not one table, or if a file is missing.
    """
    table, paths = standing_files(workspace.project, selection, files)
    groups = list(_jobs(table, paths, workspace.project.application))
    reporter.planned(len(groups))
    jobs = []
    for _, group in groups:
        reporter.loading(table, group)
        jobs.append(Ingestion(workspace, table, group, in_place=True).run())
        reporter.loaded(jobs[-1])
    return LoadResult(tuple(jobs), ())


def _bring(workspace: Workspace, domains: Sequence[Domain], files: Sequence[str]) -> None:
    if not files:
        return
    if len(domains) != 1:
        raise PermanentError("--files needs exactly one domain", fix="name it with --domains")
    for name in files:
        source = Path(name.removeprefix("file:"))
        if not source.is_file():
            raise StarlakeError(
                f"the file {name} does not exist", fix="give --files paths of files, separated by commas"
            )
        _copy_beside(source, workspace.project.areas.stage(domains[0].name), domains[0])


def _copy_beside(source: Path, stage: Path, domain: Domain) -> None:
    """Copy a file to the stage area, beside another one with its name; an existing copy from an earlier load is reused.

    Raises:
        StarlakeError: If the name is taken and no other matches.
    """
    target = stage / source.name
    if _same(source, target):
        return
    table = domain.table_of(source.name)
    free = free_path(stage, source.name, fits=lambda name: name == source.name or domain.table_of(name) == table)
    if free is None:
        raise StarlakeError(
            f"{source} cannot be loaded yet",
            cause=f"another file waits as {target}, and no other name matches the pattern of its table",
            fix="load the files that wait there first",
        )
    copy(source, free)


def _same(one: Path, other: Path) -> bool:
    """Return True if one file is a copy of another: both have the same time and content."""
    if not other.is_file():
        return False
    first, second = one.stat(), other.stat()
    if (first.st_size, first.st_mtime_ns) != (second.st_size, second.st_mtime_ns):
        return False
    return filecmp.cmp(one, other, shallow=False)


@contextmanager
def _held(workspace: Workspace, domain: Domain, *, everything: bool) -> Iterator[None]:
    """Open the databases of a domain with work, and repair what a killed load left behind.

    Files are listed only while the databases are held: another process may be loading them.
    """
    areas = workspace.project.areas
    ingesting = areas.ingesting(domain.name)
    if not waiting(areas.stage(domain.name)) and not is_used(ingesting):
        yield
        return
    _ = workspace.audit  # opened before any file is moved
    with workspace.turns(ingesting, domain.tables):
        settle_unfinished(workspace, domain, everything=everything)
        yield


def _warn_without_stage(workspace: Workspace, domain: Domain) -> None:
    """Warn about a missing stage area: either no file was ever staged, or files are staged to another folder."""
    folder = workspace.project.areas.stage(domain.name)
    if not folder.is_dir():
        place = workspace.project.domain_reader.place(domain.folder)
        logger.warning("%s: the stage area %s of the domain %s does not exist", place, folder, domain.name)


def _grouped(workspace: Workspace, domain: Domain) -> tuple[list[Group], list[Path], list[JobResult]]:
    """Return the ingestions of a domain in order, the files that match no table, and the failures of unusable ones."""
    application = workspace.project.application
    found: dict[str, list[Path]] = {table.name: [] for table in domain.tables}
    strangers = []
    files, broken = listed(workspace.project.areas.stage(domain.name))
    unusable = []
    for each in broken:
        table = domain.table_of(each.path.name)
        if table is None:
            strangers.append(each.path)
        else:
            name = printable(each.path.name)
            error = str(refusal(each))
            unusable.append(JobResult(domain.name, table.name, (name,), (), workspace.job_id(name), error=error))
            _tell_of_failure(workspace, table, unusable[-1])
    for file in sorted(files, key=lambda path: path.name) if application.files_by_name else files:
        table = domain.table_of(file.name)
        if table is None:
            strangers.append(file)
        else:
            found[table.name].append(file)
    groups = [group for table in domain.tables for group in _jobs(table, found[table.name], application)]
    return groups, strangers, unusable


def _jobs(table: Table, files: Sequence[Path], application: Application) -> Iterator[Group]:
    """Return one ingestion per file; for a grouped table one for as many files of one strategy as possible."""
    if not table.metadata.grouped:
        yield from ((table, (file,)) for file in files)
        return
    size = max(application.grouped_max, 1)
    adaptive = bool(table.metadata.write_strategy.types)
    for run in runs(table, files, application.timezone) if adaptive else [tuple(files)]:
        for start in range(0, len(run), size):
            yield table, run[start : start + size]


def _set_aside(workspace: Workspace, domain: Domain, strangers: Sequence[Path]) -> list[str]:
    """Move files that match no table to the unresolved area, and warn about them."""
    if not strangers:
        return []
    folder = workspace.project.areas.unresolved(domain.name)
    moved = []
    for file in strangers:
        with suppress(FileNotFoundError):  # another command took it
            keep(file, folder)
            moved.append(file.name)
    rules = FileRules(domain.name, tuple(FileRule.of(table) for table in domain.tables))
    if moved:
        stage = workspace.project.areas.stage(domain.name)
        logger.warning("%s", rules.complaint(moved, stage, f"they are moved to {folder}"))
    return moved
