"""The commands `starlake-dagster gcp reap` and `starlake-dagster polars reap`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from ai.starlake.orchestration.reaping.google_leftovers import google_reap_command
from ai.starlake.orchestration.reaping.polars_leftovers import contexts_reap_command
from ai.starlake.orchestration.reaping.reap_parts import ReapingOrchestrator


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


_DAGSTER = ReapingOrchestrator(
    program="starlake-dagster",
    cleaner="Sensors do the same, soon after each run (see `sensors` of the job classes); this command is for users "
    "without Dagster's daemon, and to list leftovers.",
    knowledge="The Dagster instance of DAGSTER_HOME tells whether a run has finished. If that is not set, no run is "
    "known.",
    known_runs=known_runs,
)
gcp_reap = google_reap_command(_DAGSTER)
polars_reap = contexts_reap_command(_DAGSTER)
