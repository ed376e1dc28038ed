"""The command line: Starlake's verbs, options, exit codes and markers on standard output.

Exit codes are 0 and 1 only, unless ``SL_PERMANENT_EXIT_CODE`` asks for one more. Standard output contains Starlake's
output and the results; everything else goes to standard error. A user never sees a Python traceback unless
``SL_LOG_LEVEL`` is ``debug``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import click

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.common.errors import may_retry, permanent_exit_code
from ai.starlake.common.outcomes.outcome_data import OUTCOME_FILE, outcomes_text
from ai.starlake.common.storage import Files
from ai.starlake.embedded.cli.session import Session, VerbOutcome
from ai.starlake.embedded.cli.verb_table import VERBS
from ai.starlake.embedded.interruption import Interruption, run_interruptible
from ai.starlake.embedded.outcome_log import OutcomeLog

if TYPE_CHECKING:
    from ai.starlake.embedded.reporting import EngineReporter

_HELP = {"help_option_names": ["--help", "-h"], "max_content_width": 120}


@dataclass(frozen=True)
class _CommandCall:
    """The context of a call of the command.

    Args:
        interruption: Passes signals on to its queries.
        outcomes: Collects the outcomes of tables and tasks.
    """

    interruption: Interruption | None = None
    outcomes: OutcomeLog = field(default_factory=OutcomeLog)


@click.group(context_settings=_HELP, invoke_without_command=True)
@click.option("--version", "show_version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def starlake(context: click.Context, *, show_version: bool) -> None:
    """Run a Starlake project on DuckDB, without a JVM.

    The project is in the folder SL_ROOT (the working folder by default), its data in SL_DATASETS (datasets in the
    project). Typical commands: stage takes new files from the landing areas, load loads them into tables, transform
    computes tables from tables.
    """
    if show_version:
        click.echo(f"Starlake embedded engine {_version()}")
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())
    else:
        call: _CommandCall = context.obj or _CommandCall()  # click's own tools call it without one
        session = Session(
            os.environ,
            _echo,
            reporter=lambda: _reporter(context),
            interruption=call.interruption,
            outcomes=call.outcomes,
        )
        context.obj = context.with_resource(session)


@starlake.result_callback()
@click.pass_context
def _show(context: click.Context, /, outcome: VerbOutcome | None, **_: object) -> VerbOutcome | None:
    """Print the answer of a verb; an error is printed last."""
    if outcome is None:
        return None
    context.close()  # the progress bar is gone, and warnings are printed
    if outcome.load is not None:
        from ai.starlake.embedded.cli.terminal import show_summary

        show_summary(outcome.load)
    if outcome.text:
        click.echo(outcome.text)
    if outcome.error is not None:
        raise (PermanentError if outcome.permanent else StarlakeError)(outcome.error)
    return outcome


def _echo(stream: str, text: str) -> None:
    click.echo(text, err=stream == "stderr")


def _reporter(context: click.Context) -> EngineReporter:
    from ai.starlake.embedded.cli.console import Console
    from ai.starlake.embedded.cli.terminal import watched

    return context.with_resource(watched(_echo)) if context.invoked_subcommand == "load" else Console(_echo)


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


for name, verb in VERBS.items():
    starlake.add_command(verb, name)


class _TerminatedError(BaseException):
    """Raised in the main thread by SIGTERM. Not an `Exception`, so that no handler treats it as a failure."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its exit code, or by SIGTERM after the files of a load are back in the stage area.

    Args:
        arguments: The arguments; those of the process by default.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments), Interruption())
    except _TerminatedError:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    sys.exit(code)


def _terminate(_number: int, _frame: object) -> None:
    raise _TerminatedError


def run(arguments: list[str], interruption: Interruption | None = None) -> int:
    """Run the command and return its exit code: 0, 1, or the one that `PERMANENT_EXIT_CODE` asks for.

    Args:
        arguments: The arguments.
        interruption: Passes signals on to the queries of the command, which then runs in a thread of its own.
    """
    level = os.environ.get("SL_LOG_LEVEL", "").upper()
    known = level if level in {"DEBUG", "INFO", "WARNING", "ERROR"} else "WARNING"
    logging.basicConfig(
        level="INFO" if known == "DEBUG" else known, format="%(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("ai.starlake").setLevel(known)
    call = _CommandCall(interruption, OutcomeLog(wanted=bool(os.environ.get(OUTCOME_FILE))))
    code = _exit_code(arguments, call, debug=level == "DEBUG")
    if call.outcomes.wanted:
        _write_outcomes(call.outcomes)
    return code


def _exit_code(arguments: list[str], call: _CommandCall, *, debug: bool) -> int:
    try:
        outcome = _outcome(arguments, call)
    except click.ClickException as error:
        error.show()
        return _permanent()
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 1
    except Exception as error:  # noqa: BLE001  a user gets one message, not a traceback
        _complain(error, arguments, debug=debug)
        return 1 if may_retry(error) else _permanent()
    return outcome.exit_code if isinstance(outcome, VerbOutcome) else int(bool(outcome))


def _permanent() -> int:
    return permanent_exit_code(os.environ) or 1


def _outcome(arguments: list[str], call: _CommandCall) -> object:
    def run_group() -> object:
        return starlake.main(arguments, prog_name="starlake-embedded", standalone_mode=False, obj=call)

    return run_interruptible(run_group, call.interruption, _abandoned) if call.interruption else run_group()


def _write_outcomes(outcomes: OutcomeLog) -> None:
    """Write the outcomes to the requested file; an error here does not fail the command."""
    try:
        Files().location(os.environ[OUTCOME_FILE]).write(outcomes_text(outcomes.tables))
    except StarlakeError as error:
        click.echo(f"WARNING {error}", err=True)


def _abandoned() -> None:
    click.echo("the command does not react to its interruption: it ends with this process", err=True)


def _complain(error: Exception, arguments: list[str], *, debug: bool) -> None:
    if debug:
        logging.getLogger(__name__).error("failed", exc_info=error)
    text = str(error) if isinstance(error, StarlakeError) else f"{type(error).__name__}: {error}"
    click.echo(f"{text}\nStarlake failed to execute command with args {' '.join(arguments)}", err=True)
