"""Shared by the commands that remove leftovers: the finished runs, and the table of actions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ai.starlake.common.option_values import seconds

if TYPE_CHECKING:
    from ai.starlake.executor.remote.leftovers import Reaped

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_WIDE = 1000
"""Width of a table that no terminal has: its rows stay whole, for other programs."""
_COLOURS = {"removed": "green", "would be removed": "yellow", "not removed": "red", "kept": "dim"}


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
                    help="Take also what belongs to runs that this Dagster instance does not know.",
                ),
                click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done."),
            )
        ):
            command = option(command)
        return command

    return decorated


@contextmanager
def known_runs() -> Iterator[Callable[[str], bool | None]]:
    """Yield a function that returns whether a run has ended, as far as the instance of DAGSTER_HOME knows it."""
    if not os.environ.get("DAGSTER_HOME"):
        click.echo("DAGSTER_HOME is not set: no run is known", err=True)
        yield lambda _run_id: None
        return
    from dagster import DagsterInstance

    from ai.starlake.dagster.remote import chain_is_over

    with DagsterInstance.get() as instance:
        yield lambda run_id: chain_is_over(instance, run_id)


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
