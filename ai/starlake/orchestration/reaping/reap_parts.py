"""Shared by the commands that remove leftovers: the orchestrator, the options, and the table of actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ai.starlake.common.option_values import seconds

if TYPE_CHECKING:
    from ai.starlake.executor.remote.leftovers import Reaped

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_WIDE = 1000
"""Width of a table that no terminal has: its rows stay whole, for other programs."""
_COLOURS = {"removed": "green", "would be removed": "yellow", "not removed": "red", "kept": "dim"}


@dataclass(frozen=True)
class ReapingOrchestrator:
    """The orchestrator whose runs have left something.

    Args:
        program: Its command line, such as ``starlake-dagster``.
        cleaner: Its own means to do the same, in a sentence.
        knowledge: Sentence that names the place where the runs are known.
        known_runs: Opens a function that returns whether a run has ended; None for a run that is not known.
    """

    program: str
    cleaner: str
    knowledge: str
    known_runs: Callable[[], AbstractContextManager[Callable[[str], bool | None]]]

    def explained(self, text: str) -> str:
        """Return the help of a command."""
        return text.format(program=self.program, cleaner=self.cleaner, knowledge=self.knowledge)


def leftover_options(things: str) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds the options of all commands that remove leftovers.

    Args:
        things: Name of the leftovers, in the plural, for the help.
    """

    def decorated(command: CommandT) -> CommandT:
        for option in reversed(
            (
                click.option(
                    "--older-than",
                    callback=seconds,
                    metavar="DURATION",
                    default="2h",
                    show_default=True,
                    help=f"Younger {things} stay: 90s, 15m, 2h, 1d.",
                ),
                click.option(
                    "--unknown",
                    is_flag=True,
                    help="Take also what belongs to runs that are not known here.",
                ),
                click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done."),
            )
        ):
            command = option(command)
        return command

    return decorated


def show_reaped(rows: Sequence[Reaped]) -> None:
    """Print a row for each leftover."""
    from rich.console import Console
    from rich.table import Column, Table

    from ai.starlake.executor.remote.progress import duration

    if not rows:
        click.echo("nothing there")
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    table = Table("kind", Column("name", overflow="fold"), "region", "state", "age", Column("run", overflow="fold"))
    for title in ("of", "action", "because"):
        table.add_column(title, overflow="fold")
    for row in rows:
        left = row.leftover
        table.add_row(
            left.kind,
            left.name,
            left.region,
            left.state,
            duration(row.age),
            left.run_id,
            left.job_name,
            f"[{_COLOURS[row.action]}]{row.action}[/]",
            row.reason,
        )
    console.print(table)
