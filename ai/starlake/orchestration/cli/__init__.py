"""The command ``python -m ai.starlake.orchestration``: run and show the pipelines of DAG files.

Exit codes: 0 for success, 1 if a run failed or the file is invalid, 2 for a usage error, 130 after an interruption.
Results go to standard output, progress and errors to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.cli.commands import COMMANDS

__all__ = ["main", "pipelines"]

_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110})
def pipelines() -> None:
    """Run and show the pipelines of a DAG file, generated or written by hand."""


for command in COMMANDS:
    pipelines.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit.

    Args:
        arguments: The arguments; those of the process by default.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. An exception of a DAG file itself propagates."""
    given = None if arguments is None else list(arguments)
    try:
        code = pipelines.main(given, prog_name="python -m ai.starlake.orchestration", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except StarlakeError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    return code if isinstance(code, int) else 0
