"""Functions for the templates of hand-written DAG files: dates of a run, and options in events.

Each DAG of a generated file has them as `user_defined_macros`. In other DAGs they are `macros.starlake.sl_dates(...)`:
the plugin of this package adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def ts_as_datetime(ts: datetime | str | None, context: Mapping[str, Any] | None = None) -> datetime | None:
    """Return a timestamp as a datetime; in a data-triggered run, the date that its task ``start`` decided on.

    Args:
        ts: A timestamp, such as ``data_interval_end``; one without an offset is in UTC.
        context: The context of the task; by default that of the running task.

    Raises:
        StarlakeError: If it is not a timestamp.
    """
    from datetime import timezone

    from ai.starlake.common import parse_datetime

    decided = _decided(context)
    if decided:
        return decided[0]
    if ts is None:
        return None
    return parse_datetime(ts.isoformat() if isinstance(ts, datetime) else str(ts), timezone.utc)


def sl_dates(cron_expr: str, start_time: datetime | str, context: Mapping[str, Any] | None = None) -> str:
    """Return the data interval of a run as options, ``sl_data_interval_start=...,sl_data_interval_end=...``.

    In a data-triggered run it is the decision of task ``start``; else the interval that ends at the last tick.

    Args:
        cron_expr: The cron expression, in UTC.
        start_time: The time at or before which the interval ends.
        context: The context of the task; by default that of the running task.

    Raises:
        StarlakeError: If the cron expression or the time is invalid.
    """
    from ai.starlake.common import format_timestamp

    decided = _decided(context)
    start, end = (decided and decided[1]) or _slot(cron_expr, start_time, "UTC")
    return f"sl_data_interval_start={format_timestamp(start)},sl_data_interval_end={format_timestamp(end)}"


def sl_scheduled_date(cron: str | None, ts: datetime | str, timezone: str = "UTC") -> datetime:
    """Return the last tick of a cron expression at or before a time; without a cron expression, the time.

    Args:
        cron: The cron expression, if there is one.
        ts: The time.
        timezone: The time zone of the cron expression, and of a time without an offset.

    Raises:
        StarlakeError: If the cron expression, the time or the time zone is invalid.
    """
    return _slot(cron, ts, timezone)[1] if cron else _time(ts, timezone)


def sl_scheduled_dataset(
    dataset: str,
    cron: str | None,
    ts: datetime | str,
    parameter_name: str = "sl_scheduled_date",
    format: str = _DATE_FORMAT,  # noqa: A002  templates use this name
    timezone: str = "UTC",
) -> str:
    """Return the URI of a dataset, with the last tick of its cron expression as a parameter if it has one.

    Args:
        dataset: Its Starlake name, ``domain.table``.
        cron: The cron expression, if there is one.
        ts: The time at or before which the tick is.
        parameter_name: The name of the parameter.
        format: The format of the tick.
        timezone: The time zone of the cron expression, and of a time without an offset.

    Raises:
        StarlakeError: If the cron expression, the time or the time zone is invalid.
    """
    from ai.starlake.common import sanitize_id

    uri = sanitize_id(dataset).lower()
    if not cron:
        return uri
    return f"{uri}?{urlencode({parameter_name: sl_scheduled_date(cron, ts, timezone).strftime(format)})}"


def sl_options_from_events(
    triggering_asset_events: Mapping[Any, Sequence[Any]] | None, dag_run: Any = None, name: str | None = None
) -> str:
    """Return the options in events, and those in the configuration of the run, as ``name=value,name=value``.

    Args:
        triggering_asset_events: The variable of the context.
        dag_run: The variable of the context; by default, the configuration of the run is not read.
        name: The name of the section whose options are added; by default none.

    Returns:
        The options; an empty string if there are none.

    Raises:
        StarlakeError: If events contradict each other, or if a value is not valid for an option.
    """
    from ai.starlake.airflow.task_runs.run_conf import RunConf, options_of_events, plain_options
    from ai.starlake.airflow.task_runs.triggering_events import triggering_events
    from ai.starlake.job.command import check_option
    from ai.starlake.job.sections import options_of

    conf = RunConf(getattr(dag_run, "conf", None) or {})
    found: dict[str, str] = {}
    for options in (options_of_events(triggering_events(triggering_asset_events)), plain_options(conf.sl_options())):
        found |= options_of(options, [name] if name else [])
    for option, value in found.items():
        check_option(option, value)
    return ",".join(f"{option}={value}" for option, value in found.items())


MACROS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (sl_dates, sl_options_from_events, sl_scheduled_dataset, sl_scheduled_date, ts_as_datetime)
}
"""The `user_defined_macros` of a Starlake DAG."""


def _decided(context: Mapping[str, Any] | None) -> tuple[datetime, tuple[datetime, datetime] | None] | None:
    """Return the logical date, and the data interval, that task ``start`` decided on."""
    from datetime import timezone

    from airflow.sdk import get_current_context

    from ai.starlake.airflow.task_runs.task_dates import dates_of_start
    from ai.starlake.airflow.task_runs.triggering_events import events_of_run

    if context is None:
        try:
            context = dict(get_current_context())
        except RuntimeError:  # no task is running
            return None
    found = dates_of_start(context, timezone.utc) if events_of_run(context) else None
    if found is None:
        return None
    return found.logical, (found.interval.start, found.interval.end) if found.interval else None


def _slot(cron: str, ts: datetime | str, zone: str) -> tuple[datetime, datetime]:
    from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS, slot_at

    CRON_WINDOWS.check(cron, zone)
    found = slot_at(cron, zone, _time(ts, zone))
    return found.start, found.end


def _time(ts: datetime | str, zone: str) -> datetime:
    from ai.starlake.common import parse_datetime, zone_of

    return parse_datetime(ts.isoformat() if isinstance(ts, datetime) else str(ts), zone_of(zone))
