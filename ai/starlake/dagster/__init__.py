"""Starlake on Dagster: the factory of ops that all executors share."""

from ai.starlake.dagster.job import StarlakeDagsterJob

__all__ = ["StarlakeDagsterJob"]
