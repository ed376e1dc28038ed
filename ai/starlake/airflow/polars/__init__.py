"""Polars Cloud in tasks of your own: compute contexts that are stopped, whatever happens."""

from __future__ import annotations

from ai.starlake.airflow import require_airflow

require_airflow()

from ai.starlake.airflow.polars.polars_cloud_contexts import PolarsCloudContexts

__all__ = ["PolarsCloudContexts"]
