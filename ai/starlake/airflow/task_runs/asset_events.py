"""The events of the assets that a task updates: none where it made nothing, and what is known of its run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from airflow.sdk import Asset, Context

from ai.starlake.airflow.task_runs.task_dates import cron_of_dag
from ai.starlake.airflow.task_runs.triggering_events import SCHEDULED_DATE
from ai.starlake.common import format_timestamp
from ai.starlake.orchestration.command_runs.command_run import CommandRun


def record(context: Context, run: CommandRun | None) -> None:
    """Tell Airflow what the events of the outlets of a task are to hold, which it records when the task succeeds.

    The extra of each has what is known of the run of the command - rows read, accepted and rejected, duration, log,
    remote id, logical date - and the keys of Starlake's own files: ``source``, ``sl_uri``, ``sl_sink``, ``sl_cron``,
    ``sl_freshness`` (the parameter ``freshness`` of the task), ``ts``, ``sl_scheduled_date``. What the asset itself or
    a callback has put there stays.

    A dry run, and a load that found no file, made nothing: then no event is recorded, so that no DAG runs for it.

    Args:
        context: The context of the task.
        run: What the command did; None in a dry run.
    """
    if run is None or run.read_nothing:
        withhold(context)
        return
    extra = _extra(cast("Mapping[str, Any]", context), run)
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            event = context["outlet_events"][outlet]
            event.extra = {"sl_uri": outlet.uri, **outlet.extra, **extra, **event.extra}


def withhold(context: Context) -> None:
    """Let a task that succeeds record no event of its outlets.

    Airflow asks the task for its outlets when it has succeeded. The operator that runs is a copy of the DAG's own: the
    assets that the DAG declares stay as they are.

    Args:
        context: The context of the task.
    """
    context["task"].outlets = []


def _extra(context: Mapping[str, Any], run: CommandRun) -> dict[str, Any]:
    known = {
        "sl_cron": cron_of_dag(context),
        "sl_freshness": (context.get("params") or {}).get("freshness"),
        "source": context["dag"].dag_id,
        "sl_sink": run.name,
        "ts": format_timestamp(context["ti"].start_date),
        SCHEDULED_DATE: format_timestamp(run.dates.logical),
        **run.facts(),
    }
    return {key: _plain(value) for key, value in known.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value if isinstance(value, (str, int, float)) else str(value)
