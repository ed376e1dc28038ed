"""Translation of tables and tasks to assets, and of expectations to checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetCheckSpec, AssetSpec

from ai.starlake.dagster.assets.asset_names import default_key, group_of, kinds_of, owners_of, tags_of
from ai.starlake.dagster.assets.dagster_features import freshness_policy, quiet, virtual
from ai.starlake.dagster.assets.table_metadata import table_metadata
from ai.starlake.project.assets.item_expectations import REJECTED_ROWS
from ai.starlake.project.assets.project_item import ItemExpectation, ProjectItem

if TYPE_CHECKING:
    from ai.starlake.orchestration.preload.file_watch import WaitingFile

_REJECTED_ROWS_MEAN = "Loads reject no row. A warning if they reject some, an error if more than max_rejected."


class DagsterStarlakeTranslator:
    """Creates the spec of each asset and check. Override its methods to change them.

    The key of a spec is the key of the item everywhere: downstream items, its checks and the lineage of columns follow.
    A prefix is added after the translation.

    Args:
        views_as_virtual: True if views are virtual assets, which Dagster does not materialize; only if Dagster has
            them.
        code_references: True if assets have their source files and lines.
    """

    def __init__(self, *, views_as_virtual: bool = False, code_references: bool = True) -> None:
        self.views_as_virtual = views_as_virtual
        self.code_references = code_references

    def get_asset_spec(self, item: ProjectItem) -> AssetSpec:
        """Return the spec of the asset of a table, a task or a view.

        Args:
            item: The table, task or view: its ``kind``, ``domain``, ``name``, ``full_name``, ``metadata`` and more.
        """
        with quiet():
            return AssetSpec(
                key=default_key(item.target),
                deps=[default_key(parts) for parts in (*item.upstream, *item.externals)],
                description=item.description,
                group_name=group_of(item),
                code_version=item.code_version,
                kinds=kinds_of(item),
                tags=tags_of(item),
                owners=owners_of(item) or None,
                metadata=dict(table_metadata(item, code_references=self.code_references)),
                **freshness_policy(item),
                **(virtual(item) if self.views_as_virtual else {}),
            )

    def get_compute_profile(self, item: ProjectItem) -> str | None:
        """Return the name of the compute profile of an item; by default that of its metadata.

        Args:
            item: The table, task or view.
        """
        return item.compute

    def partition_of(self, file: WaitingFile) -> str | None:  # noqa: ARG002
        """Return the key of the partition of a file; None for the newest one.

        The file sensor calls this when files wait for a table with partitions.

        Args:
            file: The file: its ``domain``, ``table``, ``name``, ``folder`` and more.
        """
        return None

    def get_asset_check_spec(self, expectation: ItemExpectation) -> AssetCheckSpec | None:
        """Return the spec of the check of an expectation; None for no check.

        Args:
            expectation: The expectation: its ``expect``, ``name``, ``fail_on_error`` and more. The check of a loaded
                table's rejected rows has the name ``rejected_rows``.
        """
        if expectation.name == REJECTED_ROWS:
            return AssetCheckSpec(
                name=REJECTED_ROWS, asset=default_key(expectation.target), description=_REJECTED_ROWS_MEAN
            )
        return AssetCheckSpec(
            name=expectation.name,
            asset=default_key(expectation.target),
            description=expectation.expect,
            blocking=expectation.fail_on_error,
            metadata={"starlake/expectation": expectation.expect},
        )
