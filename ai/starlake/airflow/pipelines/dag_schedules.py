"""Schedule of a DAG: by a cron expression, or when the tables that its transforms read are updated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, AssetAll, AssetAny

from ai.starlake.airflow import _airflow_compat
from ai.starlake.airflow.assets import asset_of
from ai.starlake.orchestration.freshness.policy import TriggerDataset
from ai.starlake.orchestration.freshness.triggering import AllOf, Available, Condition, condition_of
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions
from ai.starlake.orchestration.pipeline_spec import PipelineSpec


def triggers_of(spec: PipelineSpec) -> tuple[TriggerDataset, ...]:
    """Return the datasets whose updates start a pipeline; none if a cron expression does."""
    return tuple(TriggerDataset(each.sink, each.cron, each.freshness) for each in spec.triggers)


def schedule_of(spec: PipelineSpec) -> Any:
    """Return the schedule of the DAG of a pipeline; None if it is only started manually.

    A cron expression is in the time zone of the options, and each of its runs processes the interval that ends when it
    runs. Datasets start the DAG according to the option `dataset_triggering_strategy`: ``any``, ``all``, or an
    expression over them.

    Raises:
        StarlakeError: If the option names a dataset that the pipeline does not depend on.
    """
    if spec.cron:
        return _airflow_compat.cron_intervals(spec.cron, spec.options.zone)
    datasets = triggers_of(spec)
    return _assets_of(datasets, spec.options) if datasets else None


def _assets_of(datasets: Sequence[TriggerDataset], options: OrchestrationOptions) -> Any:
    assets = {each.name: asset_of(each.name) for each in datasets}
    condition = condition_of(options.dataset_triggering_strategy, list(assets))
    if len(assets) == 1:
        return list(assets.values())
    if _start_decides(datasets, options):
        return AssetAny(*assets.values())
    return _expression(condition, assets)


def _start_decides(datasets: Sequence[TriggerDataset], options: OrchestrationOptions) -> bool:
    """Return True if the updated datasets alone do not decide; each update then starts the first task."""
    return options.data_cycle_enabled or any(each.freshness for each in datasets)


def _expression(condition: Condition, assets: Mapping[str, Asset]) -> Any:
    if isinstance(condition, Available):
        return assets[condition.name]
    parts = [_expression(part, assets) for part in condition.parts]
    return AssetAll(*parts) if isinstance(condition, AllOf) else AssetAny(*parts)
