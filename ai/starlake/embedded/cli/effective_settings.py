"""Effective settings of a project, from its files and its environment, secrets masked."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ai.starlake.common import StarlakeError
from ai.starlake.common.redaction import MASK, Redactor, mask_named_values, names_a_place, names_a_secret
from ai.starlake.project import Application, Project
from ai.starlake.project.dag_generation import own_variables
from ai.starlake.project.databases.connections import duckdb_file, find_connection
from ai.starlake.project.file_facts import AREAS

Sections = dict[str, dict[str, str]]
"""Names and values by section."""

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_SHORTEST_SECRET = 4
"""Minimum characters of a secret that is masked in other values too: a shorter one would mask half of the output."""
_PACKAGES = ("starlake-jobs", "duckdb", "sqlglot", "jinja2", "pydantic")
_SETTINGS = (
    "loader",
    "archive",
    "ack",
    "grouped",
    "empty_is_null",
    "replace_invalid_bytes",
    "cut_long_rows",
    "fail_on_misspelled_columns",
    "reject_all_on_error",
    "max_rejected",
    "drop_columns",
    "sink_replay_to_file",
    "timezone",
    "database",
    "tenant",
)


def resolved(project: Project) -> Sections:
    """Return the settings of a project.

    Args:
        project: The project.

    Returns:
        Strings by section and name; values with the name of a secret, or that contain one, are masked.
    """
    application = project.application
    mask = _Mask(project)
    sections = {
        "project": {
            "root": project.areas.root,
            "profile (SL_ENV)": project.settings.profile,
            "application": str(application.file or ""),
            "metadata": project.areas.metadata,
            "datasets": project.areas.datasets,
        },
        "areas": {name: project.areas.address(name) for name in AREAS},
        "connections": _connections(project),
        "settings": _settings(application),
        "variables": own_variables(project),
    }
    masked = {
        section: {name: mask(name, value) for name, value in values.items()} for section, values in sections.items()
    }
    return {**masked, "versions": _versions()}


def as_table(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Return the sections as a table: fitted to a terminal, otherwise one line per value."""
    from io import StringIO

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", box=SIMPLE_HEAD, show_edge=False)
    for section, values in sections.items():
        table.add_section()
        table.add_row(Text(section, style="bold"), "")
        for name, value in values.items():
            table.add_row(Text(f"  {name}"), Text(value, overflow="fold"))
    out = StringIO()
    terminal = sys.stdout.isatty()
    longest = max((len(value) for values in sections.values() for value in values.values()), default=0)
    width = None if terminal else 120 + longest
    Console(file=out, width=width, force_terminal=terminal).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


class _Mask:
    """Masks the secrets of a project.

    Args:
        project: The project, whose variables and connections contain them.
    """

    def __init__(self, project: Project) -> None:
        options = (item for each in project.application.connections.values() for item in each.options.items())
        variables = (item for item in project.environment.items() if not names_a_place(*item))
        named = [*variables, *options]
        self._redactor = Redactor(
            value for name, value in named if names_a_secret(name) and len(value) >= _SHORTEST_SECRET
        )

    def __call__(self, name: str, value: str) -> str:
        """Return the value, masked if it is a secret."""
        if names_a_secret(name):
            return MASK if value else ""
        return self._redactor.mask(_CREDENTIALS.sub(MASK, mask_named_values(value)))


def _connections(project: Project) -> dict[str, str]:
    application = project.application
    found = {
        "of loads": _chosen(project, application.load_refs()),
        "of transforms": _chosen(project, application.task_refs()),
    }
    for name, connection in application.connections.items():
        found[f"{name}: type"] = connection.type
        found.update({f"{name}: {option}": value for option, value in connection.options.items()})
    return found


def _chosen(project: Project, refs: tuple[str | None, ...]) -> str:
    """Return the connection in use and its file, or the error that prevents its use."""
    try:
        connection = find_connection(project.application, project.areas, *refs)
    except StarlakeError as error:
        return error.culprit
    file = duckdb_file(connection, project.areas)
    return f"{connection.name} ({file})" if file else connection.name


def _settings(application: Application) -> dict[str, str]:
    shown = {_camel(name): getattr(application, name) for name in _SETTINGS}
    shown |= {
        "audit.active": application.audit.active,
        "audit.domain": application.audit.domain,
        "audit.maxErrors": application.audit.max_errors,
        "expectations.active": application.expectations.active,
        "expectations.failOnError": application.expectations.fail_on_error,
        "dagRef.load": application.dag_ref.load,
        "dagRef.transform": application.dag_ref.transform,
    }
    return {name: _text(value) for name, value in shown.items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
