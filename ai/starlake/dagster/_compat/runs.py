"""Runs and their steps: keys, tags, configuration, and the runs that they continue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging
    from collections.abc import Set as AbstractSet

    from dagster import (
        AssetKey,
        DagsterInstance,
        DagsterRun,
        JobDefinition,
        OpExecutionContext,
        SensorEvaluationContext,
    )

PARTITION_TAG = "dagster/partition"
SCHEDULED_TIME_TAG = ".dagster/scheduled_execution_time"
SCHEDULE_TAG = "dagster/schedule_name"

_PARENT_RUN_TAG = "dagster/parent_run_id"
_ROOT_RUN_TAG = "dagster/root_run_id"
_WILL_RETRY_TAG = "dagster/will_retry"


def current_context() -> OpExecutionContext | None:
    """Return the context of the op that is running in this thread; None outside of ops."""
    from dagster import OpExecutionContext as Context

    try:
        return Context.get()
    except Exception:  # noqa: BLE001  the exception differs between versions of Dagster
        return None


def op_configs(context: OpExecutionContext) -> Mapping[str, Any]:
    """Return the configuration of every op of the run, by its path such as ``graph.op``, as the `config` of a value.

    Unlike the configuration that a run is launched with, it includes the configuration of the job's definition
    (``config=``), and the results of the configuration mappings of graphs.
    """
    configs: Mapping[str, Any] = context.get_step_execution_context().resolved_run_config.ops
    return configs


def step_key_of(context: OpExecutionContext) -> str:
    """Return the key of the step of a context: the path of its op in the job."""
    key: str = context.get_step_execution_context().step.key
    return key


def op_name_of(context: OpExecutionContext) -> str:
    """Return the name of an op in its graph, which may be an alias."""
    return context.op_handle.name


def parent_run_of(run: DagsterRun) -> str | None:
    """Return the id of the run that a run continues.

    The UI and the daemon tag a re-execution with it; `execute_job` sets it only in the run.
    """
    return run.parent_run_id or run.tags.get(_PARENT_RUN_TAG)


def root_run_of(run: DagsterRun) -> str | None:
    """Return the id of the first run in the chain that a run continues."""
    return run.root_run_id or run.tags.get(_ROOT_RUN_TAG)


def code_location_of(run: DagsterRun) -> str:
    """Return the code location that a run was launched from; empty if it was launched from Python."""
    origin = run.remote_job_origin
    return origin.location_name if origin else ""


def will_be_retried(run: DagsterRun) -> bool:
    """Return True if Dagster's daemon is about to launch a run that continues one that failed."""
    return run.tags.get(_WILL_RETRY_TAG) == "true"


def log_of(context: SensorEvaluationContext) -> logging.Logger:
    """Return the log of a tick of a sensor."""
    return context.log


def add_run_tags(instance: DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run, which may be in progress."""
    instance.add_run_tags(run_id, dict(tags))


def materialized_partitions(instance: DagsterInstance, key: AssetKey) -> AbstractSet[str]:
    """Return the materialized partitions of an asset, from all runs."""
    return instance.get_materialized_partitions(key)


def partition_tags(job: JobDefinition, key: str) -> Mapping[str, str]:
    """Return the tags that assign a run to a partition of its job."""
    tags: Mapping[str, str] = job.get_tags_for_partition_key(key, None)
    return tags
