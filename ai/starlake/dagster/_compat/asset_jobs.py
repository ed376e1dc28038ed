"""The type of what `define_asset_job` returns, which Dagster does not export."""

from __future__ import annotations

from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AssetJob = UnresolvedAssetJobDefinition
"""A job of assets, whose selection is resolved when it is part of a code location."""
