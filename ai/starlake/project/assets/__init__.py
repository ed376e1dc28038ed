"""A project as a graph of items: their columns and their dependencies. Independent of orchestrators."""

from typing import TYPE_CHECKING

from ai.starlake.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from ai.starlake.project.assets.item_selection import select_items
    from ai.starlake.project.assets.project_item import (
        CodePlace,
        ColumnSource,
        ItemColumn,
        ItemExpectation,
        ProjectItem,
    )
    from ai.starlake.project.assets.starlake_project import StarlakeProject

__all__ = [
    "CodePlace",
    "ColumnSource",
    "ItemColumn",
    "ItemExpectation",
    "ProjectItem",
    "StarlakeProject",
    "select_items",
]

__getattr__ = lazy_names(
    __name__,
    {
        "item_selection": ["select_items"],
        "project_item": ["CodePlace", "ColumnSource", "ItemColumn", "ItemExpectation", "ProjectItem"],
        "starlake_project": ["StarlakeProject"],
    },
)
