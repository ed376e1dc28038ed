"""Translation by the component: its own methods first, then its YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator

if TYPE_CHECKING:
    from dagster import AssetCheckSpec, AssetSpec

    from ai.starlake.dagster.assets.component.component_project import Translation
    from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem


class TranslatingComponent(Protocol):
    """A component whose methods translate items, so that a subclass can override them."""

    translation: Translation | None

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec of the asset of a table or task."""

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec of the check of an expectation; None for no check."""

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the name of the compute profile of an item."""


class ComponentTranslator(DagsterStarlakeTranslator):
    """Delegates to a component.

    Args:
        component: The component.
    """

    def __init__(self, component: TranslatingComponent) -> None:
        super().__init__()
        self._component = component

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec of the component, with the changes of its field `translation`."""
        spec = self._component.get_asset_spec(item)
        return self._component.translation(spec, item) if self._component.translation else spec

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec of the component."""
        return self._component.get_asset_check_spec(expectation)

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the profile of the component."""
        return self._component.get_compute_profile(item)
