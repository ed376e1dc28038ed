"""Results of checks whose effect on their step we decide, and those of several partitions."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dagster
from dagster import AssetChecksDefinition, AssetRecordsFilter, Output

if TYPE_CHECKING:
    from dagster import (
        AssetCheckEvaluation,
        AssetCheckKey,
        AssetCheckResult,
        AssetCheckSpec,
        AssetKey,
        DagsterInstance,
        OpDefinition,
        OpExecutionContext,
    )
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord


def has_several_partitions(result: AssetCheckResult, context: OpExecutionContext) -> bool:
    """Return True if a step materializes several partitions of an asset, and the check has partitions too.

    Dagster records one result of such a check, and no partition gets one.
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

    A retry from asset failure materializes again each asset with a failed result of a blocking check, even a warning.
    """
    evaluation = result.to_asset_check_evaluation(context.get_step_execution_context())
    if not hasattr(evaluation, "blocking"):  # Dagster 1.9 has no such retry
        yield result
        return
    yield from _evaluations(result, context, blocking=False)
    yield Output(None, _output_of(result, context))


def report_check(result: AssetCheckResult, instance: DagsterInstance, *, blocking: bool) -> None:
    """Record the result of a check outside of a step of its asset, for the last materialization of the asset.

    Args:
        result: The result, with asset and name.
        instance: The instance to record it in.
        blocking: True if the check blocks.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster 1.9 warns that this may change
        instance.report_runless_asset_event(evaluation_of(result, instance, blocking=blocking))


def evaluation_of(
    result: AssetCheckResult, instance: DagsterInstance | None = None, *, blocking: bool
) -> AssetCheckEvaluation:
    """Return the event that records the result of a check of an asset that no step makes.

    Args:
        result: The result, with asset and name.
        instance: The instance with the last materialization of the asset, which the result refers to; None for the
            materialization of the recording run.
        blocking: True if the check blocks.
    """
    made: Any = getattr(dagster, "AssetCheckEvaluation", None)
    if made is None:  # Dagster 1.9 and 1.10
        made = import_module("dagster._core.definitions.asset_check_evaluation").AssetCheckEvaluation
    further = {"blocking": blocking} if "blocking" in inspect.signature(made).parameters else {}
    evaluation: AssetCheckEvaluation = made(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        target_materialization_data=_last_materialization(result.asset_key, instance, made)
        if instance and result.asset_key
        else None,
        **further,
    )
    return evaluation


def checks_of_op(op: OpDefinition, specs: Mapping[str, AssetCheckSpec]) -> AssetChecksDefinition:
    """Return the checks whose results an op yields; they need no input.

    Args:
        op: The op.
        specs: The checks, by the outputs of the op.
    """
    made: AssetChecksDefinition = AssetChecksDefinition.create(
        keys_by_input_name={}, node_def=op, check_specs_by_output_name=specs, can_subset=len(specs) > 1
    )
    return made


def harmless_results(
    result: AssetCheckResult, context: OpExecutionContext
) -> Iterator[AssetCheckResult | AssetCheckEvaluation | Output[None]]:
    """Yield the result of a check, in a step of checks alone, so that no result ends or fails the step."""
    evaluation = result.to_asset_check_evaluation(context.get_step_execution_context())
    if hasattr(evaluation, "blocking"):
        yield from harmless_evaluations(result, context)
    else:  # Dagster 1.9 ends the step at a failed result of a blocking check, but not at its event
        yield evaluation


def external_evaluations(result: AssetCheckResult, context: OpExecutionContext) -> Iterator[AssetCheckEvaluation]:
    """Yield the event that records the result of a check of an external asset, in a step without assets.

    Dagster 1.9 accepts no such event there: it is recorded without the run.
    """
    if hasattr(dagster, "AssetCheckEvaluation"):
        yield evaluation_of(result, blocking=False)
    else:
        report_check(result, context.instance, blocking=False)


def check_results(
    instance: DagsterInstance, check: AssetCheckKey, page: int
) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    """Yield the time and the metadata of the recorded results of a check, newest first.

    Args:
        instance: The instance.
        check: The check.
        page: Number of results to read at once.
    """
    cursor = None
    while True:
        found = instance.event_log_storage.get_asset_check_execution_history(check, limit=page, cursor=cursor)
        for record in found:
            metadata = _metadata_of(record)
            if record.event is not None and metadata is not None:
                yield datetime.fromtimestamp(record.event.timestamp, timezone.utc), metadata
        if len(found) < page:
            return
        cursor = found[-1].id


def latest_check_results(
    instance: DagsterInstance, checks: Sequence[AssetCheckKey]
) -> Mapping[AssetCheckKey, Mapping[str, Any] | None]:
    """Return the metadata of the last result of each executed check; None while it is being executed."""
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks) if checks else {}
    return {key: _metadata_of(record) for key, record in found.items()}


def _metadata_of(record: AssetCheckExecutionRecord) -> Mapping[str, Any] | None:
    event = record.event and record.event.dagster_event
    metadata: Mapping[str, Any] | None = getattr(event.event_specific_data, "metadata", None) if event else None
    return metadata


def _last_materialization(key: AssetKey, instance: DagsterInstance, evaluation: type) -> Any:
    records = instance.fetch_materializations(AssetRecordsFilter(key), limit=1).records
    if not records:
        return None
    found, module = records[0], import_module(evaluation.__module__)
    made = module.AssetCheckEvaluationTargetMaterializationData
    return made(run_id=found.run_id, storage_id=found.storage_id, timestamp=found.timestamp)


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
    """Return an event with other values; for versions of Dagster with `blocking` and `partition`."""
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
