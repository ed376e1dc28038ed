"""The run of an op: its configuration, logical date and data interval."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterInvariantViolationError,
    DagsterRun,
    Failure,
    Field,
    OpExecutionContext,
    TimeWindowPartitionsDefinition,
)

from ai.starlake.common import DataInterval, StarlakeError, parse_datetime
from ai.starlake.dagster import _compat
from ai.starlake.orchestration.dates.run_dates import ConfiguredDates, RunDates, resolve_dates
from ai.starlake.orchestration.dates.run_tags import DRY_RUN_TAG, is_tagged_dry, require_dry_run_tag

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
"""Configuration of every op; one object for all of them, because building it is most of the cost of an op."""

_MOST_RUNS = 256


def is_dry_run(context: OpExecutionContext) -> bool:
    """Return True if commands are logged instead of run: by the configuration of the op, or by a tag of the run.

    Raises:
        Failure: If the tag is neither true nor false.
    """
    try:
        return runs_dry(context)
    except StarlakeError as error:
        raise Failure(str(error), allow_retries=False) from error


def runs_dry(context: OpExecutionContext) -> bool:
    """Return True if commands are logged instead of run; see `is_dry_run`.

    Raises:
        StarlakeError: If the tag is neither true nor false.
    """
    require_dry_run_tag(context.run.tags)
    configured = (context.op_config or {}).get("dry_run")
    return bool(configured) or is_tagged_dry(context.run.tags)


def dates_of(context: OpExecutionContext, zone: tzinfo) -> RunDates:
    """Return the dates of a run; see `resolve_dates`.

    Args:
        context: The context of any op of the run.
        zone: The time zone of dates without an offset.

    Raises:
        StarlakeError: If ops are configured with different logical dates, or with a value that is not a date.
    """
    return resolve_dates(_Sources(context), zone)


@dataclass(frozen=True)
class _Sources:
    """The sources of the dates of a run of Dagster; see `DateSources`."""

    context: OpExecutionContext

    def partition_window(self) -> DataInterval | None:
        """Return the time window of the partition, or of the range of partitions of a backfill in one run.

        None without a partition, and for one without time.
        """
        context = self.context
        if not (context.has_partition_key or context.has_partition_key_range):
            return None
        try:
            window = context.partition_time_window
        except DagsterInvariantViolationError:
            return None
        except _compat.CheckError:  # Dagster cannot find some windows after a daylight saving change
            return _searched_interval(context)
        return DataInterval(window.start, window.end)

    def partition_key(self) -> str | None:
        """Return the key of the partition, which a backfill sets as a tag."""
        return self.context.run.tags.get(_compat.PARTITION_TAG)

    def configured(self, zone: tzinfo) -> ConfiguredDates:
        """Return the dates in the configuration of any op."""
        return _configured(_OpConfigs(self.context.run.run_id, _compat.op_configs(self.context)), zone)

    def tags(self) -> Mapping[str, str]:
        """Return the tags of the run."""
        return self.context.run.tags

    def scheduled(self) -> datetime | None:
        """Return the time of the tick that launched the run: Dagster's schedules set it as a tag."""
        text = self.context.run.tags.get(_compat.SCHEDULED_TIME_TAG)
        return parse_datetime(text, timezone.utc) if text else None

    def launched(self) -> datetime:
        """Return the launch time of the first run that this one continues."""
        return _launched(self.context.instance, self.context.run)


def _searched_interval(context: OpExecutionContext) -> DataInterval | None:
    from ai.starlake.dagster.pipelines.partitions import window_of_key

    partitions = context.job_def.partitions_def
    if partitions is None and context.has_assets_def:
        partitions = context.assets_def.partitions_def
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        return None
    keys = context.partition_key_range
    return DataInterval(window_of_key(partitions, keys.start).start, window_of_key(partitions, keys.end).end)


@dataclass(frozen=True)
class _OpConfigs:
    """The configuration of each op of a run, including the job's own configuration and that of its graphs."""

    run_id: str
    of_ops: Mapping[str, Any] = field(compare=False)

    def dates(self) -> Iterator[tuple[str, str, str]]:
        """Yield (op, key, value) for each date in it."""
        for op, entry in self.of_ops.items():
            config = entry.config
            for key in ("logical_datetime", "previous_logical_datetime"):
                if isinstance(config, Mapping) and isinstance(config.get(key), str):
                    yield op, key, config[key]


@functools.lru_cache(maxsize=8)
def _configured(configs: _OpConfigs, zone: tzinfo) -> ConfiguredDates:
    return ConfiguredDates.of(configs.dates(), zone)


def _launched(instance: DagsterInstance, run: DagsterRun) -> datetime:
    return _creation_time(instance, _compat.root_run_of(run) or run.run_id, run.run_id)


_creation_times: dict[str, datetime] = {}


def _creation_time(instance: DagsterInstance, root_run_id: str, run_id: str) -> datetime:
    """Return the creation time of a run, read from the storage once per run and process: it costs a query."""
    if root_run_id not in _creation_times:
        record = instance.get_run_record_by_id(root_run_id) or instance.get_run_record_by_id(run_id)
        if record is None:
            raise StarlakeError(f"run {run_id} is not in the storage of Dagster, so that its launch time is unknown")
        if len(_creation_times) > _MOST_RUNS:
            _creation_times.clear()
        _creation_times[root_run_id] = record.create_timestamp
    return _creation_times[root_run_id]
