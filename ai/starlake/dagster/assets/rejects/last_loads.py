"""The last loads of tables, as recorded by runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import AssetKey, AssetRecordsFilter

from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.steps.outcome_events import NOTHING_TO_LOAD
from ai.starlake.executor.outcomes import StarlakeCounts

if TYPE_CHECKING:
    from dagster import AssetMaterialization, EventLogRecord, OpExecutionContext

_SEARCHED = 50
"""Number of records of a table in which the last load with files is searched."""


def last_load(key: AssetKey, context: OpExecutionContext) -> AssetMaterialization | None:
    """Return the record of the last load of a table with files: of the partition of the run, if it has one."""
    if context.has_partition_key:
        found = _load(AssetRecordsFilter(key, asset_partitions=[context.partition_key]), context)
        if found is not None:
            return found
    return _load(AssetRecordsFilter(key), context)


def counts_of(load: AssetMaterialization) -> StarlakeCounts | None:
    """Return the rows that a load read, accepted and rejected; None if it did not record them."""
    read, accepted, rejected = (
        _number(load, name) for name in ("starlake/rows_read", "starlake/rows_accepted", "starlake/rows_rejected")
    )
    if read is None or accepted is None or rejected is None:
        return None
    return StarlakeCounts(read, accepted, rejected, files=True)


def _number(load: AssetMaterialization, name: str) -> int | None:
    value = load.metadata[name].value if name in load.metadata else None
    return value if isinstance(value, int) else None


def _load(wanted: AssetRecordsFilter, context: OpExecutionContext) -> AssetMaterialization | None:
    records: Sequence[EventLogRecord] = context.instance.fetch_materializations(wanted, limit=_SEARCHED).records
    loads = filter(None, map(_compat.recorded_materialization, records))
    return next((load for load in loads if NOTHING_TO_LOAD not in load.metadata), None)
