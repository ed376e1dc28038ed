"""Earlier attempts at a step: a retry runs only the commands of items that failed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetObservation,
    DataVersion,
    MetadataValue,
)

from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.dagster_features import output_of

if TYPE_CHECKING:
    from dagster import AssetCheckEvaluation, AssetCheckKey, AssetMaterialization, OpExecutionContext

    from ai.starlake.dagster.ops import Event

KEPT_FROM = "starlake/kept_from_run"
"""Metadata with the run whose table a re-execution keeps."""
_FAILED_FOR_GOOD = "starlake/failed_for_good"
_DATA_VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class KeptItem:
    """An asset that an earlier attempt materialized.

    Args:
        materialization: The record of that attempt.
        checks: The results of its checks.
        run_id: The run of that attempt; None for this run, which has recorded everything already.
    """

    materialization: AssetMaterialization
    checks: Mapping[AssetCheckKey, AssetCheckEvaluation]
    run_id: str | None

    def events(self, output: str, checks: Collection[AssetCheckKey]) -> Iterator[Event]:
        """Yield the events of a run that continues another one, so that downstream steps can start.

        Args:
            output: The output of the asset.
            checks: The checks of the step.
        """
        if self.run_id is None:
            return
        made = self.materialization
        origin = {KEPT_FROM: made.metadata.get(KEPT_FROM, MetadataValue.dagster_run(self.run_id))}
        version = (made.tags or {}).get(_DATA_VERSION_TAG)
        yield output_of(output, {**made.metadata, **origin}, DataVersion(version) if version else None)
        for key, result in self.checks.items():
            if key in checks:
                yield AssetCheckResult(
                    passed=result.passed,
                    asset_key=result.asset_key,
                    check_name=result.check_name,
                    severity=result.severity,
                    description=result.description,
                    metadata={**result.metadata, **origin},
                )


@dataclass
class EarlierAttempts:
    """The earlier attempts at a step.

    Attributes:
        kept: The assets that need not be materialized again.
        failed: The reasons of failed assets that a retry within the run does not repeat.
    """

    kept: dict[AssetKey, KeptItem] = field(default_factory=dict)
    failed: dict[AssetKey, str] = field(default_factory=dict)

    @classmethod
    def of(cls, context: OpExecutionContext, blocking: Collection[AssetCheckKey] = ()) -> EarlierAttempts:
        """Read the records of the run of a step, and of the failed runs that it continues.

        A run that starts from the beginning keeps nothing.

        Args:
            context: The context of the step.
            blocking: The checks that fail the step; an asset with such a failure is materialized again.
        """
        found = cls()
        run, instance, step_key = context.run, context.instance, _compat.step_key_of(context)
        if context.retry_number:
            found._take(context, run.run_id, blocking, own=True)
        while (earlier := _compat.resumed_run_of(instance, run, step_key)) is not None:
            found._take(context, earlier.run_id, blocking, own=False)
            run = earlier
        return found

    def _take(
        self, context: OpExecutionContext, run_id: str, blocking: Collection[AssetCheckKey], *, own: bool
    ) -> None:
        recorded = _compat.recorded_assets(context.instance, run_id)
        if own:
            self.failed = dict(_failures(recorded.observations))
        checks: dict[AssetKey, dict[AssetCheckKey, AssetCheckEvaluation]] = {}
        for check, result in recorded.checks.items():
            checks.setdefault(check.asset_key, {})[check] = result
        for key in context.selected_asset_keys & recorded.materializations.keys():
            results = checks.get(key, {})
            blocked = any(_failed(result) for check, result in results.items() if check in blocking)
            if key not in self.failed and not blocked:
                made = recorded.materializations[key]
                self.kept.setdefault(key, KeptItem(made, results, None if own else run_id))


def failed_for_good(key: AssetKey, why: str) -> AssetObservation:
    """Return the event that tells a retry of the step that an asset failed and no retry can help.

    Args:
        key: The asset.
        why: The reason.
    """
    return AssetObservation(key, description=why, metadata={_FAILED_FOR_GOOD: why})


def _failures(observations: Mapping[AssetKey, AssetObservation]) -> Iterator[tuple[AssetKey, str]]:
    for key, observation in observations.items():
        if _FAILED_FOR_GOOD in observation.metadata:
            yield key, str(observation.metadata[_FAILED_FOR_GOOD].value)


def _failed(result: AssetCheckEvaluation) -> bool:
    return not result.passed and result.severity is AssetCheckSeverity.ERROR
