"""Results of checks whose effect on their step is ours to decide, and those of several partitions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dagster
from dagster import AssetRecordsFilter, Output

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, AssetCheckResult, DagsterInstance, OpExecutionContext


def has_several_partitions(result: AssetCheckResult, context: OpExecutionContext) -> bool:
    """Return True if a step makes several partitions of an asset, and the check has partitions, too.

    Dagster records one result of such a check, and none of the partitions has one.
    """
    return context.has_partition_key_range and _has_partitions(result, context)


def check_evaluations(result: AssetCheckResult, context: OpExecutionContext) -> Iterator[AssetCheckEvaluation]:
    """Yield the events that record the result of a check: one for each partition of the step.

    Dagster 1.9 ends the step when it yields a failed result of a blocking check. The event is recorded only; newer
    versions fail the step at its end because of it.
    """
    yield from _evaluations(result, context)


def harmless_evaluations(
    result: AssetCheckResult, context: OpExecutionContext
) -> Iterator[AssetCheckResult | AssetCheckEvaluation | Output[None]]:
    """Yield the result of a check as one that does not block, even if the check does.

    A retry from asset failure makes each asset again that has a failed result of a blocking check, also of a warning.
    """
    evaluation = result.to_asset_check_evaluation(context.get_step_execution_context())
    if not hasattr(evaluation, "blocking"):  # Dagster 1.9 knows no such retry
        yield result
        return
    yield from _evaluations(result, context, blocking=False)
    yield Output(None, _output_of(result, context))


def report_check(result: AssetCheckResult, instance: DagsterInstance, *, blocking: bool) -> None:
    """Record the result of a check outside of a step of its asset, for the last materialization of the asset.

    Args:
        result: The result, with asset and name.
        instance: Where to record it.
        blocking: Whether the check blocks.
    """
    made: Any = getattr(dagster, "AssetCheckEvaluation", None)
    if made is None:  # Dagster 1.9 and 1.10
        made = import_module("dagster._core.definitions.asset_check_evaluation").AssetCheckEvaluation
    further = {"blocking": blocking} if "blocking" in inspect.signature(made).parameters else {}
    evaluation = made(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        **further,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster 1.9 says that this may change
        instance.report_runless_asset_event(evaluation)


def _evaluations(result: AssetCheckResult, context: OpExecutionContext, **changes: Any) -> Iterator[Any]:
    evaluation = result.to_asset_check_evaluation(context.get_step_execution_context())
    if not has_several_partitions(result, context):
        yield _changed(evaluation, **changes) if changes else evaluation
        return
    for partition in context.partition_keys:
        wanted = AssetRecordsFilter(evaluation.asset_key, asset_partitions=[partition])
        records = context.instance.fetch_materializations(wanted, limit=1).records
        target = evaluation.target_materialization_data
        if records and target is not None:
            found = records[0]
            target = type(target)(run_id=found.run_id, storage_id=found.storage_id, timestamp=found.timestamp)
        yield _changed(evaluation, partition=partition, target_materialization_data=target, **changes)


def _changed(evaluation: AssetCheckEvaluation, **changes: Any) -> AssetCheckEvaluation:
    """Return an event with other values; one of a version of Dagster that has `blocking` and `partition`."""
    kept = {name: getattr(evaluation, name) for name in _FIELDS}
    return type(evaluation)(**{**kept, **changes})


_FIELDS = (
    "asset_key",
    "check_name",
    "passed",
    "metadata",
    "target_materialization_data",
    "severity",
    "description",
    "blocking",
    "partition",
)


def _has_partitions(result: AssetCheckResult, context: OpExecutionContext) -> bool:
    spec = context.assets_def.check_specs_by_output_name[_output_of(result, context)]
    return getattr(spec, "partitions_def", None) is not None


def _output_of(result: AssetCheckResult, context: OpExecutionContext) -> str:
    specs = context.assets_def.check_specs_by_output_name.items()
    wanted = (result.asset_key, result.check_name)
    return next(name for name, spec in specs if (spec.asset_key, spec.name) == wanted)
