"""Sensors that start a pipeline when the data that it depends on has changed.

A tick reads one record per dataset, the last materialization, however long the history is.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

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

from ai.starlake.common import StarlakeError, parse_datetime
from ai.starlake.dagster.orchestration.freshness import (
    Memory,
    Policy,
    Start,
    TriggerDataset,
    Update,
    common_cron,
    decide,
)
from ai.starlake.dagster.orchestration.partitions import DEFAULT_START, cycles
from ai.starlake.dagster.orchestration.triggering import condition_of
from ai.starlake.dagster.run import date_tags
from ai.starlake.dataset import StarlakeDataset

if TYPE_CHECKING:
    from ai.starlake.orchestration.options import OrchestrationOptions

__all__ = ["TriggerDataset", "build", "cycle_of", "policy_of"]

logger = logging.getLogger(__name__)

TRIGGERED_BY_TAG = "starlake/triggered_by"

_SECONDS_BETWEEN_TICKS = 60
_LOGICAL_DATE = "starlake/logical_date"
_CURSOR_VERSION = 1


def policy_of(datasets: Sequence[TriggerDataset], options: OrchestrationOptions) -> Policy:
    """What a pipeline waits for, as its options say.

    Args:
        datasets: The datasets that it depends on.
        options: The options of the pipeline.

    Raises:
        StarlakeError: If there is no dataset, or if an option or a dataset's cron expression cannot be used.
    """
    if not datasets:
        raise StarlakeError(
            "a pipeline that depends on no dataset cannot wait for one", fix="give it a schedule, or start it by hand"
        )
    for cron in filter(None, [options.data_cycle, *(dataset.cron for dataset in datasets)]):
        cycles(cron, options.zone)
    return Policy(
        datasets=tuple(datasets),
        condition=condition_of(options.dataset_triggering_strategy, [dataset.name for dataset in datasets]),
        zone=options.zone,
        start=options.start_date or DEFAULT_START,
        cycle=cycle_of(datasets, options),
        optional_datasets=options.optional_dataset_enabled,
        beyond_cycle=options.beyond_data_cycle_enabled,
        min_between_runs=options.min_timedelta_between_runs,
        period=options.cron_period_frequency,
    )


def cycle_of(datasets: Sequence[TriggerDataset], options: OrchestrationOptions) -> str | None:
    """The cron expression of the data cycle; one that is not named is that of the data. None where there is none."""
    if not options.data_cycle_enabled:
        return None
    return options.data_cycle or common_cron(datasets, options.cron_period_frequency, options.zone)


def build(
    job: JobDefinition,
    datasets: Sequence[TriggerDataset],
    options: OrchestrationOptions,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> SensorDefinition:
    """The sensor that starts a job when its datasets were updated.

    It is on from the start. The runs that it asks for have the logical date and the data interval as tags, and a run
    key that is the same whenever it sees the same updates, so that none is run twice.

    Args:
        job: The job, without partitions.
        datasets: The datasets that it depends on.
        options: The options of the pipeline.
        now: The time.

    Raises:
        StarlakeError: If there is no dataset, or if an option cannot be used.
    """
    policy = policy_of(datasets, options)

    def look(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        return _look(context, policy, now())

    return SensorDefinition(
        name=f"{job.name}_sensor",
        job=job,
        evaluation_fn=look,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        description=f"Starts {job.name} on: {policy.condition}",
        default_status=DefaultSensorStatus.RUNNING,
    )


def _look(context: SensorEvaluationContext, policy: Policy, now: datetime) -> RunRequest | SkipReason:
    latest = {
        dataset.name: update for dataset in policy.datasets for update in _last_update(context.instance, dataset.name)
    }
    decision = decide(policy, _remembered(context.cursor), latest, now)
    cursor = _written(decision.memory)
    if cursor != context.cursor:
        context.update_cursor(cursor)
    if not isinstance(decision, Start):
        return SkipReason(decision.reason)
    return RunRequest(
        run_key=_run_key(decision.updates),
        tags={
            **date_tags(decision.logical, decision.interval),
            TRIGGERED_BY_TAG: ", ".join(decision.because),
        },
    )


def _last_update(instance: DagsterInstance, dataset: str) -> list[Update]:
    """The last materialization of a dataset; none where there is none."""
    records = instance.fetch_materializations(AssetKey(StarlakeDataset(dataset).uri), limit=1).records
    return [_update(record) for record in records]


def _update(record: EventLogRecord) -> Update:
    at = datetime.fromtimestamp(record.timestamp, timezone.utc)
    return Update(record.storage_id, at, _logical_date(record) or at)


def _logical_date(record: EventLogRecord) -> datetime | None:
    """The logical date of the run that materialized a dataset: as our ops tell it, else as its partition's key does."""
    materialization = record.asset_materialization
    if materialization is None:
        return None
    told = materialization.metadata.get(_LOGICAL_DATE)
    if told is not None and isinstance(told.value, (int, float)):
        return datetime.fromtimestamp(told.value, timezone.utc)
    try:
        return parse_datetime(materialization.partition, timezone.utc) if materialization.partition else None
    except StarlakeError:
        return None


def _run_key(updates: Mapping[str, int]) -> str:
    return hashlib.sha256(json.dumps(sorted(updates.items())).encode()).hexdigest()[:32]


def _written(memory: Memory) -> str:
    return json.dumps(
        {
            "version": _CURSOR_VERSION,
            "consumed": memory.consumed,
            "furthest": {name: moment.isoformat() for name, moment in memory.furthest.items()},
            **{
                name: moment.isoformat()
                for name in ("launched", "logical", "previous")
                for moment in [getattr(memory, name)]
                if moment
            },
        },
        sort_keys=True,
    )


def _remembered(cursor: str | None) -> Memory:
    """What a cursor holds. One that another kind of sensor of this name has left holds nothing."""
    if not cursor:
        return Memory()
    try:
        kept: dict[str, Any] = json.loads(cursor)
        if kept["version"] != _CURSOR_VERSION:
            raise ValueError("of another version")  # noqa: TRY301
        return Memory(
            consumed={str(name): int(number) for name, number in kept["consumed"].items()},
            furthest={str(name): datetime.fromisoformat(text) for name, text in kept["furthest"].items()},
            **{
                name: datetime.fromisoformat(kept[name]) for name in ("launched", "logical", "previous") if name in kept
            },
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        logger.warning("the cursor of the sensor is not one of ours, and is ignored: %.100s", cursor)
        return Memory()
