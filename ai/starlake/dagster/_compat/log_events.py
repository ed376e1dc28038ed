"""Events in the logs of runs, and their contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType, EventRecordsFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import AssetKey, AssetMaterialization, DagsterEvent, DagsterInstance, EventLogEntry, EventLogRecord


@dataclass(frozen=True)
class StepFailure:
    """Reason for the failure of a step.

    Args:
        description: Description of a `Failure`.
        error: The class of the exception, or None if the event has no error.
        root_message: The message of the exception at its root.
        metadata: Metadata of a `Failure`.
    """

    description: str | None
    error: str | None
    root_message: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def materializations_after(
    instance: DagsterInstance, storage_id: int, recorded_after: datetime, limit: int
) -> Sequence[EventLogRecord]:
    """Return the materializations of all assets that were recorded after one, oldest first.

    Dagster's public interface offers them for one asset at a time only.
    """
    events = EventRecordsFilter(
        event_type=DagsterEventType.ASSET_MATERIALIZATION,
        after_cursor=storage_id,
        after_timestamp=recorded_after.timestamp(),
    )
    return instance.event_log_storage.get_event_records(events, limit=limit, ascending=True)


def runs_planned_since(
    instance: DagsterInstance, key: AssetKey, storage_id: int, partition: str | None, limit: int = 50
) -> set[str]:
    """Return the first runs that planned to materialize an asset, or a partition of it, after an event."""
    events = EventRecordsFilter(
        event_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        asset_key=key,
        asset_partitions=None if partition is None else [partition],
        after_cursor=storage_id,
    )
    return {record.run_id for record in instance.event_log_storage.get_event_records(events, limit, ascending=True)}


def recorded_materialization(record: EventLogRecord | EventLogEntry) -> AssetMaterialization | None:
    """Return the materialization of a record; None for other records."""
    return record.asset_materialization


def recorded_metadata(record: EventLogRecord) -> Mapping[str, Any]:
    """Return the metadata of the materialization or the observation of a record."""
    found = record.asset_materialization or record.asset_observation
    return found.metadata if found else {}


def latest_materializations(
    instance: DagsterInstance, keys: Sequence[AssetKey]
) -> Mapping[AssetKey, Mapping[str, Any]]:
    """Return the metadata of the last materialization of each asset that has one, by one query."""
    found = instance.event_log_storage.get_latest_materialization_events(keys) if keys else {}
    return {
        key: entry.asset_materialization.metadata
        for key, entry in found.items()
        if entry and entry.asset_materialization
    }


def recorded_at(record: EventLogRecord) -> datetime:
    """Return the time at which an event was recorded."""
    return datetime.fromtimestamp(record.timestamp, timezone.utc)


def has_materializations(instance: DagsterInstance, run_id: str) -> bool:
    """Return True if a run has recorded a materialization so far."""
    kind = DagsterEventType.ASSET_MATERIALIZATION
    return bool(instance.get_records_for_run(run_id, of_type=kind, limit=1).records)


def materialized_by(instance: DagsterInstance, run_id: str) -> set[AssetKey]:
    """Return the assets that a run has materialized so far."""
    kind = DagsterEventType.ASSET_MATERIALIZATION
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return {record.asset_key for record in records if record.asset_key is not None}


def yielded_outputs(instance: DagsterInstance, run_id: str, step_key: str) -> set[str]:
    """Return the names of the outputs that a step of a run yielded."""
    entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_OUTPUT)
    events = (entry.dagster_event for entry in entries)
    return {
        event.step_output_data.step_output_handle.output_name
        for event in events
        if event and event.step_key == step_key
    }


def listen(instance: DagsterInstance, run_id: str, listener: Callable[[EventLogEntry], None]) -> None:
    """Call a listener with each entry that this process writes to the log of a run."""
    instance.add_event_listener(run_id, lambda entry, *_: listener(entry))  # some versions also pass a cursor


def message_of(entry: EventLogEntry) -> str:
    """Return the message of an op's log entry, without Dagster's prefix."""
    return entry.user_message


def materialization_of(event: DagsterEvent) -> AssetMaterialization:
    """Return the materialization that an event records."""
    return event.step_materialization_data.materialization


def seconds_of(event: DagsterEvent) -> float:
    """Return the duration of the step from its success event."""
    return event.step_success_data.duration_ms / 1000


def failure_of(event: DagsterEvent) -> StepFailure:
    """Return the reason for the failure of the step from its failure event."""
    data = event.step_failure_data
    error = root = data.error
    while root is not None and root.cause is not None:
        root = root.cause
    described = data.user_failure_data.description if data.user_failure_data else None
    metadata = data.user_failure_data.metadata if data.user_failure_data else {}
    return StepFailure(described, error.cls_name if error else None, root.message.strip() if root else "", metadata)
