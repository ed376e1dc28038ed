"""Starlake on Airflow: the factory of operators that all executors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.common.extras import require_package
from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.airflow.airflow_job import StarlakeAirflowJob
    from ai.starlake.airflow.airflow_options import DEFAULT_DAG_ARGS, StarlakeAirflowOptions

__all__ = ["DEFAULT_DAG_ARGS", "StarlakeAirflowJob", "StarlakeAirflowOptions"]

_get = lazy_names(
    __name__,
    {"airflow_job": ["StarlakeAirflowJob"], "airflow_options": ["DEFAULT_DAG_ARGS", "StarlakeAirflowOptions"]},
)


def __getattr__(name: str) -> object:
    """Import names on demand: the command line and the DAG templates work without Airflow."""
    if name in __all__:
        require_airflow()
    return _get(name)


def __dir__() -> list[str]:
    """Return the names."""
    return sorted({*globals(), *__all__})


def require_airflow() -> None:
    """Check that Airflow is installed.

    Raises:
        MissingExtraError: If it is not installed.
    """
    require_package("airflow.sdk", "Starlake on Airflow", "airflow")
