"""The command `starlake-dagster init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ai.starlake.dagster.cli.new_project import ProjectExecutor


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--executor",
    type=click.Choice(["embedded", "shell", "warm", "dataproc", "cloud_run"]),
    default="embedded",
    show_default=True,
    help="Run loads and tasks on the embedded engine, as processes of the command starlake, in a Java virtual "
    "machine that they share, as Spark jobs of Dataproc, or as executions of a Cloud Run job.",
)
def init(folder: Path, executor: ProjectExecutor) -> None:
    """Create a runnable project: data, tables, tasks, checks, and definitions.py with its assets.

    The folder must be new or empty: nothing is ever overwritten.

    \b
      starlake-dagster init rental
    """  # noqa: D301  click wants the character
    from ai.starlake.dagster.cli.new_project import make_location

    written = make_location(folder, executor)
    click.echo(f"Project created: {len(written)} files in {folder}")
    click.echo("\nNext:")
    for step in (
        f"cd {shlex.quote(str(folder))}",
        'export DAGSTER_HOME="$PWD"',
        "dagster dev -f definitions.py",
    ):
        click.echo(f"  {step}")
    click.echo(
        "\nThen open http://localhost:3000/asset-groups and choose Materialize all; README.md explains the results."
    )
