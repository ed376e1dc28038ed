"""Polars Cloud in user tasks: compute contexts that are always stopped."""

from __future__ import annotations

from ai.starlake.airflow import require_airflow

require_airflow()

from ai.starlake.airflow.polars.polars_cloud_contexts import PolarsCloudContexts

__all__ = ["PolarsCloudContexts"]
