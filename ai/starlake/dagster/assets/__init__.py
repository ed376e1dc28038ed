"""A Starlake project as Dagster assets: their specs, their checks, and their selection."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_selection import build_starlake_asset_selection
    from ai.starlake.dagster.assets.asset_specs import build_starlake_asset_specs
    from ai.starlake.dagster.assets.decorator import starlake_assets
    from ai.starlake.dagster.assets.definitions import build_starlake_definitions
    from ai.starlake.dagster.assets.starlake_resource import StarlakeResource
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator

__all__ = [
    "DagsterStarlakeTranslator",
    "StarlakeResource",
    "build_starlake_asset_selection",
    "build_starlake_asset_specs",
    "build_starlake_definitions",
    "starlake_assets",
]

__getattr__ = lazy_names(
    __name__,
    {
        "asset_selection": ["build_starlake_asset_selection"],
        "asset_specs": ["build_starlake_asset_specs"],
        "decorator": ["starlake_assets"],
        "definitions": ["build_starlake_definitions"],
        "starlake_resource": ["StarlakeResource"],
        "translator": ["DagsterStarlakeTranslator"],
    },
)
