"""Settings of a project: its folders, its variables, its application."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ai.starlake.common import StarlakeError
from ai.starlake.common.storage import Files, local_path
from ai.starlake.project.areas import Areas
from ai.starlake.project.findings import Finding, ProjectError, Severity
from ai.starlake.project.models import Application
from ai.starlake.project.models.application import UNUSED_KEYS
from ai.starlake.project.models.enums import UndefinedVariables, UnknownKeys
from ai.starlake.project.paths import is_address, join
from ai.starlake.project.reading.documents import Document
from ai.starlake.project.reading.invalid import Origin, build, unknown_keys
from ai.starlake.project.reading.store import Store
from ai.starlake.project.templating.environment import clock_variables, resolve_variables
from ai.starlake.project.templating.renderer import Renderer, undefined_hint

_OVERRIDES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SL_CONNECTION_REF": ("connectionRef",),
        "SL_LOAD_CONNECTION_REF": ("loadConnectionRef",),
        "SL_TRANSFORM_CONNECTION_REF": ("transformConnectionRef",),
        "SL_LOADER": ("loader",),
        "SL_GROUPED": ("grouped",),
        "SL_GROUPED_MAX": ("groupedMax",),
        "SL_LOAD_STRATEGY": ("loadStrategyClass",),
        "SL_ARCHIVE": ("archive",),
        "SL_REJECT_ALL_ON_ERROR": ("rejectAllOnError",),
        "SL_MAX_REJECTED": ("maxRejected",),
        "SL_DROP_COLUMNS": ("dropColumns",),
        "SL_REJECT_WITH_VALUE": ("rejectWithValue",),
        "SL_VALIDATE_ON_LOAD": ("validateOnLoad",),
        "SL_SINK_REPLAY_TO_FILE": ("sinkReplayToFile",),
        "SL_EMPTY_IS_NULL": ("emptyIsNull",),
        "SL_REPLACE_INVALID_BYTES": ("replaceInvalidBytes",),
        "SL_CUT_LONG_ROWS": ("cutLongRows",),
        "SL_FAIL_ON_MISSPELLED_COLUMNS": ("failOnMisspelledColumns",),
        "SL_TIMEZONE": ("timezone",),
        "SL_DATABASE": ("database",),
        "SL_TENANT": ("tenant",),
        "SL_DUAL_MODE": ("duckdbMode",),
        "SL_DUCKDB_MODE": ("duckdbMode",),
        "SL_DUCKDB_PATH": ("duckdbPath",),
        "SL_MAX_UNPACKED_SIZE": ("maxUnpackedSize",),
        "SL_MISSING_FOLDERS": ("missingFolders",),
        "SL_SCD2_START_TIMESTAMP": ("scd2StartTimestamp",),
        "SL_SCD2_END_TIMESTAMP": ("scd2EndTimestamp",),
        "SL_JOB_ID_ENV_NAME": ("jobIdEnvName",),
        "SL_UNDEFINED_VARIABLES": ("undefinedVariables",),
        "SL_UNKNOWN_KEYS": ("unknownKeys",),
        "SL_AUDIT_ACTIVE": ("audit", "active"),
        "SL_AUDIT_DOMAIN": ("audit", "domain"),
        "SL_AUDIT_DOMAIN_EXPECTATION": ("audit", "domainExpectation"),
        "SL_AUDIT_DOMAIN_REJECTED": ("audit", "domainRejected"),
        "SL_AUDIT_SINK_CONNECTION_REF": ("audit", "sink", "connectionRef"),
        "SL_DETAILED_LOAD_AUDIT": ("audit", "detailedLoadAudit"),
        "SL_EXPECTATIONS_ACTIVE": ("expectations", "active"),
        "SL_EXPECTATIONS_FAIL_ON_ERROR": ("expectations", "failOnError"),
        "SL_DAG_REF_LOAD": ("dagRef", "load"),
        "SL_DAG_REF_TRANSFORM": ("dagRef", "transform"),
        "SL_INCOMING": ("area", "incoming"),
        "SL_AREA_INCOMING": ("area", "incoming"),
        "SL_AREA_STAGE": ("area", "stage"),
        "SL_AREA_UNRESOLVED": ("area", "unresolved"),
        "SL_AREA_ARCHIVE": ("area", "archive"),
        "SL_AREA_INGESTING": ("area", "ingesting"),
        "SL_AREA_REPLAY": ("area", "replay"),
    }
)
"""Environment variables and the keys of the application that they set. A variable takes precedence over the file."""


@dataclass(frozen=True)
class Settings:
    """Settings of a project.

    Attributes:
        root: The project's folder.
        application: Its settings.
        variables: Variables for Jinja in its files.
        areas: Its folders.
        renderer: Renders its files.
        store: Its files.
        profile: The name of the env profile, ``SL_ENV``; empty without one.
        findings: Warnings about the application and the env files.
    """

    root: Path
    application: Application
    variables: Mapping[str, str] = field(repr=False)  # it includes the environment of the process, and its secrets
    areas: Areas
    renderer: Renderer = field(repr=False)
    store: Store = field(repr=False)
    profile: str
    findings: tuple[Finding, ...]

    @property
    def files(self) -> Files:
        """The file layer of the project."""
        return self.areas.files

    @property
    def metadata(self) -> Path:
        """Metadata folder."""
        return self.files.path(self.areas.metadata)

    def folder(self, name: str, variable: str) -> Path:
        """Return a metadata folder, which an environment variable may move."""
        return self.files.path(join(self.areas.metadata, self.variables.get(variable) or name))


def read_settings(
    root: Path | str,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    *,
    strict: bool = True,
    files: Files | None = None,
) -> Settings:
    """Read the application and the env files of a project, and nothing else.

    Args:
        root: Folder or URI of the project; ``~`` is not expanded.
        environment: The environment; the one of the process by default.
        options: The values of ``--options``: variables that take precedence over all others.
        strict: True if an unknown key of the application is an error, as in Starlake.
        files: The file layer.

    Raises:
        StarlakeError: If there is no project, or these files are invalid.
    """
    environment = os.environ if environment is None else environment
    options = options or {}
    files = files or Files()
    address = _absolute(root)
    metadata = join(address, environment.get("SL_METADATA") or "metadata")
    folder = files.path(metadata)
    if not files.is_folder(folder):
        raise StarlakeError(
            f"{address} is not a Starlake project",
            cause=f"it has no folder {metadata}",
            fix="set SL_ROOT to the folder that holds the project's metadata folder",
        )
    folders = {
        "SL_ROOT": address,
        "SL_METADATA": metadata,
        "SL_DATASETS": join(address, environment.get("SL_DATASETS") or "datasets"),
    }
    env = _variables(folder, {**environment, **folders}, options)
    # undefined names are collected before it is known whether the application allows them
    lenient = Renderer({**env.values, **folders}, UndefinedVariables.WARN)
    try:
        application, more = _application(folder / "application.sl.yml", lenient, environment, strict=strict)
    except ProjectError as error:
        undefined = [replace(each, severity=Severity.ERROR) for each in (*env.undefined, *lenient.findings)]
        raise ProjectError([*undefined, *error.findings]) from error
    undefined = _undefined((*env.undefined, *lenient.findings), application.undefined_variables, strict=strict)
    told = _unread((*env.findings, *more), application.unknown_keys, strict=strict)
    datasets = environment.get("SL_DATASETS") or application.datasets or "datasets"
    areas = Areas(address, join(address, datasets), metadata, application.area, files)
    final = MappingProxyType({**env.values, **areas.variables()})
    own = env.own | areas.variables().keys()
    renderer = Renderer(
        final, application.undefined_variables, own, lambda: [*macro_files(settings), *strategy_files(settings)]
    )
    settings = Settings(
        files.path(address),
        application,
        final,
        areas,
        renderer,
        Store(renderer, application.unknown_keys),
        env.profile,
        (*told, *undefined),
    )
    return settings


def macro_files(settings: Settings) -> list[Path]:
    """Return the files with macros: templates below ``metadata/expectations`` and ``metadata/macros``."""
    folders = (settings.folder("expectations", "SL_EXPECTATIONS"), settings.folder("macros", "SL_MACROS"))
    return [file for folder in folders for file in sorted(folder.rglob("*")) if file.name.endswith(MACRO_ENDINGS)]


def strategy_files(settings: Settings) -> list[Path]:
    """Return the project's own templates of write strategies for DuckDB."""
    folder = settings.folder("write-strategies", "SL_WRITE_STRATEGIES") / "duckdb"
    return sorted(folder.glob("*.j2"))


