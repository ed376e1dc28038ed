"""The declaration of a check."""

from __future__ import annotations

from dataclasses import dataclass

from dagster import AssetCheckSpec

from ai.starlake.project.assets.item_expectations import REJECTED_ROWS
from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem


@dataclass(frozen=True)
class DeclaredCheck:
    """A check of an asset.

    Args:
        item: The item of the asset.
        expectation: The expectation.
        spec: The spec of the check.
    """

    item: ProjectItem
    expectation: ItemExpectation
    spec: AssetCheckSpec

    @property
    def of_rejected_rows(self) -> bool:
        """True for the check of a load's rejected rows."""
        return self.expectation.name == REJECTED_ROWS
