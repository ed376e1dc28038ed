"""From how a command went to what Dagster records of the asset that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetKey, MaterializeResult

if TYPE_CHECKING:
    from ai.starlake.dagster.run_command import CommandRun


def materialized(key: AssetKey, run: CommandRun) -> MaterializeResult[None]:
    """Return the record of an asset that a command made.

    Args:
        key: The key of the asset.
        run: The command, and what it did.
    """
    return MaterializeResult(asset_key=key, metadata=run.metadata())
