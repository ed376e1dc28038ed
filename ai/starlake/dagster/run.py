"""What an op learns of its run: configuration, logical date, data interval."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterInvariantViolationError,
    DagsterRun,
    Field,
    OpExecutionContext,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import DataInterval, StarlakeError, parse_datetime
from ai.starlake.dagster import _compat

DRY_RUN_TAG = "starlake/dry_run"
LOGICAL_DATE_TAG = "starlake/logical_date"
INTERVAL_START_TAG = "starlake/data_interval_start"
INTERVAL_END_TAG = "starlake/data_interval_end"
OUTCOME_TAG = "starlake/outcome"

CONFIG_SCHEMA = Field(
    {
        "logical_datetime": Field(
            str, is_required=False, description="The logical date of the run (ISO 8601); enough to set it for one op."
        ),
        "previous_logical_datetime": Field(
            str,
            is_required=False,
            description="The start of the data interval that ends at the logical date (ISO 8601).",
        ),
        "dry_run": Field(
            bool,
            is_required=False,
            description=f"Log the command, do not run it. The tag {DRY_RUN_TAG} of a run sets it for all ops.",
        ),
        "options": Field(
            dict,
            is_required=False,
            description="Further --options. A section named as a table, a task or an op is for that one only.",
        ),
    },
    is_required=False,
)
"""The configuration of every op; one object for all of them, because building it is most of the cost of an op."""


@dataclass(frozen=True)
class RunDates:
    """The dates that a run is for.

    Args:
        logical: The logical date, the same in every op of the run.
        interval: The span of time whose data the run is for, when that is known.
    """

    logical: datetime
    interval: DataInterval | None


def date_tags(logical: datetime, interval: DataInterval | None = None) -> dict[str, str]:
    """The tags of a run that has neither partition nor schedule to tell its dates.

    Args:
        logical: The logical date.
        interval: The data interval, where there is one.
    """
    tags = {LOGICAL_DATE_TAG: logical.isoformat()}
    if interval:
        tags |= {INTERVAL_START_TAG: interval.start.isoformat(), INTERVAL_END_TAG: interval.end.isoformat()}
    return tags


_LONGEST_TAG = 200
"""Bytes of a tag that is made of names. PostgreSQL cannot index one of more than some 2,700 bytes."""


def tag_of_names(names: Sequence[str]) -> str:
    """Return a tag that lists names; of a long list, the first ones and how many more there are.

    Args:
        names: The names, of any number and length.
    """
    for shown in range(min(len(names), _LONGEST_TAG), 0, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        text = ", ".join(names[:shown]) + more
        if len(text.encode()) <= _LONGEST_TAG:
            return text
    return _cut(names[0], len(names) - 1) if names else ""


def _cut(name: str, others: int) -> str:
    """Return the beginning of a name that is too long for a tag."""
    end = f"... and {others} more" if others else "..."
    return name.encode()[: _LONGEST_TAG - len(end)].decode(errors="ignore") + end


def dates_of(context: OpExecutionContext, zone: tzinfo) -> RunDates:
    """Finds the dates of a run: by its partition, its configuration, its tags, or its launch, in this order.

    The tags are those of `date_tags`, then the one that Dagster's schedules set.

    Args:
        context: The context of any op of the run.
        zone: The zone of dates that name none.

    Raises:
        StarlakeError: If ops are configured with different logical dates, or with something that is no date.
    """
    interval = _partition_interval(context)
    if interval:
        return RunDates(interval.start, interval)
    run = context.run
    configured = _configured(_OpConfigs(run.run_id, _compat.op_configs(context)), zone)
    logical = (
        _partition_date(run.tags, zone)
        or configured.logical
        or _tagged(run.tags, LOGICAL_DATE_TAG, zone)
        or _scheduled(run.tags)
        or _launched(context.instance, run)
    )
    previous = configured.previous
    interval = None if configured.logical else _tagged_interval(run.tags, zone)
    return RunDates(logical.astimezone(zone), DataInterval(previous, logical) if previous else interval)


def _partition_interval(context: OpExecutionContext) -> DataInterval | None:
    """The time window of the partition; None for runs without partition and partitions that are not about time."""
    if not context.has_partition_key:
        return None
    try:
        window = context.partition_time_window
    except DagsterInvariantViolationError:
        return None
    except _compat.CheckError:  # Dagster cannot find some windows that follow a change to summer time
        return _searched_interval(context)
    return DataInterval(window.start, window.end)


def _searched_interval(context: OpExecutionContext) -> DataInterval | None:
    from ai.starlake.dagster.pipelines.partitions import window_of_key

    partitions = context.job_def.partitions_def
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        return None
    window = window_of_key(partitions, context.partition_key)
    return DataInterval(window.start, window.end)


def _partition_date(tags: Mapping[str, str], zone: tzinfo) -> datetime | None:
    """The date in a partition key that is one, such as that of a static partition ``2026-03-01``."""
    try:
        return parse_datetime(tags[_compat.PARTITION_TAG], zone) if _compat.PARTITION_TAG in tags else None
    except StarlakeError:
        return None


@dataclass(frozen=True)
class _Configured:
    logical: datetime | None
    previous: datetime | None


@dataclass(frozen=True)
class _OpConfigs:
    """The configuration of each op of a run, as it is after the job's own configuration and that of its graphs."""

    run_id: str
    of_ops: Mapping[str, Any] = field(compare=False)

    def dates(self) -> Iterator[tuple[str, str, str]]:
        """Yields (op, key, value) for the dates in it."""
        for op, entry in self.of_ops.items():
            config = entry.config
            for key in ("logical_datetime", "previous_logical_datetime"):
                if isinstance(config, Mapping) and isinstance(config.get(key), str):
                    yield op, key, config[key]


