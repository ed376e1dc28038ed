"""The command line of the verbs; what they do is in modules of their own, imported when a verb runs."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ai.starlake.common.option_values import names, pairs_once

if TYPE_CHECKING:
    from ai.starlake.project import Project

_Command = Callable[..., None]


def _shared(command: _Command) -> _Command:
    """The options that every verb has."""
    text = "Variables for YAML and SQL files; they win over env files."
    options = click.option("--options", multiple=True, callback=pairs_once, metavar="K=V,...", help=text)
    return options(click.option("--reportFormat", hidden=True, expose_value=False)(command))


def _project(options: dict[str, str]) -> Project:
    from ai.starlake.project import Project

    return Project.read(os.environ.get("SL_ROOT") or Path.cwd(), options=options)


def _print_or_write(text: str, output: str | None) -> None:
    """Writes to a file when there is one, else to standard output."""
    if output is None:
        click.echo(text)
        return
    from ai.starlake.embedded.cli.output_file import write

    write(Path(output), text + "\n")
    click.echo(f"Written to {output}", err=True)


@click.command("lineage")
@click.option("--task", "tasks", default="", callback=names, metavar="A.B,C", help="Tasks, or domains of tasks.")
@click.option("--all", "everything", is_flag=True, help="All tasks of the project.")
@click.option("--objects", default="task,table", callback=names, metavar="A,B", help="What to show: task,table.")
@click.option("--print", "printed", is_flag=True, help="Print names, each further in than what reads it; the default.")
@click.option("--json", "as_json", is_flag=True, help="A diagram as JSON: items, relations, columns.")
@click.option("--deps", is_flag=True, help="The nested dependency tree as JSON, as generated DAG files have it.")
@click.option("--output", metavar="FILE", help="Write to this file instead of standard output.")
@click.option("--verbose", hidden=True, is_flag=True, expose_value=False)
@click.option("--reload", hidden=True, is_flag=True, expose_value=False)
@_shared
def lineage(
    tasks: tuple[str, ...],
    *,
    everything: bool,
    objects: tuple[str, ...],
    printed: bool,
    as_json: bool,
    deps: bool,
    output: str | None,
    options: dict[str, str],
) -> None:
    """Show what tasks read: other tasks and loaded tables.

    \b
    lineage --task kpis.revenue            names, indented
    lineage --all --json                   a diagram of the whole project
    lineage --task kpis.revenue --deps     the tree that task_deps of a DAG file holds
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.cli.lineage import Lineage, check_kinds

    if bool(tasks) == everything:
        raise click.UsageError("Name tasks with --task, or take --all of them.")
    if as_json and deps:
        raise click.UsageError("--json and --deps are two kinds of JSON; choose one.")
    check_kinds(objects)
    found = Lineage(_project(options), tasks)
    text = found.diagram(objects) if as_json else found.dependencies() if deps else found.text(objects)
    _print_or_write(text, output)
    if printed and output is not None:
        click.echo(text)


@click.command("dag-generate")
@click.option("--outputDir", "folder", metavar="DIR", help="Where to write; metadata/.build/dags by default.")
@click.option("--clean", is_flag=True, help="Remove all other files of that folder.")
@click.option("--tags", default="", callback=names, metavar="A,B", help="Only tables and tasks with one of these tags.")
@click.option("--tasks", is_flag=True, help="Only files that run tasks.")
@click.option("--domains", is_flag=True, help="Only files that load tables.")
@_shared
def dag_generate(
    folder: str | None, *, clean: bool, tags: tuple[str, ...], tasks: bool, domains: bool, options: dict[str, str]
) -> None:
    """Write the DAG files that metadata/dags configures.

    Tables and tasks name a configuration with dagRef. The configuration names a template: one of your own below
    metadata/dags/templates, such as load/own.py.j2, else one of those that `starlake-dagster generate --help` tells of.
    """
    from ai.starlake.project.dag_generation import Change, GeneratedFolder, generate

    project = _project(options)
    files = generate(project, tags=tags, tasks=tasks or not domains, domains=domains or not tasks)
    output = GeneratedFolder(Path(folder) if folder else project.settings.metadata / ".build" / "dags")
    steps = output.plan(files, clean=clean, force=True, emptied_for=project)
    output.carry_out(steps)
    for step in steps:
        path = output.folder / step.name
        click.echo(f"Removed {path}" if step.change is Change.REMOVED else f"Generated {path}")
        if step.loses:
            click.echo(f"{path} was edited, or was not a generated file; its content is lost.", err=True)
    if not files:
        click.echo("Nothing to generate: no table or task has a dagRef, or none has such a tag.", err=True)


