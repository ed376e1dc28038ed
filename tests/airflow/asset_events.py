"""Events of assets that trigger a run, as Airflow hands them to its tasks."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

AT = datetime(2026, 3, 2, 3, 0, tzinfo=timezone.utc)


def event(name: str, at: datetime = AT, **extra: Any) -> Any:
    """Make an event for `context_of(consumed_asset_events=[...])`.

    Args:
        name: The name of the asset, which is its URI too.
        at: When it was recorded.
        **extra: What the task that emitted it has recorded with it.
    """
    from airflow.sdk.api.datamodels._generated import AssetEventDagRunReference, AssetReferenceAssetEventDagRun

    return AssetEventDagRunReference(
        asset=AssetReferenceAssetEventDagRun(name=name, uri=name, extra={}),
        extra=extra,
        source_task_id="load",
        source_dag_id="loads",
        source_run_id="a-run",
        source_map_index=-1,
        source_aliases=[],
        timestamp=at,
    )
