"""Which items share a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def batches(build: AssetBuild) -> list[tuple[ProjectItem, ...]]:
    """Return the items of each step, in the order of the items.

    Args:
        build: The items, and whether they share steps.
    """
    return [(item,) for item in build.items]