MACRO_ENDINGS = (".j2", ".jinja", ".jinja2", ".sql")
"""Suffixes of files with macros."""


def _absolute(root: Path | str) -> str:
    text = str(root)
    local = None if is_address(text) else local_path(root)
    return text.rstrip("/") if local is None else str(local.absolute())


class _Env(NamedTuple):
    """Variables of the env files."""

    values: dict[str, str]
    own: frozenset[str]
    """Names that the environment of the process does not define."""
    profile: str
    findings: list[Finding]
    undefined: list[Finding]
    """A warning for each reference to an undefined variable."""


def _variables(folder: Path, environment: Mapping[str, str], options: Mapping[str, str]) -> _Env:
    base = _env_file(folder / "env.sl.yml")
    profile = options.get("SL_ENV") or environment.get("SL_ENV") or base.values.get("SL_ENV") or ""
    over = _EnvFile(None, {}, [])
    if profile:
        over = _env_file(folder / f"env.{profile}.sl.yml")
        # the active profile, not the one that the base file would have selected
        over.values["SL_ENV"] = profile
    layers = [environment, clock_variables(datetime.now().astimezone()), base.values, over.values, options]
    resolved = resolve_variables(layers)
    documents = {2: base.document, 3: over.document}
    undefined = []
    for layer, variable, name, used in resolved.missing:
        if not used:
            continue
        document = documents.get(layer)
        message = f"the variable {name} is not defined; {variable} refers to it"
        known = [each for each in resolved.values if each != variable]
        line = document.line(("env", variable)) if document is not None else 0
        file = document.file if document is not None else None
        undefined.append(Finding(file, line, message, undefined_hint(name, known), Severity.WARNING))
    own = frozenset().union(*layers[1:])
    return _Env(resolved.values, own, profile, [*base.findings, *over.findings], undefined)


