"""Starlake on Dagster: the factory of ops that all executors share, and a project as assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.common.extras import require_package
from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_selection import build_starlake_asset_selection
    from ai.starlake.dagster.assets.asset_specs import build_starlake_asset_specs
    from ai.starlake.dagster.assets.component.project_component import StarlakeProjectComponent
    from ai.starlake.dagster.assets.decorator import starlake_assets
    from ai.starlake.dagster.assets.definitions import build_starlake_definitions
    from ai.starlake.dagster.assets.duckdb_resource import StarlakeDuckDB
    from ai.starlake.dagster.assets.sensors.reactions import on_check_failed, on_rows_rejected, on_table_failed
    from ai.starlake.dagster.assets.sensors.table_events import TableEvent
    from ai.starlake.dagster.assets.starlake_resource import StarlakeResource
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.dagster.facade.starlake_facade import StarlakeDagsterFacade
    from ai.starlake.dagster.job import StarlakeDagsterJob
    from ai.starlake.project.assets.starlake_project import StarlakeProject

__all__ = [
    "DagsterStarlakeTranslator",
    "StarlakeDagsterFacade",
    "StarlakeDagsterJob",
    "StarlakeDuckDB",
    "StarlakeProject",
    "StarlakeProjectComponent",
    "StarlakeResource",
    "TableEvent",
    "build_starlake_asset_selection",
    "build_starlake_asset_specs",
    "build_starlake_definitions",
    "on_check_failed",
    "on_rows_rejected",
    "on_table_failed",
    "starlake_assets",
]

_get = lazy_names(
    __name__,
    {
        "job": ["StarlakeDagsterJob"],
        "assets.asset_selection": ["build_starlake_asset_selection"],
        "assets.asset_specs": ["build_starlake_asset_specs"],
        "assets.component.project_component": ["StarlakeProjectComponent"],
        "assets.decorator": ["starlake_assets"],
        "assets.definitions": ["build_starlake_definitions"],
        "assets.duckdb_resource": ["StarlakeDuckDB"],
        "assets.sensors.reactions": ["on_check_failed", "on_rows_rejected", "on_table_failed"],
        "assets.sensors.table_events": ["TableEvent"],
        "assets.starlake_resource": ["StarlakeResource"],
        "facade.starlake_facade": ["StarlakeDagsterFacade"],
        "assets.translator": ["DagsterStarlakeTranslator"],
    },
)


def __getattr__(name: str) -> object:
    """Import names on demand: the command line and the DAG templates work without Dagster."""
    if name in __all__:
        require_dagster()
    if name == "StarlakeProject":  # of a package that works without Dagster
        from ai.starlake.project.assets.starlake_project import StarlakeProject

        return StarlakeProject
    return _get(name)


def __dir__() -> list[str]:
    """Return the names, which `dg` searches for components; without the component if Dagster has none."""
    return sorted({*globals(), *__all__} - (set() if _has_components() else {"StarlakeProjectComponent"}))


def _has_components() -> bool:
    try:
        import dagster
    except ImportError:
        return False
    return hasattr(dagster, "Component")


def require_dagster() -> None:
    """Check that Dagster is installed.

    Raises:
        MissingExtraError: If it is not installed.
    """
    require_package("dagster", "Starlake on Dagster", "dagster")
