"""Generated DAG files on Dagster: their pipelines as jobs, their schedules, and the sensors that wait for data."""

from ai.starlake.dagster.orchestration.orchestration import DagsterOrchestration
from ai.starlake.dagster.orchestration.pipeline import DagsterPipeline

__all__ = ["DagsterOrchestration", "DagsterPipeline"]
