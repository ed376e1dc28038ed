"""The command `generate` of each orchestrator: `starlake-dagster generate`, `starlake-airflow generate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai.starlake.common.option_values import names, pairs_once

if TYPE_CHECKING:
    from ai.starlake.project.dag_generation.generated_files import DagFile, FileStep, GeneratedFolder
    from ai.starlake.project.dag_generation.starts import WindowOf

_ARGUMENTS = (
    click.option(
        "--project",
        "root",
        envvar="SL_ROOT",
        default=".",
        metavar="SL_ROOT",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="The folder of the project, which holds metadata; SL_ROOT or the working folder by default.",
    ),
    click.option(
        "--output",
        "folder",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for the files; metadata/.build/dags of the project by default.",
    ),
    click.option("--domains", is_flag=True, help="Only files that load tables."),
    click.option("--tasks", is_flag=True, help="Only files that run tasks."),
    click.option(
        "--tags", default="", callback=names, metavar="A,B", help="Only tables and tasks with one of these tags."
    ),
    click.option(
        "--options",
        multiple=True,
        callback=pairs_once,
        metavar="K=V,...",
        help="Variables; they take precedence over env files.",
    ),
    click.option("--clean", is_flag=True, help="Remove files that were generated earlier and no longer are."),
    click.option(
        "--force",
        is_flag=True,
        help="Replace files of others and edited files; with --clean, remove edited ones too.",
    ),
    click.option("--dry-run", is_flag=True, help="Only show what would change."),
)

_HELP = """Write the DAG files of a project, without a JVM.

They are what metadata/dags configures. A table or task says by dagRef which configuration it uses; a configuration
says by template what the file becomes; only those for {orchestrator} are written:

\b
  load/{name}__scheduled_table__shell.py.j2       transform/{name}__scheduled_task__shell.py.j2
  and the same with cloud_run, dataproc or embedded in place of shell

A template of your own, in metadata/dags/templates, goes before one of these. One called {name}/own.py.j2 is put
into each file before its job is made: the place for hooks such as get_spark_config.

{start}

Files that have not changed are not touched, so that running this again costs nothing. A file that somebody else has
written, or edited since, is neither replaced nor removed unless you say --force.
"""

_WIDE = 160
"""Width of the table if it is not shown on a terminal."""


@dataclass(frozen=True)
class GenerationTexts:
    """Help and messages of the command for an orchestrator.

    Args:
        orchestrator: The orchestrator, such as ``Dagster``.
        start: Help text about the first day of new files.
        opening: Returns the command that opens files of a folder in the orchestrator, for a project.
        next_step: The first step there.
        window_of: Imports the orchestrator's arithmetic of cron expressions.
    """

    orchestrator: str
    start: str
    opening: Callable[[Path, Path, Sequence[Path]], str]
    next_step: str
    window_of: Callable[[], WindowOf]

    @property
    def name(self) -> str:
        """Name of the orchestrator in the names of templates."""
        return self.orchestrator.lower()


def generation_command(texts: GenerationTexts) -> click.Command:
    """Return the command that writes DAG files.

    Args:
        texts: Help and messages for its orchestrator.
    """

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
        from ai.starlake.project.dag_generation.generated_files import GeneratedFolder, check_syntax
        from ai.starlake.project.dag_generation.generation import generate as render
        from ai.starlake.project.dag_generation.starts import Starts
        from ai.starlake.project.project import Project

        project = Project.read(root, options=options)
        output = GeneratedFolder(folder or project.settings.metadata / ".build" / "dags")
        kinds = {"tasks": tasks or not domains, "domains": domains or not tasks}
        made = render(project, tags=tags, start_of=Starts(output.folder, texts.window_of()), **kinds)
        files = [file for file in made if file.orchestrator in (None, texts.name)]
        check_syntax(files)
        steps = output.plan(files, clean=clean, force=force, orchestrator=texts.name)
        if not dry_run:
            output.carry_out(steps)
        _show(output, steps, root=root, dry_run=dry_run)
        if not dry_run:
            _tell_what_is_next(texts, output.folder, files, root)
        _tell_what_is_left_out(file for file in made if file not in files)
        if made and not files:
            example = f"load/{texts.name}__scheduled_table__shell.py.j2"
            click.echo(
                f"To generate files for {texts.orchestrator}, name its templates in metadata/dags, as in {example}."
            )
        if not made:
            click.echo("Nothing to generate: no selected table or task has a dagRef.", err=True)

    for argument in reversed(_ARGUMENTS):
        generate = argument(generate)
    return click.command(
        "generate", help=_HELP.format(name=texts.name, orchestrator=texts.orchestrator, start=texts.start)
    )(generate)


def _show(output: GeneratedFolder, steps: Sequence[FileStep], *, root: Path, dry_run: bool) -> None:
    """Print the result."""
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
        console.width = _WIDE
    console.print(table)


def _tell_what_is_next(texts: GenerationTexts, folder: Path, files: Sequence[DagFile], root: Path) -> None:
    """Print how to open the files in the orchestrator, if there are files for it."""
    made = [folder / file.name for file in files if file.name.endswith(".py")]
    if made:
        click.echo(f"To see them in {texts.orchestrator}: {texts.opening(root.resolve(), folder, made)}")
        click.echo(texts.next_step)


def _tell_what_is_left_out(files: Iterable[DagFile]) -> None:
    """Print the names of files that other orchestrators need."""
    names_of: dict[str, list[str]] = {}
    for file in files:
        names_of.setdefault(str(file.orchestrator), []).append(file.name)
    for orchestrator, names_ in names_of.items():
        click.echo(f"Left out, because their templates are for {orchestrator.capitalize()}: {', '.join(names_)}")
