"""Write docs/reference/*.md after the code: `make docs-reference`. A test compares them."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from ai.starlake.airflow.airflow_options import AirflowOptions
from ai.starlake.airflow.cli import main as starlake_airflow
from ai.starlake.dagster.cli import main as starlake_dagster
from ai.starlake.dagster.shell import ShellOptions
from ai.starlake.embedded.cli.main import starlake as starlake_embedded
from ai.starlake.gcp.cloud_run.cloud_run_options import CloudRunOptions
from ai.starlake.gcp.dataproc.dataproc_options import DataprocOptions
from ai.starlake.gcp.gcp_options import GcpOptions
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.asset_options import AssetOptions
from ai.starlake.orchestration.cli import pipelines
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
KINDS = {
    bool: "`true`, `false`",
    dict: "mapping",
    float: "number",
    int: "whole number",
    list: "list",
    tuple: "list",
}
INTRODUCTION = """\
Each class of jobs takes its options as a mapping, as in `StarlakeDagsterShellJob(options={...})`. The job reads them
once, when it is constructed. An unknown name is a warning with the nearest known one; a wrong value is an error that
says what is accepted. An option whose name is in upper case is read from the environment if it is not given."""
GENERATED = "<!-- `make docs-reference` writes this page after the code. -->"

Section = tuple[str, str, "type[BaseModel]", "type[BaseModel] | None"]
SECTIONS: Sequence[Section] = [
    ("All jobs", "Every class of jobs, whatever runs its commands.", JobOptions, None),
    ("Processes", "Commands as processes: `StarlakeDagsterShellJob`.", ShellOptions, JobOptions),
    (
        "Google Cloud",
        "Both `StarlakeDagsterDataprocJob` and `StarlakeDagsterCloudRunJob`. See [Google Cloud](../gcp.md).",
        GcpOptions,
        JobOptions,
    ),
    ("Cloud Run", "Commands as executions of a Cloud Run job.", CloudRunOptions, GcpOptions),
    ("Dataproc", "Commands as Spark jobs on a cluster.", DataprocOptions, GcpOptions),
    (
        "Pipelines",
        "Pipelines of generated and of hand-written DAG files. See [scheduling](../scheduling.md).",
        OrchestrationOptions,
        JobOptions,
    ),
    ("Assets", "Tables and tasks as assets. See [assets](../assets.md).", AssetOptions, JobOptions),
    ("Facade", "The runs of another scheduler. See [the facade](../facade.md).", TrackingOptions, JobOptions),
    ("Airflow", "Jobs for Airflow, besides those above. See [Airflow](../airflow.md).", AirflowOptions, JobOptions),
]
PROGRAMS: Sequence[tuple[str, click.Group]] = [
    ("starlake-dagster", starlake_dagster),
    ("starlake-embedded", starlake_embedded),
    ("starlake-airflow", starlake_airflow),
    ("python -m ai.starlake.orchestration", pipelines),
]


def accepted(annotation: Any) -> str:
    """Return what an option accepts, in words."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return accepted(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(accepted(each) for each in arguments if each is not type(None)))
    return KINDS.get(origin, "string")


def default_of(field: FieldInfo) -> str:
    """Return the default of an option as a user writes it."""
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, enum.Enum):
        default = default.value
    if default in (None, "", {}) or str(default) == "current":
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def names_of(name: str, field: FieldInfo) -> str:
    """Return the name of an option, and its other names."""
    aliases = field.validation_alias
    others = [str(each) for each in aliases.choices] if isinstance(aliases, AliasChoices) else []
    return ", ".join(f"`{each}`" for each in dict.fromkeys([name, *others]))


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def options_page() -> str:
    """Return the page of all options of jobs."""
    parts = [f"{GENERATED}\n\n# Options of jobs", INTRODUCTION]
    for title, text, model, base in SECTIONS:
        known = set(base.model_fields) if base else set()
        rows = [
            (names_of(name, field), accepted(field.annotation), default_of(field), field.description or "")
            for name, field in model.model_fields.items()
            if name not in known
        ]
        parts += [f"## {title}", text, table(["option", "accepts", "default", "description"], rows)]
    return "\n\n".join(parts) + "\n"


