"""Selections of assets in Starlake's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetSelection

from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix, TranslatedProject

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.project.assets.item_selection import Words


def build_starlake_asset_selection(
    project: AnyProject,
    select: Words,
    exclude: Words | None = None,
    *,
    translator: DagsterStarlakeTranslator | None = None,
    asset_prefix: Prefix | None = None,
) -> AssetSelection:
    """Return a selection of assets of a project, for jobs, schedules and sensors.

    Args:
        project: The project, or its folder.
        select: The tables and tasks to include: ``shop``, ``shop.orders``, ``tag:daily``, ``shop.*``, ``+kpis.sales``,
            ``2+x``.
        exclude: The tables and tasks to exclude.
        translator: The translator of the assets, if it changes their keys.
        asset_prefix: The prefix of the assets.

    Raises:
        StarlakeError: If a file of the project cannot be used, or if a selection matches nothing.
    """
    translated = TranslatedProject(project, translator, asset_prefix)
    keys = [translated.keys[item.target] for item in translated.select(select, exclude)]
    return AssetSelection.assets(*keys)
