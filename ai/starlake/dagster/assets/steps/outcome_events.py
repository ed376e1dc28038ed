"""Conversion of the outcome of a command to the events of its asset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, DataVersion, MaterializeResult

from ai.starlake.dagster.assets.metadata_tables import metadata_table, reasons_table
from ai.starlake.dagster.run_command import metadata_of

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.steps.data_versions import DataState
    from ai.starlake.executor.outcomes import TableOutcome
    from ai.starlake.orchestration.command_runs.command_run import CommandRun

NOTHING_TO_LOAD = "starlake/nothing_to_load"
_MOST_FILES = 50


def materialized(
    key: AssetKey, run: CommandRun, outcome: TableOutcome, state: DataState, *, left_out: frozenset[str] = frozenset()
) -> MaterializeResult[None]:
    """Return the materialization of an asset by a command.

    Args:
        key: The key of the asset.
        run: The command, and its result.
        outcome: The outcome of this asset.
        state: The new state of the asset.
        left_out: Names of metadata to leave out.
    """
    metadata = {**metadata_of(run), **dict(outcome_metadata(outcome)), **state.metadata}
    version = DataVersion(state.version) if state.version is not None else None
    kept = {name: value for name, value in metadata.items() if name not in left_out}
    return MaterializeResult(asset_key=key, metadata=kept, data_version=version)


def unchanged(key: AssetKey, run: CommandRun, state: DataState) -> MaterializeResult[None]:
    """Return the record of an asset without anything to load.

    Args:
        key: The key of the asset.
        run: The command that found nothing.
        state: The unchanged state of the asset.
    """
    version = DataVersion(state.version) if state.version is not None else None
    metadata = {**metadata_of(run), **state.metadata, NOTHING_TO_LOAD: True}
    return MaterializeResult(asset_key=key, metadata=metadata, data_version=version)


def outcome_metadata(outcome: TableOutcome) -> Iterator[tuple[str, Any]]:
    """Yield the metadata of a table or task, as far as the executor reports it."""
    if outcome.row_count is not None:
        yield "dagster/row_count", outcome.row_count
    if outcome.counts is not None:
        yield "starlake/rows_read", outcome.counts.input
        yield "starlake/rows_accepted", outcome.counts.accepted
        yield "starlake/rows_rejected", outcome.counts.rejected
    if outcome.duration is not None:
        yield "starlake/duration", round(outcome.duration, 3)
    if outcome.reasons:
        yield "starlake/reject_reasons", reasons_table(outcome.reasons)
    if outcome.files:
        yield (
            "starlake/files",
            metadata_table([{"file": file.name, "bytes": file.size} for file in outcome.files[:_MOST_FILES]]),
        )
        yield "starlake/file_count", len(outcome.files)
    if outcome.audit_id:
        yield "starlake/audit_id", outcome.audit_id