def parameter_row(parameter: click.Parameter) -> tuple[str, str]:
    """Return what a table says of an option or an argument of a command."""
    if isinstance(parameter, click.Option):
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        value = "" if parameter.is_flag else f" {value_of(parameter)}"
        return names + value, parameter.help or ""
    required = "" if parameter.required else " (optional)"
    return f"`{(parameter.metavar or parameter.name or '').upper()}`{required}", ""


def value_of(parameter: click.Parameter) -> str:
    """Return a placeholder for the value of an option."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return " or ".join(f"`{choice}`" for choice in kind.choices)
    return f"`{parameter.metavar or kind.name.upper()}`"


def commands_of(path: str, command: click.Command) -> Iterator[str]:
    """Yield the sections of a command and of those below it."""
    level = "##" if command in dict(PROGRAMS).values() else "###"
    yield f"{level} `{path}`"
    # examples are indented by two blanks in a terminal, and by four in Markdown
    yield re.sub(r"^  (?=\S)", "    ", inspect.cleandoc(command.help or "").replace("\b\n", ""), flags=re.M)
    context = click.Context(command, info_name=path)
    rows = [parameter_row(each) for each in command.params if not getattr(each, "hidden", False)]
    if rows:
        yield table(["option or argument", "description"], rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from commands_of(f"{path} {name}", inner)


def commands_page() -> str:
    """Return the page of all commands."""
    parts = [
        f"{GENERATED}\n\n# Commands",
        "Every command explains itself with `--help`.",
        *(part for name, program in PROGRAMS for part in commands_of(name, program)),
    ]
    return "\n\n".join(parts) + "\n"


API: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "api-dagster.md": (
        "Dagster",
        "Assets, ops, the facade and the component.",
        ["dagster", "dagster.shell", "dagster.warm", "dagster.embedded", "dagster.gcp", "dagster.polars"],
    ),
    "api-pipelines.md": (
        "Jobs and pipelines",
        "The factory that all orchestrators share, and pipelines as data.",
        ["job", "orchestration", "dataset"],
    ),
    "api-executors.md": (
        "Executors",
        "The executors of commands, and the protocols that your own executor implements.",
        ["executor", "executor.remote", "testing.executor_contract:ExecutorContract"],
    ),
    "api-engine.md": (
        "Engine and project",
        "The embedded engine, and the files of a project as models.",
        ["embedded", "project", "testing.warehouse_contract:WarehouseContract"],
    ),
    "api-airflow.md": (
        "Airflow",
        "Tasks of Airflow.",
        ["airflow", "airflow.bash", "airflow.embedded", "airflow.gcp", "airflow.polars"],
    ),
    "api-common.md": ("Errors and secrets", "What all parts share.", ["common", "common.secrets", "gcp"]),
}


def public_names(package: str) -> list[str]:
    """Return the names in the `__all__` of a package, read from its source: nothing is imported."""
    source = (ROOT / "ai" / "starlake").joinpath(*package.split("."), "__init__.py")
    for node in ast.parse(source.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    raise LookupError(f"{source} has no __all__")


WITH_INHERITED = ("Backend", "Contract", "Executor", "Job", "Orchestration", "Pipeline")
"""Ends of the names of classes that users subclass or call by methods of a base."""


def api_entry(name: str) -> str:
    """Return the lines that mkdocstrings replaces by the documentation of a name."""
    inherited = "\n    options:\n      inherited_members: true" if name.endswith(WITH_INHERITED) else ""
    return f"::: {name}{inherited}"


def api_page(title: str, text: str, packages: Sequence[str]) -> str:
    """Return a page that mkdocstrings fills from the docstrings of all public names of some packages."""
    parts = [f"{GENERATED}\n\n# {title}", text]
    for package in packages:
        module, _, name = package.partition(":")
        parts.append(f"## `ai.starlake.{module}`")
        parts += [api_entry(f"ai.starlake.{module}.{each}") for each in ([name] if name else public_names(module))]
    return "\n\n".join(parts) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "options.md": options_page,
    "commands.md": commands_page,
    **{name: partial(api_page, *content) for name, content in API.items()},
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