@functools.lru_cache(maxsize=8)
def _configured(configs: _OpConfigs, zone: tzinfo) -> _Configured:
    """The dates that the configuration sets; one op's setting is the setting of the run."""
    found: dict[str, tuple[str, datetime]] = {}
    for op, key, text in configs.dates():
        moment = parse_datetime(text, zone)
        first, other = found.setdefault(key, (op, moment))
        if other != moment:
            raise StarlakeError(
                f"ops {first} and {op} are configured with different values of {key}: {other} and {moment}",
                cause="a run has one logical date, the same in every op",
                fix=f"set {key} for one op, or to the same value for all",
            )
    logical, previous = found.get("logical_datetime"), found.get("previous_logical_datetime")
    return _Configured(logical[1] if logical else None, previous[1] if previous else None)


def _tagged(tags: Mapping[str, str], tag: str, zone: tzinfo) -> datetime | None:
    return parse_datetime(tags[tag], zone) if tag in tags else None


def _tagged_interval(tags: Mapping[str, str], zone: tzinfo) -> DataInterval | None:
    start, end = _tagged(tags, INTERVAL_START_TAG, zone), _tagged(tags, INTERVAL_END_TAG, zone)
    return DataInterval(start, end) if start and end else None


def _scheduled(tags: Mapping[str, str]) -> datetime | None:
    """The time of the tick that launched the run; Dagster's schedules tag their runs with it."""
    text = tags.get(_compat.SCHEDULED_TIME_TAG)
    return parse_datetime(text, timezone.utc) if text else None


def _launched(instance: DagsterInstance, run: DagsterRun) -> datetime:
    """When the run was launched; for a run that continues another, when the first one was."""
    return _creation_time(instance, _compat.root_run_of(run) or run.run_id, run.run_id)


_creation_times: dict[str, datetime] = {}


def _creation_time(instance: DagsterInstance, root_run_id: str, run_id: str) -> datetime:
    """Asked of the storage once per run and process: it costs a query."""
    if root_run_id not in _creation_times:
        record = instance.get_run_record_by_id(root_run_id) or instance.get_run_record_by_id(run_id)
        if record is None:
            raise StarlakeError(f"run {run_id} is not in the storage of Dagster, so that its launch time is unknown")
        if len(_creation_times) > _MOST_RUNS:
            _creation_times.clear()
        _creation_times[root_run_id] = record.create_timestamp
    return _creation_times[root_run_id]


_MOST_RUNS = 256
