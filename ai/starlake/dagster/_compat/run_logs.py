"""The log of one run, read from a position: some storages number events within a run only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import DagsterEventType
from dagster._core.event_api import EventLogCursor

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterEvent, DagsterInstance, SensorEvaluationContext

_KINDS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_FAILURE,
}


@dataclass(frozen=True)
class LogRecord:
    """A materialization, a result of a check or the failure of a step.

    Args:
        storage_id: Id of the event in the storage.
        position: Position in the log after it.
        at: Time at which it was recorded, as a timestamp.
        event: The event.
    """

    storage_id: int
    position: str
    at: float
    event: DagsterEvent


@dataclass(frozen=True)
class CheckRecord:
    """The result of a check.

    Args:
        asset_key: The asset.
        name: The check.
        passed: True if it passed.
        severity: ``WARN`` or ``ERROR``.
        description: Its description.
        metadata: Its metadata.
        partition: Its partition, if Dagster records it.
    """

    asset_key: AssetKey
    name: str
    passed: bool
    severity: str
    description: str | None
    metadata: Mapping[str, Any]
    partition: str | None


def records_of_run(instance: DagsterInstance, run_id: str, position: str | None, limit: int) -> Sequence[LogRecord]:
    """Return the records of a run after a position, oldest first."""
    found = instance.get_records_for_run(run_id, cursor=position, of_type=_KINDS, limit=limit, ascending=True).records
    return [
        LogRecord(
            record.storage_id,
            EventLogCursor.from_storage_id(record.storage_id).to_string(),
            record.event_log_entry.timestamp,
            record.event_log_entry.dagster_event,
        )
        for record in found
        if record.event_log_entry.dagster_event is not None
    ]


def check_of_event(event: DagsterEvent) -> CheckRecord:
    """Return the result of a check that an event records."""
    data: Any = event.event_specific_data
    return CheckRecord(
        data.asset_key,
        data.check_name,
        data.passed,
        data.severity.value,
        data.description,
        data.metadata,
        getattr(data, "partition", None),
    )


def code_location_of_tick(context: SensorEvaluationContext) -> str:
    """Return the name of the code location of a sensor; empty if its code is called from Python."""
    origin = context.code_location_origin
    return origin.location_name if origin else ""


def metadata_of_assets(context: SensorEvaluationContext) -> Mapping[AssetKey, Mapping[str, Any]]:
    """Return the definition metadata of the assets in a sensor's code location."""
    repository = context.repository_def
    if repository is None:
        return {}
    graph = repository.asset_graph
    return {key: graph.get(key).metadata for key in graph.get_all_asset_keys()}
