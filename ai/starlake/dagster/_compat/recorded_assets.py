"""Records of earlier attempts at a step, in its own run and in the runs that it continues."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dagster import DagsterEventType

from ai.starlake.dagster._compat.runs import parent_run_of

if TYPE_CHECKING:
    from dagster import (
        AssetCheckEvaluation,
        AssetCheckKey,
        AssetKey,
        AssetMaterialization,
        AssetObservation,
        DagsterInstance,
        DagsterRun,
    )

_FROM_FAILURE_TAG = "dagster/is_resume_retry"
_CHOSEN_STEPS_TAG = "dagster/step_selection"


@dataclass
class RecordedAssets:
    """Records of assets in a run.

    Attributes:
        materializations: The last materialization of each asset.
        observations: The last observation of each asset.
        checks: The last result of each check.
    """

    materializations: dict[AssetKey, AssetMaterialization] = field(default_factory=dict)
    observations: dict[AssetKey, AssetObservation] = field(default_factory=dict)
    checks: dict[AssetCheckKey, AssetCheckEvaluation] = field(default_factory=dict)


def recorded_assets(instance: DagsterInstance, run_id: str) -> RecordedAssets:
    """Return the records of assets of a run so far, without planned ones."""
    found = RecordedAssets()
    kinds = {
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_OBSERVATION,
        DagsterEventType.ASSET_CHECK_EVALUATION,
    }
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            found.materializations[made.asset_key] = made
        elif event.event_type is DagsterEventType.ASSET_OBSERVATION:
            seen = event.asset_observation_data.asset_observation
            found.observations[seen.asset_key] = seen
        else:
            result = cast("AssetCheckEvaluation", event.event_specific_data)
            found.checks[result.asset_check_key] = result
    return found


def resumed_run_of(instance: DagsterInstance, run: DagsterRun, step_key: str) -> DagsterRun | None:
    """Return the run whose unfinished step a run continues; None if the run starts the step from the beginning.

    Dagster tags a re-execution "from failure", except one by `execute_job`: that re-executes some steps, of which this
    one did not succeed before. Steps selected by a user start from the beginning.
    """
    parent_id = parent_run_of(run)
    if parent_id is None:
        return None
    if run.tags.get(_FROM_FAILURE_TAG) != "true" and (
        run.step_keys_to_execute is None
        or _CHOSEN_STEPS_TAG in run.tags
        or _has_succeeded(instance, parent_id, step_key)
    ):
        return None
    return instance.get_run_by_id(parent_id)


def _has_succeeded(instance: DagsterInstance, run_id: str, step_key: str) -> bool:
    entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_SUCCESS)
    return any(entry.dagster_event and entry.dagster_event.step_key == step_key for entry in entries)
