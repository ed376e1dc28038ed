"""The table of verbs: their parameters, and their functions.

The command line and the executor of the engine run the same entries. An entry receives every declared parameter by its
name, so that none can be dropped: an unknown one is a Python error.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from ai.starlake.common import PermanentError
from ai.starlake.common.option_values import moment, names
from ai.starlake.embedded.cli.outcome_verbs import OUTCOME_VERBS, load_outcome
from ai.starlake.embedded.cli.project_verbs import PROJECT_VERBS
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.shared_options import shared_options, without_effect

_SCHEDULED = click.option(
    "--scheduledDate", "scheduled", callback=moment, metavar="DATE", help="The logical date, for the audit."
)


@click.command()
@click.option("--domains", default="", callback=names, metavar="A,B", help="Domains to stage; all by default.")
@click.option(
    "--tables", default="", callback=names, metavar="A,B", help="Tables to stage; only together with --domains."
)
@shared_options(repeatable=True)
@click.pass_obj
def stage(
    session: Session, *, domains: tuple[str, ...], tables: tuple[str, ...], options: dict[str, str]
) -> VerbOutcome:
    """Move files from the landing areas to the stage areas.

    Files whose whole name matches the pattern of a table are moved; others stay and are named in a warning. Archives
    (.gz, .tgz, .zip, .tar) are unpacked. A file that cannot be staged stays; the others are moved, and the exit code is
    1.
    """
    session.engine(options).stage(domains, tables)
    return VerbOutcome()


@click.command()
@click.option("--domain", required=True, help="The domain to ask about.")
@click.option("--tables", default="", callback=names, metavar="A,B", help="Its tables to ask about; all by default.")
@click.option("--strategy", default="none", help="none, imported, pending or ack.")
@click.option("--globalAckFilePath", "ack_file", help="The file that ack waits for; deleted if it exists.")
@click.option("--notReadySentinel", "sentinel", help="Exit 0 and write this file when there is nothing to load.")
@shared_options()
@click.pass_obj
def preload(
    session: Session,
    *,
    domain: str,
    tables: tuple[str, ...],
    strategy: str,
    ack_file: str | None,
    sentinel: str | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Check whether there is something to load.

    Exit code 0: there is. Exit code 1: there is nothing, or an error occurred; --notReadySentinel distinguishes the
    two.
    """
    result = session.engine(options).preload(domain, tables, strategy=strategy, ack_file=ack_file)
    for table, count in result.counts.items():
        session.note(f"{domain}|{table}|{count}")
    if result.ready:
        return VerbOutcome()
    if sentinel is None:
        return VerbOutcome(negative=f"domain {domain} has nothing to load")
    file = Path(session.path(sentinel.removeprefix("file:")))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return VerbOutcome()


@click.command()
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
@_SCHEDULED
@without_effect("--accessToken")
@shared_options()
@click.pass_obj
def load(
    session: Session,
    *,
    domains: tuple[str, ...],
    tables: tuple[str, ...],
    files: tuple[str, ...],
    in_place: bool,
    scheduled: datetime | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Load the files in the stage areas.

    Each file is loaded as a whole or not at all. Rows that do not match their types go to audit.rejected. A file that
    cannot be loaded goes back to the stage area, the others are loaded, and the exit code is 1.
    """
    given = [session.path(file) for file in files]
    result = session.engine(options).load(domains, tables, files=given, in_place=in_place, scheduled=scheduled)
    return load_outcome(session, result)


@click.command()
@click.option("--name", required=True, help="The task, as domain.task.")
@click.option("--recursive", is_flag=True, help="Run the tasks that it depends on first.")
@click.option("--compile", "compile_only", is_flag=True, help="Show the SQL instead of running it.")
@click.option("--interactive", help="Show the rows instead of writing them: csv, json, json-array or table.")
@click.option("--query", help="SQL to run instead of the task's own.")
@click.option("--truncate", type=bool, default=False, help="true: empty the table before APPEND.")
@click.option("--pageSize", "page_size", type=click.IntRange(1), default=1000, help="Rows that --interactive shows.")
@click.option("--pageNumber", "page_number", type=click.IntRange(1), default=1, help="Number of the page to show.")
@_SCHEDULED
@without_effect("--accessToken")
@without_effect("--reload", is_flag=True)
@shared_options(repeatable=True)
@click.pass_obj
def transform(
    session: Session,
    *,
    name: str,
    recursive: bool,
    compile_only: bool,
    interactive: str | None,
    query: str | None,
    truncate: bool,
    page_size: int,
    page_number: int,
    scheduled: datetime | None,
    options: dict[str, str],
) -> VerbOutcome:
    """Run a task: the rows of its SELECT are written to its table."""
    from ai.starlake.embedded.transform.task_run import TransformRequest

    request = TransformRequest(
        name,
        recursive=recursive,
        compile=compile_only,
        interactive=interactive,
        query=query,
        truncate=truncate,
        page_size=page_size,
        page_number=page_number,
    )
    result = session.engine(options).transform(request, scheduled=scheduled)
    return VerbOutcome(result.text, error=result.error, permanent=result.permanent)


@click.command()
@without_effect("--reload", is_flag=True)
@shared_options()
@click.pass_obj
def validate(session: Session, *, options: dict[str, str]) -> VerbOutcome:
    """Check all metadata of the project; every finding has its file and line."""
    from ai.starlake.embedded.cli.console import findings_text

    findings = session.findings(options)
    wrong = any(finding.is_error for finding in findings)
    return VerbOutcome(findings_text(findings), negative="the project has errors" if wrong else None)


VERBS: dict[str, click.Command] = {
    "stage": stage,
    "import": stage,
    "preload": preload,
    "load": load,
    "transform": transform,
    "job": transform,
    "validate": validate,
    **OUTCOME_VERBS,
    **PROJECT_VERBS,
}
"""Verbs by name."""


def run_verb(argv: Sequence[str], session: Session) -> VerbOutcome:
    """Run a command within this process.

    Args:
        argv: Its arguments, verb first.
        session: The session.

    Raises:
        StarlakeError: If the verb or an argument is unknown, or if it fails.
    """
    verb, *arguments = argv
    command = VERBS.get(verb)
    if command is None:
        raise PermanentError(f"the embedded engine does not support `starlake {verb}`", fix=f"use {', '.join(VERBS)}")
    try:
        with session, command.make_context(verb, arguments, obj=session) as context:
            outcome: VerbOutcome = command.invoke(context)
            return outcome
    except click.exceptions.Exit:  # --help
        return VerbOutcome()
    except click.ClickException as error:
        raise PermanentError(f"`starlake {verb}`: {error.format_message()}") from None
