"""Time partitions: their windows and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import _check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from dagster import PartitionsDefinition, TimeWindow, TimeWindowPartitionsDefinition

CheckError = _check.CheckError
"""Exceptions that Dagster raises for internal errors."""


def windows_from(partitions: TimeWindowPartitionsDefinition, begin: datetime) -> Iterable[TimeWindow]:
    """Yield the windows of partitions that begin at a timestamp or later, without end."""
    windows: Iterable[TimeWindow] = partitions._iterate_time_windows(begin.timestamp())  # noqa: SLF001
    return windows


def window_at(partitions: TimeWindowPartitionsDefinition, timestamp: datetime) -> TimeWindow:
    """Return the window that contains a timestamp.

    Raises:
        CheckError: If Dagster's search fails, as it does after some daylight saving changes.
    """
    return window_of(partitions, key_at(partitions, timestamp))


def key_at(partitions: TimeWindowPartitionsDefinition, timestamp: datetime) -> str:
    """Return the key of the partition that contains a timestamp.

    Raises:
        CheckError: If Dagster's search fails, as it does after some daylight saving changes.
    """
    return partitions.get_partition_key_for_timestamp(timestamp.timestamp())


def window_of(partitions: TimeWindowPartitionsDefinition, key: str) -> TimeWindow:
    """Return the window of a partition.

    Raises:
        CheckError: If Dagster's search fails, as it does after some daylight saving changes.
    """
    return partitions.time_window_for_partition_key(key)


def first_key(partitions: TimeWindowPartitionsDefinition) -> str | None:
    """Return the key of the first partition; None if none has ended yet."""
    return partitions.get_first_partition_key()


def count_keys(partitions: TimeWindowPartitionsDefinition) -> int:
    """Return the number of partitions that have ended."""
    return partitions.get_num_partitions()


def has_key(partitions: PartitionsDefinition[str], key: str) -> bool:
    """Return True if a partition with a key exists; for partitions that are known without the instance."""
    return partitions.has_partition_key(key)
