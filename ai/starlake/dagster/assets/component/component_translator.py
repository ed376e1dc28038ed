"""How the component translates items: its own methods first, then what its YAML says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator

if TYPE_CHECKING:
    from dagster import AssetCheckSpec, AssetSpec

    from ai.starlake.dagster.assets.component.component_project import Translation
    from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem


class TranslatingComponent(Protocol):
    """A component whose methods translate items, so that a subclass of it may override them."""

    translation: Translation | None

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec of the asset that a table or task becomes."""

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec of the check that an expectation becomes; None for no check."""

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the name of the compute profile of what makes an item."""


class ComponentTranslator(DagsterStarlakeTranslator):
    """Asks a component.

    Args:
        component: The component.
    """

    def __init__(self, component: TranslatingComponent) -> None:
        super().__init__()
        self._component = component

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec that the component makes, with the changes of its field `translation`."""
        spec = self._component.get_asset_spec(item)
        return self._component.translation(spec, item) if self._component.translation else spec

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec that the component makes."""
        return self._component.get_asset_check_spec(expectation)

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the profile that the component names."""
        return self._component.get_compute_profile(item)
