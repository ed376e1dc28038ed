"""The command line: Starlake's verbs, options, exit codes and markers on standard output (contract 1).

Exit codes are 0 and 1 and no others. Standard output holds what the contract says and the results; everything else
goes to standard error. A user never sees a Python traceback unless ``SL_LOG_LEVEL`` is ``debug``.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ai.starlake.common import StarlakeError
from ai.starlake.common.option_values import moment, names, pairs, pairs_once
from ai.starlake.embedded.cli.project_commands import VERBS

if TYPE_CHECKING:
    from datetime import datetime

    from ai.starlake.embedded.engine import Engine
    from ai.starlake.embedded.reporting import Reporter
    from ai.starlake.project import Finding, Project

Command = Callable[..., None]

_HELP = {"help_option_names": ["--help", "-h"], "max_content_width": 120}


def _shared(*, repeatable: bool = False) -> Callable[[Command], Command]:
    """The options that every verb has; ``--options`` may be repeated for some."""
    text = "Variables for YAML and SQL files; they win over env files."
    options = click.option(
        "--options", multiple=True, callback=pairs if repeatable else pairs_once, metavar="K=V,...", help=text
    )
    unused = click.option("--reportFormat", hidden=True, expose_value=False)
    return lambda command: options(unused(command))


@click.group(context_settings=_HELP, invoke_without_command=True)
@click.option("--version", "show_version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def starlake(context: click.Context, *, show_version: bool) -> None:
    """Runs a Starlake project on DuckDB, without a JVM.

    The project is in the folder SL_ROOT (the working folder by default), its data in SL_DATASETS (datasets in the
    project). A day's work: stage takes new files from the landing areas, load makes tables of them, transform makes
    tables of tables.
    """
    if show_version:
        click.echo(f"Starlake embedded engine {_version()}")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("starlake-jobs")
    except PackageNotFoundError:
        return "0"


@starlake.command("help", hidden=True)
def show_help() -> None:
    """Show the commands."""
    context = click.get_current_context().parent
    click.echo(context.get_help() if context else "")


@starlake.command()
@click.option("--domains", default="", callback=names, metavar="A,B", help="Domains to stage; all by default.")
@click.option(
    "--tables", default="", callback=names, metavar="A,B", help="Tables to stage; only together with --domains."
)
@_shared(repeatable=True)
def stage(domains: tuple[str, ...], tables: tuple[str, ...], options: dict[str, str]) -> None:
    """Move files from the landing areas to the stage areas.

    Files whose whole name matches the pattern of a table move; others stay and are named in a warning. Archives (.gz,
    .tgz, .zip, .tar) are unpacked. A file that cannot be staged stays; the others move, and the exit code is 1.
    """
    _engine(options).stage(domains, tables)


starlake.add_command(stage, "import")


@starlake.command()
@click.option("--domain", required=True, help="The domain to ask about.")
@click.option("--tables", default="", callback=names, metavar="A,B", help="Its tables to ask about; all by default.")
@click.option("--strategy", default="none", help="none, imported, pending or ack.")
@click.option("--globalAckFilePath", "ack_file", help="The file that ack waits for; it is deleted when it is there.")
@click.option("--notReadySentinel", "sentinel", help="Exit 0 and write this file when there is nothing to load.")
@_shared()
def preload(
    domain: str,
    *,
    tables: tuple[str, ...],
    strategy: str,
    ack_file: str | None,
    sentinel: str | None,
    options: dict[str, str],
) -> None:
    """Say whether there is something to load.

    Exit code 0: there is. Exit code 1: there is nothing, or something went wrong; --notReadySentinel tells the two
    apart.
    """
    result = _engine(options).preload(domain, tables, strategy=strategy, ack_file=ack_file)
    for table, count in result.counts.items():
        click.echo(f"{domain}|{table}|{count}", err=True)
    if result.ready:
        return
    if sentinel is None:
        sys.exit(1)
    file = Path(sentinel.removeprefix("file:"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


@starlake.command()
@click.option(
    "--domains", "--include", default="", callback=names, metavar="A,B", help="Domains to load; all by default."
)
@click.option(
    "--tables", "--schemas", default="", callback=names, metavar="A,B", help="Tables to load; all by default."
)
@click.option(
    "--files", default="", callback=names, metavar="A,B", help="Files from elsewhere to load; needs one domain."
)
@click.option(
    "--inPlace",
    "in_place",
    type=bool,
    is_flag=False,
    flag_value=True,
    default=False,
    help="Load --files into the one table named, from where they are; they stay there.",
)
@click.option("--scheduledDate", "scheduled", callback=moment, metavar="DATE", help="The logical date, for the audit.")
@click.option("--accessToken", hidden=True, expose_value=False)
@_shared()
def load(
    domains: tuple[str, ...],
    tables: tuple[str, ...],
    *,
    files: tuple[str, ...],
    in_place: bool,
    scheduled: datetime | None,
    options: dict[str, str],
) -> None:
    """Load the files that wait in the stage areas.

    Each file is loaded as a whole or not at all. Rows that do not fit their types go to audit.rejected. A file that
    cannot be loaded goes back to the stage area, the others are loaded, and the exit code is 1.
    """
    from ai.starlake.embedded.cli.console import print_counters
    from ai.starlake.embedded.cli.terminal import show_summary, watched

    with watched() as console:
        engine = _engine(options, console)
        result = engine.load(domains, tables, files=files, in_place=in_place, scheduled=scheduled)
    show_summary(result)
    if result.failures:
        raise StarlakeError(
            "\n".join(f"{job.domain}.{job.table} ({', '.join(job.files)}): {job.error}" for job in result.failures)
        )
    print_counters(result, os.environ)


@starlake.command()
@click.option("--name", required=True, help="The task, as domain.task.")
@click.option("--recursive", is_flag=True, help="Run the tasks that it depends on first.")
@click.option("--compile", "compile_only", is_flag=True, help="Show the SQL instead of running it.")
@click.option("--interactive", help="Show the rows instead of writing them: csv, json, json-array or table.")
@click.option("--query", help="SQL to run instead of the task's own.")
@click.option("--truncate", type=bool, default=False, help="true: empty the table before APPEND.")
@click.option("--pageSize", "page_size", type=click.IntRange(1), default=1000, help="Rows that --interactive shows.")
@click.option("--pageNumber", "page_number", type=click.IntRange(1), default=1, help="Which page of them.")
@click.option("--scheduledDate", "scheduled", callback=moment, metavar="DATE", help="The logical date, for the audit.")
@click.option("--accessToken", hidden=True, expose_value=False)
@click.option("--reload", hidden=True, is_flag=True, expose_value=False)
@_shared(repeatable=True)
def transform(name: str, *, recursive: bool, compile_only: bool, **rest: Any) -> None:
    """Run a task: the rows of its SELECT go to its table."""
    from ai.starlake.embedded.transform.task_run import TransformRequest

    request = TransformRequest(
        name,
        recursive=recursive,
        compile=compile_only,
        interactive=rest["interactive"],
        query=rest["query"],
        truncate=rest["truncate"],
        page_size=rest["page_size"],
        page_number=rest["page_number"],
    )
    result = _engine(rest["options"]).transform(request, scheduled=rest["scheduled"])
    if result.text:
        click.echo(result.text)
    if result.error is not None:
        raise StarlakeError(result.error)


starlake.add_command(transform, "job")


@starlake.command()
@click.option("--reload", hidden=True, is_flag=True, expose_value=False)
@_shared()
def validate(options: dict[str, str]) -> None:
    """Check all metadata of the project; every finding with its file and line."""
    from ai.starlake.embedded.cli.console import print_findings

    if print_findings(_findings(options)):
        sys.exit(1)


for verb in VERBS:
    starlake.add_command(verb)


def _root() -> str:
    return os.environ.get("SL_ROOT") or str(Path.cwd())


def _engine(options: dict[str, str], reporter: Reporter | None = None) -> Engine:
    """The engine on the project; warnings about the files that were read are told when the command ends."""
    from ai.starlake.embedded.cli.console import Console
    from ai.starlake.embedded.engine import Engine

    engine = Engine.open(_root(), options=options, reporter=reporter or Console())
    click.get_current_context().call_on_close(lambda: _warn(engine.project))
    if engine.project.application.validate_on_load:
        _show_findings(options)
    return engine


def _show_findings(options: dict[str, str]) -> None:
    """Prints what is wrong with the project and goes on, as ``SL_VALIDATE_ON_LOAD`` wants it."""
    from ai.starlake.embedded.cli.console import print_findings

    print_findings(_findings(options))


def _findings(options: dict[str, str]) -> list[Finding]:
    """Return the mistakes in metadata and SQL; without errors, also the columns of the database that they lack."""
    from ai.starlake.embedded.transform.sql_checks import sql_findings
    from ai.starlake.embedded.warehouse.duckdb.stored_columns import stored_findings
    from ai.starlake.project import Project
    from ai.starlake.project.checks.project_checks import validate as find

    findings = find(_root(), options=options)
    usable = not any(finding.is_error for finding in findings)
    try:
        project = Project.read(_root(), options=options)
    except StarlakeError:
        return findings
    findings += sql_findings(project, names=usable)
    findings += stored_findings(project) if usable else []
    return sorted(set(findings), key=lambda each: (str(each.file or ""), each.line, each.severity, each.message))


def _warn(project: Project) -> None:
    for finding in (each for each in project.findings if not each.is_error):
        click.echo(f"WARNING {finding}", err=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits with 0 or 1.

    Args:
        arguments: The arguments; those of the process by default.
    """
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Runs the command and returns its exit code, 0 or 1."""
    level = os.environ.get("SL_LOG_LEVEL", "").upper()
    known = level if level in {"DEBUG", "INFO", "WARNING", "ERROR"} else "WARNING"
    logging.basicConfig(
        level="INFO" if known == "DEBUG" else known, format="%(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("ai.starlake").setLevel(known)
    try:
        starlake.main(arguments, prog_name="starlake-embedded", standalone_mode=False)
    except click.exceptions.Exit as error:
        return min(error.exit_code, 1)
    except SystemExit as error:
        return 0 if error.code in (0, None) else 1
    except click.ClickException as error:
        error.show()
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    except Exception as error:  # noqa: BLE001  a user gets one message, not a traceback
        _complain(error, arguments, debug=level == "DEBUG")
        return 1
    return 0


def _complain(error: Exception, arguments: list[str], *, debug: bool) -> None:
    if debug:
        logging.getLogger(__name__).error("failed", exc_info=error)
    text = str(error) if isinstance(error, StarlakeError) else f"{type(error).__name__}: {error}"
    click.echo(f"{text}\nStarlake failed to execute command with args {' '.join(arguments)}", err=True)
