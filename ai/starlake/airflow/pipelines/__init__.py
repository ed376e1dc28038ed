"""Pipelines as Airflow DAGs."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.airflow.pipelines.airflow_facade import AirflowOrchestration, AirflowPipeline

__all__ = ["AirflowOrchestration", "AirflowPipeline"]

__getattr__ = lazy_names(
    __name__,
    {"airflow_facade": ["AirflowOrchestration", "AirflowPipeline"]},
)