@click.command("infer-schema")
@click.option("--input", "file", required=True, metavar="FILE", help="The sample: CSV, JSON or Parquet.")
@click.option("--domain", default="", help="The domain; the name of the sample's folder by default.")
@click.option("--table", default="", help="The table; the sample's name without dates and numbers by default.")
@click.option("--outputDir", "folder", metavar="DIR", help="Where domains' folders are; metadata/load by default.")
@click.option("--format", "format_", metavar="FORMAT", help="DSV, JSON, JSON_ARRAY, JSON_FLAT or PARQUET.")
@click.option("--encoding", default="UTF-8", help="The encoding of a text file; UTF-8 by default.")
@click.option(
    "--write",
    "strategy",
    type=click.Choice(["APPEND", "OVERWRITE"], case_sensitive=False),
    help="The write strategy; those that need a key are for you to add.",
)
@click.option("--clean", is_flag=True, help="Replace the existing metadata of the table.")
@_shared
def infer_schema(file: str, *, domain: str, table: str, folder: str | None, **rest: Any) -> None:
    """Describe a table after a sample file.

    Every column gets the narrowest type that all rows of the sample have, so that loading the sample rejects none.
    Look the result over: the sample cannot say which columns are required or make up the key.

    \b
    infer-schema --input incoming/shop/orders-20260101.csv
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.inference import Request
    from ai.starlake.embedded.inference import infer_schema as infer

    request = Request(
        Path(file),
        domain=domain,
        table=table,
        folder=Path(folder) if folder else None,
        format=rest["format_"],
        encoding=rest["encoding"],
        write=rest["strategy"],
        clean=rest["clean"],
    )
    found = infer(_project(rest["options"]), request)
    for path in found.written:
        click.echo(f"Written {path}")
    click.echo(f"{found.table.full_name}: {len(found.table.attributes)} columns, files {found.table.pattern}")
    if found.landing is not None:
        click.echo(f"Files of {found.table.domain} land in {found.landing}")
    for rival in found.rivals:
        click.echo(f"{rival} matches {Path(file).name}, too: make the patterns differ before staging", err=True)


@click.command("bootstrap")
@click.option("--template", metavar="NAME", help="The project to start from: starter, the default.")
@click.option("--project-location", "location", metavar="DIR", help="The new project's folder; SL_ROOT by default.")
@click.option("--no-exit", hidden=True, is_flag=True, expose_value=False)
def bootstrap(template: str | None, location: str | None) -> None:
    """Write a small project that runs, to start from.

    It has two tables with data in their landing area, two tasks, expectations, and the configuration of DAG files.
    Files that are there already are never overwritten.

    \b
    bootstrap --project-location rental
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.cli.bootstrap import DEFAULT
    from ai.starlake.embedded.cli.bootstrap import bootstrap as create

    name = template or DEFAULT
    folder = Path(location or os.environ.get("SL_ROOT") or Path.cwd())
    written = create(folder, name)
    click.echo(f"Project created based on {name}: {len(written)} files in {folder}")
    click.echo("\nNext:")
    steps = [
        "stage",
        "load",
        "transform --name usage.bike_usage --recursive",
        "transform --name usage.bike_usage --interactive table",
    ]
    for line in [f"cd {shlex.quote(str(folder))}", *(f"starlake-embedded {step}" for step in steps)]:
        click.echo(f"  {line}")


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@_shared
def settings(*, as_json: bool, options: dict[str, str]) -> None:
    """Show what the project's files and the environment add up to.

    Folders, areas, connections, settings, variables and versions. Secrets are masked.
    """
    from ai.starlake.embedded.cli.effective_settings import as_table, resolved

    sections = resolved(_project(options))
    click.echo(json.dumps(sections, indent=2, ensure_ascii=False) if as_json else as_table(sections))


VERBS = (bootstrap, dag_generate, infer_schema, lineage, settings)
"""What the command line adds to its daily verbs."""
