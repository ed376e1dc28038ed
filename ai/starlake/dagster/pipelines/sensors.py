"""Sensors that start a pipeline when the data that it depends on has changed.

A tick reads the last materialization of each dataset in one query, however many there are and however long the history
is; and if there are new ones, the materializations since the last tick.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagster import (
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    EventLogRecord,
    JobDefinition,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from ai.starlake.common import StarlakeError, parse_datetime, zone_of
from ai.starlake.dagster import _compat
from ai.starlake.dagster.asset_keys import dataset_key
from ai.starlake.dagster.pipelines.partitions import PARTITION_WINDOWS
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.orchestration.dates.run_tags import date_tags, tag_of_names
from ai.starlake.orchestration.freshness.decision import Start, Update, Wait, decide
from ai.starlake.orchestration.freshness.memory import Memory
from ai.starlake.orchestration.freshness.policy import Policy, TriggerDataset, policy_of

if TYPE_CHECKING:
    from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

TRIGGERED_BY_TAG = "starlake/triggered_by"

_SECONDS_BETWEEN_TICKS = 60
_LOGICAL_DATE = "starlake/logical_date"

_PAGE = 1_000
_MOST_PAGES = 20
_OVERLAP = 1_000
_OVERLAP_TIME = timedelta(hours=1)


def build(
    job: JobDefinition,
    datasets: Sequence[TriggerDataset],
    options: OrchestrationOptions,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> SensorDefinition:
    """Return the sensor that starts a job when its datasets were updated.

    It is off until a user starts it, unless the option `default_status` is ``running``. The runs that it requests have
    the logical date and the data interval as tags, and a run key that is the same whenever it sees the same updates, so
    that none is run twice.

    Args:
        job: The job, without partitions.
        datasets: The datasets that it depends on.
        options: The options of the pipeline.
        now: The current time.

    Raises:
        StarlakeError: If there is no dataset, or if an option is invalid.
    """
    policy = policy_of(datasets, options, PARTITION_WINDOWS)

    names = {
        dataset_key(StarlakeDataset(dataset.name), options.asset_key_style): dataset.name for dataset in policy.datasets
    }

    def look(context: SensorEvaluationContext) -> list[RunRequest] | SkipReason:
        return _look(context, policy, names, now())

    return SensorDefinition(
        name=f"{job.name}_sensor",
        job=job,
        evaluation_fn=look,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        description=f"Starts {job.name} on: {policy.condition}",
        default_status=DefaultSensorStatus[options.default_status.upper()],
    )


def _look(
    context: SensorEvaluationContext, policy: Policy, names: Mapping[AssetKey, str], now: datetime
) -> list[RunRequest] | SkipReason:
    memory = Memory.read(context.cursor)
    decision = decide(policy, memory, _updates(context.instance, policy, names, memory), now)
    cursor = decision.memory.written()
    if cursor != context.cursor:
        context.update_cursor(cursor)
    if decision.left_out:
        _compat.log_of(context).warning(_left_out(policy, decision.left_out))
    if isinstance(decision.outcome, Wait):
        return SkipReason(decision.outcome.reason)
    return [_request(context, run) for run in decision.outcome]


def _request(context: SensorEvaluationContext, run: Start) -> RunRequest:
    names, tag = ", ".join(run.because), tag_of_names(run.because)
    if tag != names:
        _compat.log_of(context).info(f"the run for {run.interval.start} to {run.interval.end} was triggered by {names}")
    return RunRequest(run_key=_run_key(run), tags={**date_tags(run.logical, run.interval), TRIGGERED_BY_TAG: tag})


def _left_out(policy: Policy, starts: Sequence[datetime]) -> str:
    """Report the intervals that get no run, and the fix."""
    named = ", ".join(start.astimezone(zone_of(policy.zone)).isoformat() for start in starts)
    fix = "set the option catchup to run what was recorded before the first tick, too"
    if not policy.every_interval:
        fix = "set the option missed_intervals to run"
    return (
        f"{len(starts)} interval(s) with new data get no run: those that begin at {named}; to run them, use "
        f"`python -m ai.starlake.orchestration backfill`. To have all of them run from now on, {fix}"
    )


def _updates(
    instance: DagsterInstance, policy: Policy, names: Mapping[AssetKey, str], memory: Memory
) -> Mapping[str, Sequence[Update]]:
    """Return the last update of each dataset, and those since the last tick if each may be for another interval.

    One query for all datasets; and if there are new ones, one for each thousand of new records.
    """
    latest = {
        names[record.asset_entry.asset_key]: record.asset_entry.last_materialization_record
        for record in instance.get_asset_records(list(names))
        if record.asset_entry.asset_key in names
    }
    last = {name: _update(record) for name, record in latest.items() if record is not None}
    new = [update for name, update in last.items() if update.storage_id > memory.consumed.get(name, 0)]
    if not new or policy.every is None or (memory.looked is None and not policy.catchup):
        return {name: [update] for name, update in last.items()}
    found: dict[str, list[Update]] = {name: [] for name in last}
    complete = _read_since(
        instance, policy, memory, new, {key: found[name] for key, name in names.items() if name in last}
    )
    for name, update in last.items():
        if complete and (not found[name] or found[name][-1].storage_id < update.storage_id):
            found[name].append(update)
    return {name: updates for name, updates in found.items() if updates}


def _read_since(
    instance: DagsterInstance,
    policy: Policy,
    memory: Memory,
    new: Sequence[Update],
    found: Mapping[AssetKey, list[Update]],
) -> bool:
    """Read the updates since the last tick. Return True if all of them were read; otherwise the next tick continues.

    A database may show a record after one with a higher number, so some records are read a second time.
    """
    position = min(max(memory.consumed.values(), default=0), *(update.storage_id - 1 for update in new))
    position = max(position - _OVERLAP, 0)
    begin = (
        max(policy.begin, memory.looked, key=datetime.timestamp)
        if memory.looked and not policy.catchup
        else policy.begin
    )
    for _ in range(_MOST_PAGES):
        records = _compat.materializations_after(instance, position, begin - _OVERLAP_TIME, _PAGE)
        for record in records:
            key = record.asset_key
            if key is not None and key in found:
                found[key].append(_update(record))
        if len(records) < _PAGE:
            return True
        position = records[-1].storage_id
    return False


def _update(record: EventLogRecord) -> Update:
    at = _compat.recorded_at(record)
    return Update(record.storage_id, at, _logical_date(record) or at)


def _logical_date(record: EventLogRecord) -> datetime | None:
    """Return the logical date of the run that materialized a dataset, from its metadata, else from its partition."""
    materialization = _compat.recorded_materialization(record)
    if materialization is None:
        return None
    told = materialization.metadata.get(_LOGICAL_DATE)
    if told is not None and isinstance(told.value, (int, float)):
        return datetime.fromtimestamp(told.value, timezone.utc)
    try:
        return parse_datetime(materialization.partition, timezone.utc) if materialization.partition else None
    except StarlakeError:
        return None


def _run_key(run: Start) -> str:
    seen = [run.logical.timestamp(), sorted(run.updates.items())]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:32]
