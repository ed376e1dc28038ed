"""The command `starlake-dagster gcp reap`."""

from __future__ import annotations

import click


@click.command()
def reap() -> None:
    """Removes what runs that are over have left behind on Google Cloud."""