def _undefined(findings: Sequence[Finding], policy: UndefinedVariables, *, strict: bool) -> list[Finding]:
    """Return findings about undefined variables in the env files and the application.

    Raises:
        ProjectError: If they are errors.
    """
    if not strict or policy is UndefinedVariables.EMPTY:
        return []
    if findings and policy is UndefinedVariables.ERROR:
        raise ProjectError([replace(each, severity=Severity.ERROR) for each in findings])
    return list(findings)


def _unread(findings: Sequence[Finding], policy: UnknownKeys, *, strict: bool) -> list[Finding]:
    """Return findings about the env files and the application; errors are about unknown keys.

    Raises:
        ProjectError: If the project does not allow unknown keys.
    """
    errors = [finding for finding in findings if finding.is_error]
    if errors and strict and policy is UnknownKeys.ERROR:
        raise ProjectError(errors)
    ignored = policy is UnknownKeys.IGNORE or not strict
    return [replace(each, severity=Severity.WARNING) for each in findings if not (each.is_error and ignored)]


class _EnvFile(NamedTuple):
    document: Document | None
    values: dict[str, str]
    findings: list[Finding]


def _env_file(file: Path) -> _EnvFile:
    """Return the variables of an env file; empty if it does not exist, which Starlake allows."""
    if not file.is_file():
        return _EnvFile(None, {}, [])
    content = Store(Renderer({})).read(file, "env", rendered=False)
    values = content.mapping()
    wrong = [
        content.document.finding(("env", name), f"{name} must be a string", "env files contain names and strings only")
        for name, value in values.items()
        if not isinstance(value, str)
    ]
    if wrong:
        raise ProjectError(wrong)
    return _EnvFile(content.document, dict(values), list(content.findings))


def _application(
    file: Path, renderer: Renderer, environment: Mapping[str, str], *, strict: bool
) -> tuple[Application, list[Finding]]:
    data: dict[str, Any] = {}
    origins = [Origin(Document(file, {}, {}), ())]
    findings: list[Finding] = []
    if file.is_file():
        content = Store(renderer).read(file, "application")
        data = content.mapping()
        origins = [Origin(content.document, ("application",))]
        findings = list(content.findings)
        unknown = list(unknown_keys(Application, data, content.document, ("application",), UNUSED_KEYS))
        if unknown and strict:
            raise ProjectError(unknown)
    for name, path in _OVERRIDES.items():
        if environment.get(name):
            data = _with(data, path, environment[name])
    application = build(Application, data, origins)
    return application.model_copy(update={"file": file if file.is_file() else None}), findings


def _with(data: dict[str, Any], path: tuple[str, ...], value: str) -> dict[str, Any]:
    """Return a copy of nested data with one value set."""
    key, *rest = path
    if not rest:
        return {**data, key: value}
    below = data.get(key)
    return {**data, key: _with(below if isinstance(below, dict) else {}, tuple(rest), value)}
