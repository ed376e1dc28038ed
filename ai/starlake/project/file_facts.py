"""The few facts about a project that its commands need, without reading the whole project.

Works for any project that Starlake itself runs: BigQuery, Spark and Snowflake connections, settings for which this
package has no model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.outcomes.table_outcomes import TableOutcome
from ai.starlake.common.storage import Files
from ai.starlake.project.databases.connections import duckdb_file, find_connection
from ai.starlake.project.landing import FileRules, Landing
from ai.starlake.project.patterns import java_pattern
from ai.starlake.project.reading.domain_files import DomainReader, pattern_of
from ai.starlake.project.reading.store import FileContent
from ai.starlake.project.reading.task_files import TaskReader
from ai.starlake.project.settings import Settings, read_settings

if TYPE_CHECKING:
    from ai.starlake.project.audit.audit_outcomes import ItemOnRecord

AREAS = ("incoming", "stage", "ingesting", "archive", "unresolved", "replay")
"""The areas."""


class FileFacts:
    """Reads the application, the env files, and the one file of a table or task.

    Args:
        root: Folder or URI of the project.
        environment: The environment of the command; the one of this process by default.
        files: The file layer, for files of the project and of its areas.
    """

    def __init__(
        self, root: Path | str, environment: Mapping[str, str] | None = None, files: Files | None = None
    ) -> None:
        self._root = root
        self._environment = environment
        self.files = files or Files()
        self._duckdb_files: dict[tuple[str | None, ...], Path | None] = {}

    def duckdb_file(
        self, domain: str | None = None, table: str | None = None, *, task: str | None = None
    ) -> Path | None:
        """Return the DuckDB file that a load or a transform writes to.

        Args:
            domain: The domain of the loaded table; None for the default of the project.
            table: The loaded table; None for all tables of the domain.
            task: The task, as ``domain.task``.

        Returns:
            The file; None when the connection is not DuckDB's, when there is none (Starlake then writes files through
            Spark), and for DuckDB in memory. ``SL_DUCKDB_MODE``, ``SL_DUCKDB_PATH`` and ``SL_CONNECTION_REF`` are
            respected.

        Raises:
            StarlakeError: If the project cannot be read, or lacks the connection, domain, table or task.
        """
        application, areas = self._settings.application, self._settings.areas
        if not application.connections and not application.duckdb_mode:
            return None
        if task is not None:
            found = self._task_reader.find(task)
            refs = application.task_refs(found.sink.connection_ref, found.connection_ref)
        else:
            refs = application.load_refs(self._sink_ref(domain, table))
        if not any((*refs, application.duckdb_mode)):
            return None
        key = tuple(refs)
        if key not in self._duckdb_files:
            self._duckdb_files[key] = duckdb_file(find_connection(application, areas, *refs), areas)
        return self._duckdb_files[key]

    def table_pattern(self, domain: str, table: str) -> re.Pattern[str]:
        """Return the regular expression for the whole name of a file of a table.

        Raises:
            StarlakeError: If the project cannot be read, has no such table, or the pattern is invalid.
        """
        return java_pattern(pattern_of(self._table(domain, table)))

    def landing(self, domain: str) -> Landing:
        """Return the landing area of a domain, from which ``stage`` takes files.

        Raises:
            StarlakeError: If the project cannot be read or lacks the domain, or if its metadata names no directory.
        """
        return self._reader.landing(self._reader.find_folder(domain))

    def place(self, domain: str) -> str:
        """Return the first file and line of a domain, as ``file:line``.

        Raises:
            StarlakeError: If the project cannot be read or lacks the domain.
        """
        return self._reader.place(self._reader.find_folder(domain))

    def file_rules(self, domain: str) -> FileRules:
        """Return the file rules of a domain.

        Raises:
            StarlakeError: If the project cannot be read, lacks the domain, or the pattern of a table is missing.
        """
        return self._reader.file_rules(self._reader.find_folder(domain))

    @property
    def missing_folders_are_empty(self) -> bool:
        """True if a missing landing or stage area counts as an empty one.

        Raises:
            StarlakeError: If the project cannot be read.
        """
        return self._settings.application.missing_folders == "empty"

    @property
    def folders(self) -> Mapping[str, str]:
        """Variables with the folders of the project and its data: ``SL_ROOT``, ``SL_DATASETS``, ...

        Raises:
            StarlakeError: If the project cannot be read.
        """
        return self._settings.areas.variables()

    def area(self, name: str, domain: str) -> str:
        """Return the path or URI of a domain's part of an area.

        Args:
            name: One of `AREAS`.
            domain: The domain, by its folder or its name; its folders in the areas have its name. An unknown one is
                used unchanged.

        Raises:
            StarlakeError: If there is no such area, or the project cannot be read.
        """
        if name not in AREAS:
            raise PermanentError(f"there is no area {name}", fix=f"use one of {', '.join(AREAS)}")
        return self._settings.areas.address(name, self._domain_name(domain))

    def recorded_outcomes(self, names: Sequence[str], *, verb: str, job_id: str | None) -> tuple[TableOutcome, ...]:
        """Return the outcomes of tables and tasks from the audit.

        Args:
            names: Names of tables and tasks in commands; empty for all recorded ones.
            verb: ``load``, ``transform`` or ``job``; ``check`` for the last results of expectations alone.
            job_id: The JOBID of the command; None for the last one.

        Raises:
            StarlakeError: If the audit cannot be reached from here; its culprit is one sentence.
        """
        from ai.starlake.project.audit.audit_database import AuditUnreachableError
        from ai.starlake.project.audit.project_audit import audit_of_project

        items = [self._item_on_record(name, verb) for name in names]
        tables = ("expectations",) if verb == "check" else ("audit", "rejected", "expectations")
        try:
            audit = audit_of_project(self._settings)
            records = audit.records(tables, job_id, [(item.domain, item.table) for item in items])
        except AuditUnreachableError as error:
            raise StarlakeError(f"{error.culprit}: {error.cause}") from error
        if verb == "check":
            return tuple(map(records.last_checks, items))
        known = {(item.domain.lower(), item.table.lower()): item for item in items}

        def find(domain: str, table: str, paths: str) -> ItemOnRecord:
            item = known.get((domain.lower(), table.lower()))
            name = f"{domain}.{table}" if verb == "load" or "." not in paths else paths
            return item or self._item_on_record(name, verb)

        return tuple(records.outcomes(find, "LOAD" if verb == "load" else "TRANSFORM"))

    def _item_on_record(self, name: str, verb: str) -> ItemOnRecord:
        """Return a table or task with its names in the audit; the project may have lost its metadata since."""
        from ai.starlake.project.audit.audit_outcomes import ItemOnRecord

        domain, _, rest = name.rpartition(".")
        if verb in ("load", "check"):
            with suppress(StarlakeError):
                content = self._table(domain, rest).mapping()
                own = content.get("name")
                table = own if isinstance(own, str) else rest
                return ItemOnRecord(name, self._domain_name(domain), table, _expectations(content))
        with suppress(StarlakeError):
            task = self._task_reader.find(name)
            calls = tuple(one.expect for one in task.expectations)
            return ItemOnRecord(task.full_name, task.domain, task.table, calls)
        return ItemOnRecord(name, domain, rest, None)

    @cached_property
    def _settings(self) -> Settings:
        return read_settings(self._root, self._environment, strict=False, files=self.files)

    @cached_property
    def _reader(self) -> DomainReader:
        return DomainReader(self._settings, {}, frozenset())

    @cached_property
    def _task_reader(self) -> TaskReader:
        return TaskReader(self._settings, None)

    def _domain_name(self, domain: str) -> str:
        folder = next((name for name in self._reader.folders if name.lower() == domain.lower()), None)
        if folder is None:
            return domain
        data, _ = self._reader.config_data(folder)
        name = data.get("name")
        return name if isinstance(name, str) else folder

    def _table(self, domain: str, table: str) -> FileContent:
        folder = self._reader.find_folder(domain)
        files = self._reader.folder(folder).files
        return self._settings.store.read(files[self._reader.stem_of(folder, table)], "table")

    def _sink_ref(self, domain: str | None, table: str | None) -> str | None:
        """Return the connection of a table, else that of its domain."""
        if domain is None:
            return None
        own: dict[str, Any] = self._table(domain, table).mapping() if table else {}
        config, _ = self._reader.config_data(self._reader.find_folder(domain))
        for data in (own, config):
            metadata = data.get("metadata")
            sink = metadata.get("sink") if isinstance(metadata, dict) else None
            if isinstance(sink, dict):
                ref = sink.get("connectionRef")
                return ref if isinstance(ref, str) else None
        return None


def _expectations(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the expectations in the YAML of a table."""
    found = table.get("expectations")
    calls = (one.get("expect") if isinstance(one, dict) else one for one in found) if isinstance(found, list) else ()
    return tuple(call for call in calls if isinstance(call, str))
