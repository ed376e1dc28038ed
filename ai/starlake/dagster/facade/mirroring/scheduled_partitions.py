"""Partitions of outside runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import TimeWindowPartitionsDefinition

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.assets.sensors.partitions_now import has_partition
from ai.starlake.dagster.pipelines.partitions import key_completed_by, key_of, window_of

if TYPE_CHECKING:
    from datetime import datetime

    from dagster import DagsterInstance, PartitionsDefinition

    from ai.starlake.project.audit import AuditRow

_SAME = 1
"""Seconds between the start and the logical date of a command without a date of its own."""


def partition_of(
    partitions: PartitionsDefinition[str] | None, row: AuditRow, instance: DagsterInstance
) -> tuple[str | None, str | None]:
    """Return the partition key of a row of the audit, and the reason if a partitioned item has no key.

    The key is that of the interval that contains the logical date, as set by Airflow and this package: the start of the
    interval. If that interval had not ended when the row was written, the date is a tick at the end of an interval, and
    the key is that of the last ended one. Without a logical date the audit has the start of the command, which
    determines no interval.

    Args:
        partitions: The partitions of the table or task; None if it has none.
        row: The row.
        instance: The instance, for partitions that were added at run time.
    """
    if partitions is None:
        return None, None
    if not isinstance(partitions, TimeWindowPartitionsDefinition):
        return None, "its partitions are not intervals of time"
    scheduled = row.scheduled
    if scheduled is None or abs((scheduled - row.started).total_seconds()) < _SAME:
        return None, "the audit has no logical date of it (--scheduledDate)"
    try:
        key = _key(partitions, scheduled, row.ended)
    except StarlakeError as error:
        return None, error.culprit
    if key is None or not has_partition(partitions, key, instance):
        return None, f"the logical date {scheduled:%Y-%m-%d %H:%M} UTC is before the first partition"
    return key, None


def _key(partitions: TimeWindowPartitionsDefinition, scheduled: datetime, ended: datetime) -> str | None:
    """Return the key of the interval of a logical date; None if it is before the first one.

    Raises:
        StarlakeError: If Dagster finds no such interval.
    """
    window = window_of(partitions, scheduled)
    if not window.start.timestamp() <= scheduled.timestamp() < window.end.timestamp():
        raise StarlakeError(f"Dagster finds no interval of {partitions.cron_schedule!r} for its logical date")
    over = window.end.timestamp() <= ended.timestamp()
    return key_of(partitions, window) if over else key_completed_by(partitions, scheduled)
