"""A Starlake project, read on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.project.areas import Areas
from ai.starlake.project.databases.connections import find_connection
from ai.starlake.project.findings import Finding, ProjectError, attempt, nearest
from ai.starlake.project.lineage.sql_references import dialect_of
from ai.starlake.project.models import (
    STRATEGY_KINDS,
    Application,
    Connection,
    DagConfig,
    Domain,
    Table,
    Task,
    TransformDomain,
    TypeDefinition,
)
from ai.starlake.project.models.refs import TableRef
from ai.starlake.project.paths import read_text
from ai.starlake.project.reading.domain_files import SUFFIX, DomainReader
from ai.starlake.project.reading.invalid import Origin, build
from ai.starlake.project.reading.table_refs import read_refs
from ai.starlake.project.reading.task_files import TaskReader
from ai.starlake.project.reading.type_files import read_types
from ai.starlake.project.settings import Settings, macro_files, read_settings, strategy_files
from ai.starlake.project.templating.renderer import RUN_TIME

T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class Project:
    """A Starlake project.

    `read` reads the application and the env files; everything else is read on first use, each file once, so that a
    command on one table costs the same in a project with two thousand. Results are complete and valid, or a
    `StarlakeError` names the file and line at fault.
    """

    settings: Settings
    """Application, areas and variables, as read from the files."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Values of ``--options``: variables that take precedence over all others."""

    @classmethod
    def read(
        cls,
        root: Path | str,
        *,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Project:
        """Open the project in a folder.

        Args:
            root: Folder that contains ``metadata``.
            environment: The environment; the one of the process by default.
            options: The values of ``--options``: variables that take precedence over all others.

        Returns:
            The project; further files are read when they are needed.

        Raises:
            StarlakeError: If there is no project, or its application or env files are invalid.
        """
        chosen = MappingProxyType(dict(options or {}))
        return cls(read_settings(root, environment, chosen), chosen)

    def __repr__(self) -> str:
        """Return the folder only: variables may contain secrets."""
        return f"Project({self.areas.root!r})"

    @property
    def root(self) -> Path:
        """Folder of the project."""
        return self.settings.root

    @property
    def application(self) -> Application:
        """The settings."""
        return self.settings.application

    @property
    def environment(self) -> Mapping[str, str]:
        """Values of the variables in the project's files, from the environment of the process up to the options."""
        return self.settings.variables

    @property
    def areas(self) -> Areas:
        """Folders of data and metadata."""
        return self.settings.areas

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Warnings about the files read so far: old keys, unknown keys, undefined variables."""
        return (*self.settings.findings, *self.settings.store.findings, *self.settings.renderer.findings)

    @cached_property
    def types(self) -> Mapping[str, TypeDefinition]:
        """Types by name: packaged ones, then those of ``default.sl.yml``, then those of all other files."""
        return read_types(self.settings)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All domains with tables, in the order of their folders' names.

        Raises:
            ProjectError: With all findings in their files.
        """
        return self._all([partial(self.domain_reader.domain, folder) for folder in self.domain_reader.all()])

    @property
    def transforms(self) -> tuple[TransformDomain, ...]:
        """All folders of tasks, in the order of their names.

        Raises:
            ProjectError: With all findings in their files.
        """
        return self._all([partial(self.task_reader.domain, folder) for folder in self.task_reader.folders])

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in the order of their folders and names.

        Raises:
            ProjectError: With all findings in their files.
        """
        return tuple(task for domain in self.transforms for task in domain.tasks)

    def domain(self, name: str) -> Domain:
        """Return a domain with its tables, by the name of its folder or its own, ignoring case.

        Args:
            name: Name of the domain, or of its folder.

        Raises:
            StarlakeError: If it does not exist, or one of its files is invalid.
        """
        return self.domain_reader.domain(self.domain_reader.find_folder(name))

    def table(self, domain: str, table: str) -> Table:
        """Return a table, by the name of its file or its own, ignoring case; the domain's other tables are not read.

        Args:
            domain: Name of the domain, or of its folder.
            table: Name of the table, or of its file.

        Raises:
            StarlakeError: If it does not exist, or its files are invalid.
        """
        return self.domain_reader.find_table(self.domain_reader.find_folder(domain), table)

    def task(self, name: str) -> Task:
        """Return a task by ``domain.task``, ignoring case.

        Args:
            name: Name such as ``kpis.revenue``.

        Raises:
            StarlakeError: If it does not exist, or its files are invalid.
        """
        return self.task_reader.find(name)

    def type(self, name: str) -> TypeDefinition:
        """Return a type by its name.

        Args:
            name: Name such as ``long`` or ``email``.

        Raises:
            StarlakeError: If it does not exist, with the nearest existing name.
        """
        try:
            return self.types[name]
        except KeyError:
            fix = nearest(name, self.types) or "define it in metadata/types/types.sl.yml"
            raise PermanentError(f"the type {name} does not exist", fix=fix) from None

    @cached_property
    def macros(self) -> str:
        """All templates below ``metadata/expectations`` and ``metadata/macros``, as one string."""
        return "\n".join(read_text(file) for file in macro_files(self.settings))

    @cached_property
    def write_strategy_templates(self) -> Mapping[str, str]:
        """The project's own templates for DuckDB, by name in upper case."""
        return MappingProxyType({_strategy(file): read_text(file) for file in strategy_files(self.settings)})

    @cached_property
    def write_strategies(self) -> frozenset[str]:
        """Names of all write strategies, in upper case: Starlake's, and the project's own for any database."""
        folder = self.settings.folder("write-strategies", "SL_WRITE_STRATEGIES")
        own = {_strategy(file) for file in folder.glob("*/*.j2")}
        return frozenset(own | set(STRATEGY_KINDS))

    @cached_property
    def table_refs(self) -> tuple[TableRef, ...]:
        """Aliases of tables, which the SQL of tasks may use.

        Raises:
            ProjectError: If ``metadata/refs.sl.yml`` is invalid.
        """
        return read_refs(self.settings)

    @cached_property
    def dag_configs(self) -> Mapping[str, DagConfig]:
        """Configurations of DAG files by name; their strings are Jinja, not rendered.

        Raises:
            ProjectError: With all findings in their files.
        """
        files = sorted(self.settings.folder("dags", "SL_DAGS").glob(f"*{SUFFIX}"))
        configs = self._all([partial(self._dag_config, file) for file in files])
        return MappingProxyType({config.name: config for config in configs})

    def connection_of(self, item: Table | Task) -> Connection:
        """Return the connection that the rows of a table or task are written to.

        Args:
            item: A table or a task of the project.

        Raises:
            StarlakeError: If it does not exist, or none is selected.
        """
        if isinstance(item, Table):
            refs = self.application.load_refs(item.metadata.sink.connection_ref)
        else:
            refs = self.application.task_refs(item.sink.connection_ref, item.connection_ref)
        return find_connection(self.application, self.areas, *refs)

    def dialect_of(self, item: Table | Task) -> str:
        """Return sqlglot's name of the SQL dialect of a table or task; DuckDB's if the connection is unknown.

        Args:
            item: A table or a task of the project.
        """
        try:
            connection = self.connection_of(item)
        except StarlakeError:
            return "duckdb"
        return "duckdb" if connection.is_duckdb else dialect_of(connection.type, connection.url)

    def render(
        self,
        text: str,
        extra: Mapping[str, Any] | None = None,
        *,
        macros: bool = False,
        label: str = "the template",
        file: Path | None = None,
        planned: bool = False,
    ) -> str:
        """Render Jinja with the variables of the project.

        Args:
            text: The template.
            extra: Variables that take precedence over those of the project.
            macros: True if the macros of the project can be called.
            label: Description of the template, for error messages.
            file: Its file, for error messages.
            planned: True if it is rendered before it runs, so that variables of a run may have any value.

        Returns:
            The rendered string.

        Raises:
            ProjectError: If it uses an undefined variable, unless `Application.undefined_variables` allows it.
            StarlakeError: If the template cannot be rendered.
        """
        given = {**(extra or {})}
        if planned:
            given = {**{name: value for name, value in RUN_TIME.items() if name not in self.environment}, **given}
        return self.settings.renderer.render(
            text, label=label, file=file, extra=given, macros=self.macros if macros else ""
        )

    @cached_property
    def domain_reader(self) -> DomainReader:
        """Reader of domains and tables; for this package."""
        return DomainReader(self.settings, self.types, self.write_strategies)

    @cached_property
    def task_reader(self) -> TaskReader:
        """Reader of tasks; for this package."""
        return TaskReader(self.settings, self.write_strategies)

    def _dag_config(self, file: Path) -> DagConfig:
        content = self.settings.store.read(file, "dag", rendered=False)
        data = {**content.mapping(), "name": file.name.removesuffix(SUFFIX)}
        config = build(DagConfig, data, [Origin(content.document, ("dag",))]).model_copy(update={"file": file})
        unread = self.settings.store.errors([file])
        if unread:
            raise ProjectError(unread)
        return config

    @staticmethod
    def _all(calls: list[partial[T]]) -> tuple[T, ...]:
        """Return the results of all calls, or raise all of their findings."""
        findings: list[Finding] = []
        results = [attempt(call, findings) for call in calls]
        if findings:
            raise ProjectError(findings)
        return tuple(result for result in results if result is not None)


def _strategy(file: Path) -> str:
    return file.name.removesuffix(".j2").upper()
