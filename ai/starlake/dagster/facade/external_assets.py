"""The external assets of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetSpec

from ai.starlake.dagster.assets.asset_names import tag_text
from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild

ENVIRONMENT_TAG = "starlake/environment"


def external_assets(build: FacadeBuild) -> list[AssetSpec]:
    """Return the assets: with all metadata of the project's assets, but not executable here.

    Args:
        build: The items, and the environment.

    Raises:
        StarlakeError: If two items have one key.
    """
    tags = {ENVIRONMENT_TAG: tag_text(build.environment)}
    with quiet():
        return [
            spec.replace_attributes(tags={**spec.tags, **tags}, skippable=False)
            for spec in build.assets.specs(build.assets.items)
        ]
