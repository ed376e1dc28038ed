"""The partitions that exist now."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dagster import DynamicPartitionsDefinition, TimeWindowPartitionsDefinition

from ai.starlake.common import StarlakeError
from ai.starlake.dagster import _compat
from ai.starlake.dagster.pipelines.partitions import key_completed_by

if TYPE_CHECKING:
    from dagster import DagsterInstance, PartitionsDefinition


def has_partition(partitions: PartitionsDefinition[str], key: str, instance: DagsterInstance) -> bool:
    """Return True if a partition with the key exists."""
    if isinstance(partitions, DynamicPartitionsDefinition) and partitions.name:
        return instance.has_dynamic_partition(partitions.name, key)
    return _compat.has_key(partitions, key)


def newest_partition(partitions: PartitionsDefinition[str], table: str, instance: DagsterInstance) -> str:
    """Return the key of the newest partition; for time partitions, the last one that has ended.

    Args:
        partitions: The partitions.
        table: Name of the table, for messages.
        instance: The instance, for partitions that were added at run time.

    Raises:
        StarlakeError: If there is no partition yet.
    """
    if isinstance(partitions, TimeWindowPartitionsDefinition):
        key = key_completed_by(partitions, datetime.now(timezone.utc))
    elif isinstance(partitions, DynamicPartitionsDefinition) and partitions.name:
        key = next(reversed(instance.get_dynamic_partitions(partitions.name)), None)
    else:
        key = next(reversed(partitions.get_partition_keys()), None)
    if key is None:
        raise StarlakeError(
            f"files of {table} wait, but it has no partition yet",
            fix="wait for the first one, or set the option start_date to an earlier day",
        )
    return key
