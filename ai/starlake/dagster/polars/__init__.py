"""Polars Cloud in ops and assets of your own: compute contexts that are stopped, whatever happens."""

from __future__ import annotations

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.polars.polars_cloud_compute import PolarsCloudCompute

__all__ = ["PolarsCloudCompute"]
