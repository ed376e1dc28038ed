"""Specs of a project's assets, for users who execute them in their own way, or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai.starlake.dagster.assets.translated_project import AnyProject, Prefix, TranslatedProject

if TYPE_CHECKING:
    from dagster import AssetSpec

    from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
    from ai.starlake.project.assets.item_selection import Words


def build_starlake_asset_specs(
    project: AnyProject,
    *,
    translator: DagsterStarlakeTranslator | None = None,
    select: Words | None = None,
    exclude: Words | None = None,
    asset_prefix: Prefix | None = None,
) -> list[AssetSpec]:
    """Return the specs of the assets of a project; they are not executable.

    Args:
        project: The project, or its folder.
        translator: Creates the specs; the default names assets by domain and table.
        select: The tables and tasks to include: ``shop``, ``shop.orders``, ``tag:daily``, ``+kpis.sales``; all by
            default.
        exclude: The tables and tasks to exclude.
        asset_prefix: Prefix of the keys of all assets that the project makes.

    Raises:
        StarlakeError: If a file of the project cannot be used, if two items have one key, or if a selection matches
            nothing.
    """
    translated = TranslatedProject(project, translator, asset_prefix)
    return translated.specs(translated.select(select, exclude))
