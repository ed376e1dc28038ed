"""Order of precedence of the sources of a run's dates: partition, configuration, tags, schedule, launch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from ai.starlake.common import DataInterval, StarlakeError, parse_datetime
from ai.starlake.orchestration.dates.run_tags import INTERVAL_END_TAG, INTERVAL_START_TAG, LOGICAL_DATE_TAG


@dataclass(frozen=True)
class RunDates:
    """The dates of a run.

    Args:
        logical: The logical date, the same in every op of the run.
        interval: The time span whose data the run processes, if known.
    """

    logical: datetime
    interval: DataInterval | None


@dataclass(frozen=True)
class ConfiguredDates:
    """Dates in the configuration of a run.

    Args:
        logical: The logical date.
        previous: The start of the data interval that ends at the logical date.
    """

    logical: datetime | None = None
    previous: datetime | None = None

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str, str]], zone: tzinfo) -> ConfiguredDates:
        """Return the dates in a configuration; the setting of one op applies to the run.

        Args:
            entries: An op, ``logical_datetime`` or ``previous_logical_datetime``, and the date.
            zone: The time zone of dates without an offset.

        Raises:
            StarlakeError: If ops have different values of one key, or a value is not a date.
        """
        found: dict[str, tuple[str, datetime]] = {}
        for op, key, text in entries:
            read = parse_datetime(text, zone)
            first, other = found.setdefault(key, (op, read))
            if other != read:
                raise StarlakeError(
                    f"ops {first} and {op} are configured with different values of {key}: {other} and {read}",
                    cause="a run has one logical date, the same in every op",
                    fix=f"set {key} for one op, or to the same value for all",
                )
        logical, previous = found.get("logical_datetime"), found.get("previous_logical_datetime")
        return cls(logical[1] if logical else None, previous[1] if previous else None)


class DateSources(Protocol):
    """Sources of the dates of a run. An orchestrator implements them; slow ones are used last."""

    def partition_window(self) -> DataInterval | None:
        """Return the time window of the run's partition; None if it has none."""
        ...

    def partition_key(self) -> str | None:
        """Return the key of the run's partition; None if it has none."""
        ...

    def configured(self, zone: tzinfo) -> ConfiguredDates:
        """Return the dates in the configuration of the run.

        Raises:
            StarlakeError: If ops are configured with different dates, or if a value is not a date.
        """
        ...

    def tags(self) -> Mapping[str, str]:
        """Return the tags of the run."""
        ...

    def scheduled(self) -> datetime | None:
        """Return the time of the tick that launched the run; None if no schedule did."""
        ...

    def launched(self) -> datetime:
        """Return the launch time of the run; for a run that continues another, that of the first one.

        Raises:
            StarlakeError: If it is unknown.
        """
        ...


def resolve_dates(sources: DateSources, zone: tzinfo) -> RunDates:
    """Return the dates of a run: by its partition, its configuration, its tags, its schedule, or its launch.

    Args:
        sources: The sources of the dates.
        zone: The time zone of dates without an offset, and of the result.

    Raises:
        StarlakeError: If the configuration or a tag contains a value that is not a date, or if ops have different ones.
    """
    configured = sources.configured(zone)  # an error in it is reported even if the date of a partition takes precedence
    interval = sources.partition_window()
    if interval:
        return RunDates(interval.start, interval)
    tags = sources.tags()
    logical = (
        _date_in_key(sources.partition_key(), zone)
        or configured.logical
        or _tagged(tags, LOGICAL_DATE_TAG, zone)
        or sources.scheduled()
        or sources.launched()
    )
    if configured.previous:
        interval = DataInterval(configured.previous, logical)
    elif not configured.logical:
        interval = _tagged_interval(tags, zone)
    return RunDates(logical.astimezone(zone), interval)


def _date_in_key(key: str | None, zone: tzinfo) -> datetime | None:
    """Return the date in a partition key that is one, such as that of a static partition ``2026-03-01``."""
    try:
        return parse_datetime(key, zone) if key is not None else None
    except StarlakeError:
        return None


def _tagged(tags: Mapping[str, str], tag: str, zone: tzinfo) -> datetime | None:
    return parse_datetime(tags[tag], zone) if tag in tags else None


def _tagged_interval(tags: Mapping[str, str], zone: tzinfo) -> DataInterval | None:
    start, end = _tagged(tags, INTERVAL_START_TAG, zone), _tagged(tags, INTERVAL_END_TAG, zone)
    return DataInterval(start, end) if start and end else None


def is_late(interval: DataInterval) -> bool:
    """Return True if a run for an interval starts later than a scheduled one: after the next interval has ended."""
    end = interval.end.timestamp()
    return time.time() > end + (end - interval.start.timestamp())
