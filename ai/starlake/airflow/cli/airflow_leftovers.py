"""The commands `starlake-airflow gcp reap` and `starlake-airflow polars reap`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from uuid import UUID

import click

from ai.starlake.orchestration.reaping.google_leftovers import google_reap_command
from ai.starlake.orchestration.reaping.polars_leftovers import contexts_reap_command
from ai.starlake.orchestration.reaping.reap_parts import ReapingOrchestrator


@contextmanager
def known_runs() -> Iterator[Callable[[str], bool | None]]:
    """Yield a function that returns whether a DAG run has ended, as far as Airflow's database knows it.

    The database is read once, when the first run is asked for.
    """
    known: dict[str, bool] | None = None

    def is_over(run_id: str) -> bool | None:
        nonlocal known
        if known is None:
            known = _read()
        return known.get(run_id)

    yield is_over


def _read() -> dict[str, bool]:
    """Return whether each DAG run has ended, by its id as services keep it: whole, as a label, or as a digest."""
    if find_spec("airflow") is None:
        click.echo("Airflow is not installed in this Python environment: no run is known", err=True)
        return {}
    from ai.starlake.airflow._airflow_compat import run_states
    from ai.starlake.airflow.task_runs.airflow_step import OVER, run_key
    from ai.starlake.executor.remote.identity import label_value
    from ai.starlake.polars.context_names import run_label

    found: dict[str, bool] = {}
    try:
        for dag_id, run_id, state in run_states():
            key = run_key(dag_id, run_id)
            found.update(dict.fromkeys((key, label_value(key), str(UUID(run_label(key)))), state in OVER))
    except Exception as error:  # noqa: BLE001  it differs between databases and their drivers
        click.echo(f"Airflow's database cannot be read: no run is known: {str(error).splitlines()[0]}", err=True)
        return {}
    return found


_AIRFLOW = ReapingOrchestrator(
    program="starlake-airflow",
    cleaner="Tasks clean up after themselves; this command is for what killed workers left, and to list leftovers. "
    "Run it by cron, where Airflow's scheduler runs.",
    knowledge="Airflow's database tells whether a DAG run has finished. If it cannot be read, no run is known.",
    known_runs=known_runs,
)
gcp_reap = google_reap_command(_AIRFLOW)
polars_reap = contexts_reap_command(_AIRFLOW)
