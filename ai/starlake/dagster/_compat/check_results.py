"""Results of checks whose effect on their step is ours to decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagster import Output

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, AssetCheckResult, OpExecutionContext


def check_evaluation(result: AssetCheckResult, context: OpExecutionContext) -> AssetCheckEvaluation:
    """Return the event that records the result of a check.

    Dagster 1.9 ends the step when it yields a failed result of a blocking check. The event is recorded only; newer
    versions fail the step at its end because of it.
    """
    return result.to_asset_check_evaluation(context.get_step_execution_context())


def harmless_evaluation(
    result: AssetCheckResult, context: OpExecutionContext
) -> Iterator[AssetCheckResult | AssetCheckEvaluation | Output[None]]:
    """Yield a failed result of a blocking check, as one that does not block.

    A retry from asset failure makes each asset again that has a failed result of a blocking check, also of a warning.
    """
    evaluation = check_evaluation(result, context)
    if not hasattr(evaluation, "blocking"):  # Dagster 1.9 knows no such retry
        yield result
        return
    yield type(evaluation)(
        asset_key=evaluation.asset_key,
        check_name=evaluation.check_name,
        passed=evaluation.passed,
        metadata=evaluation.metadata,
        target_materialization_data=evaluation.target_materialization_data,
        severity=evaluation.severity,
        description=evaluation.description,
        blocking=False,
        partition=evaluation.partition,
    )
    key = evaluation.asset_check_key
    for name, spec in context.assets_def.check_specs_by_output_name.items():
        if spec.key == key:
            yield Output(None, name)
