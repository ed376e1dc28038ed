"""Starlake on Dagster: the factory of ops that all executors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.common.extras import require_package

if TYPE_CHECKING:
    from ai.starlake.dagster.job import StarlakeDagsterJob

__all__ = ["StarlakeDagsterJob"]


def __getattr__(name: str) -> object:
    """Import the factory on demand: the command line and the DAG templates in here do without Dagster."""
    if name == "StarlakeDagsterJob":
        require_dagster()
        from ai.starlake.dagster.job import StarlakeDagsterJob

        return StarlakeDagsterJob
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def require_dagster() -> None:
    """Make sure that Dagster is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    require_package("dagster", "Starlake on Dagster", "dagster")
