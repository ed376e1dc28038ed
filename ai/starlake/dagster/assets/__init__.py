"""A Starlake project as assets of Dagster: their specs, their checks, and how to choose among them."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_selection import build_starlake_asset_selection
    from ai.starlake.dagster.assets.asset_specs import build_starlake_asset_specs
    from ai.starlake.dagster.assets.definitions import build_starlake_definitions
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator

__all__ = [
    "DagsterStarlakeTranslator",
    "build_starlake_asset_selection",
    "build_starlake_asset_specs",
    "build_starlake_definitions",
]

__getattr__ = lazy_names(
    __name__,
    {
        "asset_selection": ["build_starlake_asset_selection"],
        "asset_specs": ["build_starlake_asset_specs"],
        "definitions": ["build_starlake_definitions"],
        "translator": ["DagsterStarlakeTranslator"],
    },
)
