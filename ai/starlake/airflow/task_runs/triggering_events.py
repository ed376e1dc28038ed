"""Triggering asset events of a run, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any

from airflow.sdk import Asset

from ai.starlake.airflow.assets import asset_name
from ai.starlake.common import StarlakeError, parse_datetime
from ai.starlake.orchestration.freshness.decision import Update

SCHEDULED_DATE = "sl_scheduled_date"
"""Key of an event's extra with the logical date of the run that emitted it."""


@dataclass(frozen=True)
class TriggeringEvent:
    """An asset event that triggered a run, together with others.

    Args:
        asset: The name of the asset.
        at: Time at which the event was recorded.
        extra: Its extra, from the task that emitted it.
        partition_key: Its partition.
    """

    asset: str
    at: datetime
    extra: Mapping[str, Any]
    partition_key: str | None = None

    def scheduled_date(self, zone: tzinfo) -> datetime | None:
        """Return the logical date of the run that emitted it; None if it has none.

        Args:
            zone: The time zone of a date without an offset.

        Raises:
            StarlakeError: If the value is not a date.
        """
        text = self.extra.get(SCHEDULED_DATE)
        if text is None:
            return None
        try:
            return parse_datetime(str(text), zone)
        except StarlakeError as error:
            raise StarlakeError(
                f"the extra {SCHEDULED_DATE} of an event of asset {self.asset} is {text!r}, which is not a date",
                fix="write it as in 2026-03-01T06:30:00+00:00, or leave it out",
            ) from error


def triggering_events(events: Mapping[Any, Sequence[Any]] | None) -> list[TriggeringEvent]:
    """Return the triggering events of a run, oldest first, each once.

    Args:
        events: ``triggering_asset_events`` of the context, by asset. An event of an alias is under the alias too.
    """
    found = [
        TriggeringEvent(key.name, event.timestamp, event.extra or {}, getattr(event, "partition_key", None))
        for key, of_key in (events or {}).items()
        if isinstance(key, Asset)
        for event in of_key
    ]
    return sorted(found, key=lambda event: (event.at, event.asset))


def events_of_run(context: Mapping[str, Any]) -> list[TriggeringEvent]:
    """Return the triggering events of the run of a task, oldest first.

    Args:
        context: The context of the task.
    """
    return triggering_events(context.get("triggering_asset_events"))


def newest_scheduled_date(events: Iterable[TriggeringEvent], zone: tzinfo) -> datetime | None:
    """Return the newest logical date in events; None if none has one."""
    dates = filter(None, (event.scheduled_date(zone) for event in events))
    return max(dates, key=datetime.timestamp, default=None)


def updates_of(context: Mapping[str, Any], datasets: Iterable[str], zone: tzinfo) -> dict[str, list[Update]]:
    """Return the updates of datasets that triggered a run, in the form of `decide`.

    An event has no id in the context of a task; microseconds since 1970 are used instead: they increase from one event
    to the next, and from one run to the next.

    Args:
        context: The context of the task.
        datasets: The Starlake names of the datasets, ``domain.table``.
        zone: The time zone of dates without an offset.
    """
    events = list(events_of_run(context))
    return {name: found for name in datasets if (found := list(_updates(events, asset_name(name), zone)))}


def _updates(events: Iterable[TriggeringEvent], asset: str, zone: tzinfo) -> Iterator[Update]:
    last = 0
    for event in events:
        if event.asset == asset:
            last = max(last + 1, _microseconds(event.at))
            yield Update(last, event.at, event.scheduled_date(zone) or event.at)


def _microseconds(at: datetime) -> int:
    since = at.astimezone(timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
