"""Verbs for the project as a whole; their implementations are imported when a verb runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from ai.starlake.common.option_values import names
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.shared_options import shared_options, without_effect


def _written(session: Session, text: str, output: str | None) -> str:
    """Write a string to a file, if there is one; return the string to print otherwise."""
    if output is None:
        return text
    from ai.starlake.embedded.cli.output_file import write

    write(Path(session.path(output)), text + "\n")
    session.note(f"Written to {output}")
    return ""


@click.command("lineage")
@click.option("--task", "tasks", default="", callback=names, metavar="A.B,C", help="Tasks, or domains of tasks.")
@click.option("--all", "everything", is_flag=True, help="All tasks of the project.")
@click.option("--objects", default="task,table", callback=names, metavar="A,B", help="Items to show: task,table.")
@click.option("--print", "printed", is_flag=True, help="Print names, each further in than what reads it; the default.")
@click.option("--json", "as_json", is_flag=True, help="A diagram as JSON: items, relations, columns.")
@click.option("--deps", is_flag=True, help="The nested dependency tree as JSON, as generated DAG files have it.")
@click.option("--output", metavar="FILE", help="Write to this file instead of standard output.")
@without_effect("--verbose", is_flag=True)
@without_effect("--reload", is_flag=True)
@shared_options()
@click.pass_obj
def lineage(
    session: Session,
    *,
    tasks: tuple[str, ...],
    everything: bool,
    objects: tuple[str, ...],
    printed: bool,
    as_json: bool,
    deps: bool,
    output: str | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Show the dependencies of tasks: other tasks and loaded tables.

    \b
    lineage --task kpis.revenue            names, indented
    lineage --all --json                   a diagram of the whole project
    lineage --task kpis.revenue --deps     the tree in task_deps of a DAG file
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.cli.lineage import Lineage, check_kinds

    if bool(tasks) == everything:
        raise click.UsageError("Name tasks with --task, or take --all of them.")
    if as_json and deps:
        raise click.UsageError("--json and --deps are two kinds of JSON; choose one.")
    check_kinds(objects)
    found = Lineage(session.project(options), tasks)
    text = found.diagram(objects) if as_json else found.dependencies() if deps else found.text(objects)
    left = _written(session, text, output)
    return VerbOutcome(text if printed else left)


@click.command("dag-generate")
@click.option("--outputDir", "folder", metavar="DIR", help="Folder to write to; metadata/.build/dags by default.")
@click.option("--clean", is_flag=True, help="Remove all other files of that folder.")
@click.option("--tags", default="", callback=names, metavar="A,B", help="Only tables and tasks with one of these tags.")
@click.option("--tasks", is_flag=True, help="Only files that run tasks.")
@click.option("--domains", is_flag=True, help="Only files that load tables.")
@shared_options()
@click.pass_obj
def dag_generate(
    session: Session,
    *,
    folder: str | None,
    clean: bool,
    tags: tuple[str, ...],
    tasks: bool,
    domains: bool,
    options: dict[str, str],
) -> VerbOutcome:
    """Write the DAG files that metadata/dags configures.

    Tables and tasks name a configuration with dagRef. The configuration names a template: one of your own below
    metadata/dags/templates, such as load/own.py.j2, or one of those in `starlake-dagster generate --help`.
    """
    from ai.starlake.project.dag_generation import FileChange, GeneratedFolder, generate

    project = session.project(options)
    files = generate(project, tags=tags, tasks=tasks or not domains, domains=domains or not tasks)
    output = GeneratedFolder(Path(session.path(folder)) if folder else project.settings.metadata / ".build" / "dags")
    steps = output.plan(files, clean=clean, force=True, emptied_for=project)
    output.carry_out(steps)
    for step in (each for each in steps if each.loses):
        session.note(f"{output.folder / step.name} was edited, or was not a generated file; its content is lost.")
    if not files:
        session.note("Nothing to generate: no table or task has a dagRef, or none has such a tag.")
    done = {FileChange.REMOVED: "Removed"}
    lines = [f"{done.get(step.change, 'Generated')} {output.folder / step.name}" for step in steps]
    return VerbOutcome("\n".join(lines))


@click.command("infer-schema")
@click.option("--input", "file", required=True, metavar="FILE", help="The sample: CSV, JSON or Parquet.")
@click.option("--domain", default="", help="The domain; the name of the sample's folder by default.")
@click.option("--table", default="", help="The table; the sample's name without dates and numbers by default.")
@click.option("--outputDir", "folder", metavar="DIR", help="Folder of the domains' folders; metadata/load by default.")
@click.option("--format", "format_", metavar="FORMAT", help="DSV, JSON, JSON_ARRAY, JSON_FLAT or PARQUET.")
@click.option("--encoding", default="UTF-8", help="The encoding of a text file; UTF-8 by default.")
@click.option(
    "--write",
    "strategy",
    type=click.Choice(["APPEND", "OVERWRITE"], case_sensitive=False),
    help="The write strategy; those that need a key are for you to add.",
)
@click.option("--clean", is_flag=True, help="Replace the existing metadata of the table.")
@shared_options()
@click.pass_obj
def infer_schema(
    session: Session,
    *,
    file: str,
    domain: str,
    table: str,
    folder: str | None,
    format_: str | None,
    encoding: str,
    strategy: str | None,
    clean: bool,
    options: dict[str, str],
) -> VerbOutcome:
    """Describe a table from a sample file.

    Every column gets the narrowest type that all rows of the sample have, so that loading the sample rejects none.
    Review the result: the sample does not show which columns are required or form the key.

    \b
    infer-schema --input incoming/shop/orders-20260101.csv
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.inference import Request
    from ai.starlake.embedded.inference import infer_schema as infer

    request = Request(
        Path(session.path(file)),
        domain=domain,
        table=table,
        folder=Path(session.path(folder)) if folder else None,
        format=format_,
        encoding=encoding,
        write=strategy,
        clean=clean,
    )
    found = infer(session.project(options), request)
    lines = [f"Written {path}" for path in found.written]
    lines.append(f"{found.table.full_name}: {len(found.table.attributes)} columns, files {found.table.pattern}")
    if found.landing is not None:
        lines.append(f"Files of {found.table.domain} land in {found.landing}")
    for rival in found.rivals:
        session.note(f"{rival} matches {Path(file).name}, too: make the patterns differ before staging")
    return VerbOutcome("\n".join(lines))


