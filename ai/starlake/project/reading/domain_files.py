"""Read the domains and tables below ``metadata/load``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.project.checks.model_checks import Types, check_table, errors
from ai.starlake.project.databases.connections import find_connection
from ai.starlake.project.findings import Finding, ProjectError, attempt, nearest
from ai.starlake.project.landing import FileRule, FileRules, Landing, landing_folder
from ai.starlake.project.models import Domain, Loader, Table
from ai.starlake.project.reading.documents import Document, KeyPath
from ai.starlake.project.reading.invalid import Origin, build, finding_of
from ai.starlake.project.reading.store import FileContent
from ai.starlake.project.reading.type_files import type_files
from ai.starlake.project.settings import Settings

SUFFIX = ".sl.yml"
CONFIG = f"_config{SUFFIX}"


class DomainFolder(NamedTuple):
    """A folder of tables: its ``_config`` and the files of its tables by their stem."""

    path: Path
    config: Path | None
    files: dict[str, Path]


class DomainReader:
    """Reads domains and tables on demand, each file once.

    Args:
        settings: The settings of the project.
        types: The project's types, read with the first table.
        strategies: The names of all write strategies.
    """

    def __init__(self, settings: Settings, types: Types, strategies: frozenset[str]) -> None:
        self._settings = settings
        self._types = types
        self._strategies = strategies
        self._tables: dict[Path, Table] = {}
        self._folders: dict[str, DomainFolder] = {}
        self._configs: dict[str, Domain] = {}

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Folders of the domains by name, in the order of their names."""
        load = self._settings.metadata / "load"
        return {path.name: path for path in _sorted(load) if path.is_dir()}

    @cached_property
    def _type_files(self) -> tuple[Path, ...]:
        return tuple(type_files(self._settings))

    def folder(self, name: str) -> DomainFolder:
        """Return the files of a domain's folder, including its subfolders."""
        if name not in self._folders:
            path = self.folders[name]
            files = sorted(path.rglob(f"*{SUFFIX}"), key=lambda file: file.name)
            tables: dict[str, Path] = {}
            for file in files:
                stem = file.name.removesuffix(SUFFIX)
                if not stem.startswith("_config") and tables.setdefault(stem, file) != file:
                    message = f"{tables[stem]} is a file of the table {stem} too"
                    raise ProjectError([Finding(file, 0, message, "remove or rename one of the two")])
            config = path / CONFIG
            self._folders[name] = DomainFolder(path, config if config.is_file() else None, tables)
        return self._folders[name]

    def find_folder(self, name: str) -> str:
        """Return the name of the folder of a domain.

        Args:
            name: The domain's name, the name of its folder, or its name in the database; ignoring case.

        Raises:
            StarlakeError: If there is no such domain, with the nearest existing name.
        """
        lowered = {folder.lower(): folder for folder in self.folders}
        if name in self.folders or name.lower() in lowered:
            return name if name in self.folders else lowered[name.lower()]
        broken: list[Finding] = []
        names: list[str] = []
        for folder in self.folders:
            config = attempt(partial(self.config, folder), broken)
            if config is None:
                continue
            names += [config.name, config.final_name]
            if name.lower() in (config.name.lower(), config.final_name.lower()):
                return folder
        if broken:
            raise ProjectError(broken)
        raise PermanentError(
            f"the domain {name} does not exist",
            cause=f"no folder of {self._settings.areas.metadata}/load has this name",
            fix=nearest(name, {*self.folders, *names}) or "add a folder for it",
        )

    def config(self, folder: str) -> Domain:
        """Return a domain without its tables."""
        if folder not in self._configs:
            data, origins = self.config_data(folder)
            metadata = data.get("metadata", {})
            if isinstance(metadata, dict):
                metadata = {**self._defaults(), **metadata}
            merged = {"name": folder, **data, "folder": folder, "metadata": metadata, "tables": ()}
            domain = build(Domain, merged, origins)
            self._configs[folder] = domain.model_copy(update={"file": self.folder(folder).config})
        return self._configs[folder]

    def landing(self, folder: str) -> Landing:
        """Return the landing area of a domain.

        Raises:
            ProjectError: If its metadata has none.
        """
        data, (origin,) = self.config_data(folder)
        directory = _metadata(data).get("directory")
        name = str(data.get("name") or folder)
        if not isinstance(directory, str) or not directory.strip():
            hint = "set load.metadata.directory to the folder in which its files arrive"
            message = f"the domain {name} has no landing area"
            raise ProjectError([origin.document.finding(("load", "metadata", "directory"), message, hint)])
        line = origin.document.line(("load", "metadata", "directory"))
        return Landing(
            name, landing_folder(self._settings.areas.root, directory.strip()), f"{origin.document.file}:{line}"
        )

    def place(self, folder: str) -> str:
        """Return the first file and line of a domain, as ``file:line``; its folder if it has no file."""
        if self.folder(folder).config is None:
            return str(self.folder(folder).path)
        _, (origin,) = self.config_data(folder)
        return f"{origin.document.file}:{origin.document.line(('load',))}"

    def file_rules(self, folder: str) -> FileRules:
        """Return the file rules of a domain; no more than needed is read of the tables.

        Raises:
            ProjectError: If a file of the domain cannot be read, or the pattern of a table is missing.
        """
        config, _ = self.config_data(folder)
        above = {"ack": self._settings.application.ack, **_metadata(config)}
        rules = []
        for stem, file in self.folder(folder).files.items():
            content = self._settings.store.read(file, "table")
            data = content.mapping()
            ack = {**above, **_metadata(data)}.get("ack")
            rules.append(FileRule(str(data.get("name") or stem), stem, pattern_of(content), str(ack) if ack else None))
        return FileRules(str(config.get("name") or folder), tuple(rules))

    def domain(self, folder: str) -> Domain:
        """Return a domain with its tables.

        Raises:
            ProjectError: If a file of the domain is invalid; with all findings in all files.
        """
        domain = self.config(folder)
        findings: list[Finding] = []
        tables = [attempt(partial(self.table, folder, stem), findings) for stem in self.folder(folder).files]
        if findings:
            raise ProjectError(findings)
        return domain.model_copy(update={"tables": tuple(tables)})

    def find_table(self, folder: str, name: str) -> Table:
        """Return a table by the name of its file, else by its own or its final name; ignoring case.

        Raises:
            StarlakeError: If there is no such table, with the nearest existing name.
        """
        return self.table(folder, self.stem_of(folder, name))

    def stem_of(self, folder: str, name: str) -> str:
        """Return the stem of the file of a table; other files are read only if no file has the name.

        Raises:
            StarlakeError: If there is no such table, with the nearest existing name.
        """
        files = self.folder(folder).files
        stem = name if name in files else next((stem for stem in files if stem.lower() == name.lower()), None)
        if stem is not None:
            return stem
        broken: list[Finding] = []
        known = set(files)
        for candidate, file in files.items():
            content = attempt(partial(self._settings.store.read, file, "table"), broken)
            data = content.data if content is not None and isinstance(content.data, dict) else {}
            names = {str(data[key]) for key in ("name", "rename") if key in data}
            if name.lower() in {each.lower() for each in names}:
                return candidate
            known |= names
        if broken:
            raise ProjectError(broken)
        raise PermanentError(
            f"the table {folder}.{name} does not exist",
            cause=f"there is no {name}{SUFFIX} in {self.folder(folder).path}",
            fix=nearest(name, known) or "add a file for it",
        )

    def table(self, folder: str, stem: str) -> Table:
        """Return the table of a file.

        Raises:
            ProjectError: If the file is invalid.
        """
        file = self.folder(folder).files[stem]
        if file not in self._tables:
            table, document = self.build_table(folder, file)
            read = (file, self.folder(folder).config, *self._type_files)
            checked = check_table(table, document, self._types, self._strategies)
            wrong = [*self._settings.store.errors(read), *errors(checked)]
            if wrong:
                raise ProjectError(wrong)
            self._tables[file] = table
        return self._tables[file]

    def finding(self, table: Table, path: KeyPath, message: str, hint: str) -> Finding:
        """Return a finding about a setting of a table, in the file that has it: that of the table or of its domain.

        Args:
            table: The table.
            path: The keys of the setting below ``table``.
            message: The problem.
            hint: The fix.
        """
        if table.file is None:
            return Finding(None, 0, message, hint)
        content = self._settings.store.read(table.file, "table")
        config = self._config_origins(self.find_folder(table.domain))
        return finding_of([Origin(content.document, ("table",)), *config], path, message, hint)

    def build_table(self, folder: str, file: Path) -> tuple[Table, Document]:
        """Return the table of a file, not yet checked against the rest of the project."""
        content = self._settings.store.read(file, "table")
        domain = self.config(folder)
        stem = file.name.removesuffix(SUFFIX)
        data = content.mapping()
        origins = [Origin(content.document, ("table",)), *self._config_origins(folder)]
        own = data.get("metadata", {})
        if isinstance(own, dict):
            data = {**data, "metadata": self._metadata(folder, own)}
        named = {"name": stem, "domain": domain.name, "domainFinalName": domain.final_name, "fileStem": stem}
        table = build(Table, {**named, **data, **{key: named[key] for key in _READER_KEYS}}, origins)
        return table.model_copy(update={"file": file}), content.document

    def config_data(self, folder: str) -> tuple[dict[str, Any], list[Origin]]:
        """Return the content of the ``_config`` of a folder, and its origin; empty if there is no such file."""
        file = self.folder(folder).config
        if file is None:
            return {}, [Origin(Document(self.folders[folder] / CONFIG, {}, {}), ("load",))]
        content: FileContent = self._settings.store.read(file, "load")
        return content.mapping(), [Origin(content.document, ("load",))]

    def _config_origins(self, folder: str) -> list[Origin]:
        _, origins = self.config_data(folder)
        return [Origin(origin.document, ("load", "metadata"), ("metadata",)) for origin in origins]

    def _metadata(self, folder: str, own: dict[str, Any]) -> dict[str, Any]:
        """Return the metadata of a table: its own keys override its domain's, and those the application's."""
        inherited = self.config_data(folder)[0].get("metadata", {})
        merged = {**self._defaults(), **inherited, **own}
        if "loader" not in inherited and "loader" not in own:
            merged["loader"] = self._loader(merged)
        everywhere = self._settings.application.dsv_options
        if everywhere and str(merged.get("format") or "DSV").upper() == "DSV":
            merged["options"] = {**(merged.get("options") or {}), **everywhere}
        return merged

    def _defaults(self) -> dict[str, Any]:
        application = self._settings.application
        defaults = {
            "ack": application.ack,
            "emptyIsNull": application.empty_is_null,
            "replaceInvalidBytes": application.replace_invalid_bytes,
            "cutLongRows": application.cut_long_rows,
            "failOnMisspelledColumns": application.fail_on_misspelled_columns,
            "loader": application.loader,
            "grouped": application.grouped,
            "dropColumns": application.drop_columns,
            "maxRejected": application.max_rejected,
            "dagRef": application.dag_ref.load,
        }
        return {key: value for key, value in defaults.items() if value is not None}

    def _loader(self, metadata: dict[str, Any]) -> Loader:
        """Return the loader of a table's connection, else that of the application."""
        application = self._settings.application
        sink = metadata.get("sink")
        ref = sink.get("connectionRef") if isinstance(sink, dict) else None
        refs = application.load_refs(ref)
        try:
            loader = (find_connection(application, self._settings.areas, *refs).loader or "").lower()
        except StarlakeError:
            return application.loader
        return next((member for member in Loader if member.value == loader), application.loader)

    def all(self) -> Iterator[str]:
        """Yield the folders with tables; a folder without any is not a domain."""
        return (folder for folder in self.folders if self.folder(folder).files)


_READER_KEYS = ("domain", "domainFinalName", "fileStem")


def pattern_of(content: FileContent) -> str:
    """Return the pattern of a table.

    Raises:
        ProjectError: If it is missing.
    """
    pattern = content.mapping().get("pattern")
    if not isinstance(pattern, str):
        raise ProjectError([content.document.finding(("table",), "pattern is missing", "add pattern:")])
    return pattern


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    metadata = data.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _sorted(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
