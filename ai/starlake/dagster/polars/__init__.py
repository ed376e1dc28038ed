"""Polars Cloud in user ops and assets: compute contexts that are always stopped."""

from __future__ import annotations

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.polars.polars_cloud_compute import PolarsCloudCompute

__all__ = ["PolarsCloudCompute"]
