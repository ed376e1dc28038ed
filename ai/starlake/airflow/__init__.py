"""Starlake on Airflow: the factory of operators that all executors share."""

from __future__ import annotations

from ai.starlake.common.extras import require_package

__all__ = ["require_airflow"]


def require_airflow() -> None:
    """Make sure that Airflow is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    require_package("airflow.sdk", "Starlake on Airflow", "airflow")
