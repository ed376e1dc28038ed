"""The command `starlake-dagster generate`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai.starlake.common.option_values import names, pairs_once

if TYPE_CHECKING:
    from ai.starlake.project.dag_generation import FileStep, GeneratedFolder

_SHOWN = 4
"""How many files the command that opens them in Dagster names."""


@click.command()
@click.option(
    "--project",
    "root",
    envvar="SL_ROOT",
    default=".",
    metavar="SL_ROOT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of the project, which holds metadata; SL_ROOT or the working folder by default.",
)
@click.option(
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go; metadata/.build/dags of the project by default.",
)
@click.option("--domains", is_flag=True, help="Only files that load tables.")
@click.option("--tasks", is_flag=True, help="Only files that run tasks.")
@click.option("--tags", default="", callback=names, metavar="A,B", help="Only tables and tasks with one of these tags.")
@click.option(
    "--options", multiple=True, callback=pairs_once, metavar="K=V,...", help="Variables; they win over env files."
)
@click.option("--clean", is_flag=True, help="Remove files that were generated earlier and no longer are.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace files that somebody else has written, or edited; with --clean, remove edited ones too.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def generate(
    root: Path,
    folder: Path | None,
    *,
    domains: bool,
    tasks: bool,
    tags: tuple[str, ...],
    options: dict[str, str],
    clean: bool,
    force: bool,
    dry_run: bool,
) -> None:
    """Write the DAG files of a project, without a JVM.

    They are what metadata/dags configures. A table or task says by dagRef which configuration it uses; a configuration
    says by template what the file becomes:

    \b
      load/dagster__scheduled_table__shell.py.j2       transform/dagster__scheduled_task__shell.py.j2
      and the same with cloud_run, dataproc or embedded in place of shell

    A template of your own, in metadata/dags/templates, goes before one of these. One called dagster/own.py.j2 is put
    into each file before its job is made: the place for hooks such as get_spark_config.

    The partitions of a new file begin with the last interval that is over, unless its configuration has a start_date.

    Files that have not changed are not touched, so that running this again costs nothing. A file that somebody else has
    written, or edited since, is neither replaced nor removed unless you say --force.
    """  # noqa: D301  click wants the character
    from ai.starlake.dagster.cli.starts import Starts
    from ai.starlake.project import Project
    from ai.starlake.project.dag_generation import GeneratedFolder, check_syntax
    from ai.starlake.project.dag_generation import generate as render

    project = Project.read(root, options=options)
    output = GeneratedFolder(folder or project.settings.metadata / ".build" / "dags")
    kinds = {"tasks": tasks or not domains, "domains": domains or not tasks}
    files = render(project, tags=tags, start_of=Starts(output.folder), **kinds)
    check_syntax(files)
    steps = output.plan(files, clean=clean, force=force)
    if not dry_run:
        output.carry_out(steps)
    _show(output, steps, root=root, dry_run=dry_run)
    if not files:
        click.echo("Nothing to generate: no table or task has a dagRef, or none of them is asked for.", err=True)


def _show(output: GeneratedFolder, steps: Sequence[FileStep], *, root: Path, dry_run: bool) -> None:
    """Print what happened, and what to do next."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not steps:
        return
    table = Table("file", "", "made by", title=f"{'Would be generated' if dry_run else 'Generated'} in {output.folder}")
    table.title_justify = "left"
    for step in steps:
        made_by = step.source.replace(f"{root.resolve()}/", "").replace(f"{root}/", "")
        table.add_row(Text(step.name), Text(step.change.value), Text(made_by))
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    if not dry_run:
        python = [output.folder / step.name for step in steps if step.text is not None and step.name.endswith(".py")]
        shown = [part for file in python[:_SHOWN] for part in ("-f", str(file))]
        more = " -f ..." if len(python) > _SHOWN else ""
        command = f"SL_ROOT={shlex.quote(str(root.resolve()))} {shlex.join(['dagster', 'dev', *shown])}{more}"
        console.print(f"To see them in Dagster: {command}", highlight=False, markup=False, soft_wrap=True)
        console.print(
            "Schedules and sensors are off until you switch them on, under Automation; the option default_status of a "
            "DAG configuration changes that.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