@click.command("bootstrap")
@click.option("--template", metavar="NAME", help="The project to start from: starter, the default.")
@click.option("--project-location", "location", metavar="DIR", help="The new project's folder; SL_ROOT by default.")
@without_effect("--no-exit", is_flag=True)
@click.pass_obj
def bootstrap(session: Session, *, template: str | None, location: str | None) -> VerbOutcome:
    """Write a small runnable project to start from.

    It has two tables with data in their landing area, two tasks, expectations, and the configuration of DAG files.
    Existing files are never overwritten.

    \b
    bootstrap --project-location rental
    """  # noqa: D301  click wants the character
    from ai.starlake.embedded.cli.bootstrap import DEFAULT
    from ai.starlake.embedded.cli.bootstrap import bootstrap as create

    name = template or DEFAULT
    folder = Path(session.path(location) if location else session.root)
    written = create(folder, name)
    steps = [
        f"cd {shlex.quote(str(folder))}",
        "starlake-embedded stage",
        "starlake-embedded load",
        "starlake-embedded transform --name usage.bike_usage --recursive",
        "starlake-embedded transform --name usage.bike_usage --interactive table",
    ]
    lines = [f"Project created based on {name}: {len(written)} files in {folder}", "", "Next:"]
    return VerbOutcome("\n".join([*lines, *(f"  {step}" for step in steps)]))


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@shared_options()
@click.pass_obj
def settings(session: Session, *, as_json: bool, options: dict[str, str]) -> VerbOutcome:
    """Show the effective settings of the project's files and the environment.

    Folders, areas, connections, settings, variables and versions. Secrets are masked.
    """
    from ai.starlake.embedded.cli.effective_settings import as_table, resolved

    sections = resolved(session.project(options))
    return VerbOutcome(json.dumps(sections, indent=2, ensure_ascii=False) if as_json else as_table(sections))


PROJECT_VERBS: dict[str, click.Command] = {
    "bootstrap": bootstrap,
    "dag-generate": dag_generate,
    "infer-schema": infer_schema,
    "lineage": lineage,
    "settings": settings,
}
"""Verbs by name."""
