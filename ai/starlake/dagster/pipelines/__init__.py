"""Generated DAG files on Dagster: their pipelines as jobs, their schedules, and the sensors that wait for data."""

from ai.starlake.dagster import require_dagster

require_dagster()

from ai.starlake.dagster.pipelines.dagster_facade import DagsterOrchestration, DagsterPipeline

__all__ = ["DagsterOrchestration", "DagsterPipeline"]
