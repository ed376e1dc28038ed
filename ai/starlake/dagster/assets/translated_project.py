"""The assets of a project after their translation: their keys, their specs and those of their checks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckKey, AssetCheckSpec, AssetDep, AssetKey, AssetSpec, TableColumnDep, TableColumnLineage

from ai.starlake.common import StarlakeError
from ai.starlake.dagster._compat import moved_check, moved_dep
from ai.starlake.dagster.assets.asset_names import default_key
from ai.starlake.dagster.assets.checks.declared_check import DeclaredCheck
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.assets.table_metadata import COLUMN_LINEAGE
from ai.starlake.dagster.assets.translator import DagsterStarlakeTranslator
from ai.starlake.project.assets.item_expectations import rejects_expectation
from ai.starlake.project.assets.item_selection import Words, select_items
from ai.starlake.project.assets.project_item import ProjectItem, Target
from ai.starlake.project.assets.starlake_project import StarlakeProject

if TYPE_CHECKING:
    from ai.starlake.orchestration.preload.file_watch import WaitingFile

AnyProject = StarlakeProject | Path | str
Prefix = str | Sequence[str]


class TranslatedProject:
    """The items of a project, and their specs in Dagster.

    Args:
        project: The project, or its folder.
        translator: Creates the specs.
        asset_prefix: Prefix of the keys of all assets that the project makes; tables that it only reads keep their key.
    """

    def __init__(
        self,
        project: AnyProject,
        translator: DagsterStarlakeTranslator | None = None,
        asset_prefix: Prefix | None = None,
    ) -> None:
        self.project = project if isinstance(project, StarlakeProject) else StarlakeProject(project)
        self._translator = translator or DagsterStarlakeTranslator()
        parts = [asset_prefix] if isinstance(asset_prefix, str) else asset_prefix or ()
        self.prefix = [part for part in parts if part]

    def select(self, select: Words | None, exclude: Words | None) -> tuple[ProjectItem, ...]:
        """Return the items of a selection.

        Raises:
            StarlakeError: If a selection matches nothing.
        """
        return select_items(self.project.items, select, exclude)

    @cached_property
    def keys(self) -> Mapping[Target, AssetKey]:
        """The key of each item.

        Raises:
            StarlakeError: If two items have one key.
        """
        owners: dict[AssetKey, ProjectItem] = {}
        keys = {}
        for item in self.project.items:
            key = AssetKey([*self.prefix, *self._translated[item.target].key.path])
            other = owners.setdefault(key, item)
            if other is not item:
                raise StarlakeError(
                    f"{other.full_name} and {item.full_name} both have the asset key {'/'.join(key.path)}",
                    cause="the translator gives them one key",
                    fix="let get_asset_spec return a key of its own for each",
                )
            keys[item.target] = key
        return keys

    def compute_of(self, item: ProjectItem) -> str | None:
        """Return the compute profile of an item from the translator, if it differs from that of the metadata."""
        named = self._translator.get_compute_profile(item)
        return named if named != item.compute else None

    def partition_of(self, file: WaitingFile) -> str | None:
        """Return the key of the partition of a file from the translator; None for the newest one."""
        return self._translator.partition_of(file)

    def specs(self, items: Iterable[ProjectItem]) -> list[AssetSpec]:
        """Return the specs of items, with their keys after translation."""
        return [self._final(item) for item in items]

    def check_specs(self, items: Iterable[ProjectItem]) -> list[AssetCheckSpec]:
        """Return the specs of the checks of items."""
        return [check.spec for check in self.checks(items)]

    def checks(self, items: Iterable[ProjectItem]) -> list[DeclaredCheck]:
        """Return the checks of items: one for each expectation, and one for the rejected rows of a loaded table.

        Raises:
            StarlakeError: If two checks of a table have one name.
        """
        owners: dict[AssetCheckKey, DeclaredCheck] = {}
        for item in items:
            for expectation in filter(None, (*item.expectations, rejects_expectation(item))):
                spec = self._translator.get_asset_check_spec(expectation)
                if spec is not None:
                    key = self._moved.get(spec.asset_key, spec.asset_key)
                    check = DeclaredCheck(item, expectation, moved_check(spec, key))
                    other = owners.setdefault(check.spec.key, check)
                    if other is not check:
                        raise StarlakeError(
                            f"{other.expectation.expect} and {expectation.expect} of {item.full_name} both are the "
                            f"check {spec.name}",
                            cause="the translator gives them one name",
                            fix="let get_asset_check_spec return a name of its own for each",
                        )
        return list(owners.values())

    @cached_property
    def _translated(self) -> Mapping[Target, AssetSpec]:
        """The spec of each item from the translator: items that are not selected give keys to others too."""
        for item in self.project.items:
            if item.sql_problem:
                warnings.warn(
                    f"{item.full_name} has no column lineage: its SQL cannot be parsed: {item.sql_problem}",
                    stacklevel=2,
                )
        with quiet():
            return {item.target: self._translator.get_asset_spec(item) for item in self.project.items}

    @cached_property
    def _moved(self) -> Mapping[AssetKey, AssetKey]:
        """The keys that the translation changed."""
        keys = ((default_key(target), key) for target, key in self.keys.items())
        return {before: after for before, after in keys if before != after}

    def _final(self, item: ProjectItem) -> AssetSpec:
        spec = self._translated[item.target]
        if not self._moved:
            return spec
        changes: dict[str, Any] = {"key": self.keys[item.target], "deps": [self._dep(dep) for dep in spec.deps]}
        lineage = spec.metadata.get(COLUMN_LINEAGE)
        with quiet():
            if isinstance(lineage, TableColumnLineage):
                changes["metadata"] = {**spec.metadata, COLUMN_LINEAGE: self._lineage(lineage)}
            return spec.replace_attributes(**changes)

    def _dep(self, dep: AssetDep) -> AssetDep:
        key = self._moved.get(dep.asset_key)
        return dep if key is None else moved_dep(dep, key)

    def _lineage(self, lineage: TableColumnLineage) -> TableColumnLineage:
        return TableColumnLineage(
            {
                column: [
                    TableColumnDep(asset_key=self._moved.get(dep.asset_key, dep.asset_key), column_name=dep.column_name)
                    for dep in deps
                ]
                for column, deps in lineage.deps_by_column.items()
            }
        )
