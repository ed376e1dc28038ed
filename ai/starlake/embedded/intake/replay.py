"""The verbs ``replay`` and ``rejects``: rejected rows, and loading them again.

With ``sinkReplayToFile`` each load keeps its rejected rows, unchanged, in the replay area. A file there is loaded once:
it goes to the archive like any loaded file, and back to the replay area on failure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.outcomes.reject_reasons import reject_reasons
from ai.starlake.common.outcomes.table_outcomes import LoadedFile, StarlakeCounts, TableOutcome
from ai.starlake.embedded.areas.area_files import waiting
from ai.starlake.embedded.areas.killed_loads import settle_unfinished
from ai.starlake.embedded.intake.ingestion import Ingestion
from ai.starlake.embedded.outcome_notes import failed_outcome
from ai.starlake.embedded.reporting import EngineReporter
from ai.starlake.embedded.results import JobResult, LoadResult
from ai.starlake.embedded.selection import Selection
from ai.starlake.embedded.workspace import Workspace
from ai.starlake.project import Domain, Table, WriteStrategy
from ai.starlake.project.models.enums import Format
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY

logger = logging.getLogger(__name__)

_OF_THE_FILE = frozenset({"encoding", "charset", "skiprows"})
"""Options about features that a replay file does not have: it is UTF-8, and begins with its header."""


def replay(workspace: Workspace, selection: Selection, reporter: EngineReporter) -> LoadResult:
    """Load the rejected rows in the replay area.

    Args:
        workspace: The project and its databases.
        selection: The domains and tables.
        reporter: Receives events.

    Returns:
        The ingestions. The files of failed ones are back in the replay area.
    """
    jobs: list[JobResult] = []
    for domain in selection.domains(workspace.project):
        folder = workspace.project.areas.replay(domain.name)
        tables = tuple(table for table in domain.tables if any(_files_of(folder, table)))
        if tables:
            jobs += _replayed(workspace, domain.model_copy(update={"tables": tables}), folder, reporter)
    return LoadResult(tuple(jobs))


def _replayed(workspace: Workspace, domain: Domain, folder: Path, reporter: EngineReporter) -> Iterator[JobResult]:
    _ = workspace.audit  # opened before any file is moved
    with workspace.turns(workspace.project.areas.ingesting(domain.name), domain.tables):
        settle_unfinished(workspace, domain, everything=False)
        for table in domain.tables:
            for file in _files_of(folder, table):
                job = _loaded(workspace, table, file, reporter)
                if job is not None:
                    yield job


def _loaded(workspace: Workspace, table: Table, file: Path, reporter: EngineReporter) -> JobResult | None:
    """Load a replay file; None if its rows must not be loaded any more."""
    try:
        strategy = replay_strategy(table)
        if strategy != table.metadata.write_strategy and _is_superseded(workspace, table, file):
            logger.warning(
                "%s is not loaded: a later load has replaced the rows of its file in %s", file, table.full_name
            )
            return None
    except StarlakeError as error:
        job = JobResult(table.domain, table.name, (file.name,), (), workspace.job_id(file.name), error=str(error))
        if workspace.outcomes.wanted:
            workspace.outcomes.add(failed_outcome(workspace.project, table, job))
        return job
    reporter.loading(table, (file,))
    job = Ingestion(workspace, as_replayed(table, strategy), (file,), replayed=True).run()
    reporter.loaded(job)
    return job


def replay_strategy(table: Table) -> WriteStrategy:
    """Return the write strategy for rejected rows: APPEND if the table's own would remove the accepted ones.

    Raises:
        StarlakeError: If the table's strategy depends on the name of the file, or is the project's own.
    """
    strategy = table.metadata.write_strategy
    if strategy.types or strategy.kind.is_own:
        raise PermanentError(
            f"the rejected rows of {table.full_name} cannot be replayed",
            cause=f"its write strategy is {'adaptive' if strategy.types else strategy.effective_type}, and what that "
            "does to the accepted rows is not known",
            fix="give the replay file a name that matches the table's pattern, and load it as a file of the table",
        )
    if strategy.kind.replaces_table or strategy.kind.needs_partition:
        return WriteStrategy(type=DEFAULT_STRATEGY)
    return strategy


def as_replayed(table: Table, strategy: WriteStrategy) -> Table:
    """Return the table for replay files: UTF-8, no lines above the header, JSON documents for PARQUET.

    Args:
        table: The table.
        strategy: The write strategy.
    """
    metadata = table.metadata
    options = {name: value for name, value in metadata.options.items() if name.lower() not in _OF_THE_FILE}
    kind = Format.JSON if metadata.format is Format.PARQUET else metadata.format
    changes = {"options": options, "encoding": "UTF-8", "format": kind, "write_strategy": strategy}
    return table.model_copy(update={"metadata": metadata.model_copy(update=changes)})


def _is_superseded(workspace: Workspace, table: Table, file: Path) -> bool:
    """Return True if a later load has replaced the rows that were accepted from the same file.

    Raises:
        StarlakeError: If that is unknown.
    """
    audit = workspace.audit
    if not audit.active:
        raise PermanentError(
            f"{file} cannot be replayed",
            cause=f"{table.full_name} is overwritten by each load, and without an audit later ones are unknown",
            fix="set audit.active to true in the application",
        )
    last = audit.last_load(table.domain, table.name)
    return last is not None and last > _written(file)


def _written(file: Path) -> datetime:
    """Return the time at which a replay file was written, UTC: that in its name or its mtime, the earlier one."""
    changed = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc).replace(tzinfo=None)
    stamp = file.name.rpartition(".")[0].rpartition(".")[2].partition("-")[0]
    return min(changed, datetime.strptime(stamp, "%Y%m%d%H%M%S") + timedelta(seconds=1))  # noqa: DTZ007  it is UTC


def _files_of(folder: Path, table: Table) -> list[Path]:
    """Return the replay files of a table, oldest first."""
    name = re.compile(rf"{re.escape(table.full_name)}\.(\d{{14}})(?:-(\d+))?\.replay")
    found = [(match[1], int(match[2] or 1), file) for file in waiting(folder) if (match := name.fullmatch(file.name))]
    return [file for _, _, file in sorted(found)]


def rejected_rows(
    workspace: Workspace, selection: Selection, *, since: datetime | None = None, job_id: str | None = None
) -> tuple[TableOutcome, ...]:
    """Return the rejected rows in the audit, and the files in the replay area.

    Args:
        workspace: The project and its databases.
        selection: The domains and tables.
        since: Earliest start of the loads, UTC.
        job_id: The JOBID of the loads; all by default.

    Returns:
        The outcome of each table with rejected rows, or with files in the replay area: counts, reasons, those files.
    """
    found = []
    for domain in selection.domains(workspace.project):
        folder = workspace.project.areas.replay(domain.name)
        for table in domain.tables:
            counts, errors = workspace.audit.loads(table.domain, table.name, since=since, job_id=job_id)
            files = tuple(LoadedFile(file.name, file.stat().st_size) for file in _files_of(folder, table))
            if counts[2] or files:
                found.append(
                    TableOutcome(
                        table.full_name,
                        StarlakeCounts(*counts),
                        checks_unknown="only rejected rows were asked for",
                        reasons=reject_reasons(errors),
                        files=files,
                        audit_id=job_id,
                    )
                )
    return tuple(found)
