"""The field `include_metadata` of the component: groups of metadata of assets."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dagster import AssetSpec

MetadataGroup = Literal["column_schema", "column_lineage", "code_references", "row_count", "files", "reject_reasons"]

_NAMES = MappingProxyType(
    {
        "column_schema": frozenset({"dagster/column_schema"}),
        "column_lineage": frozenset({"dagster/column_lineage"}),
        "code_references": frozenset({"dagster/code_references"}),
        "row_count": frozenset({"dagster/row_count"}),
        "files": frozenset({"starlake/files", "starlake/file_count"}),
        "reject_reasons": frozenset({"starlake/reject_reasons"}),
    }
)


def left_out(included: Iterable[MetadataGroup] | None) -> frozenset[str]:
    """Return the names of the metadata to leave out.

    Args:
        included: The groups to include; None for all.
    """
    if included is None:
        return frozenset()
    return frozenset().union(*(_NAMES[group] for group in _NAMES if group not in set(included)))


def without(spec: AssetSpec, names: frozenset[str]) -> AssetSpec:
    """Return a spec without some metadata."""
    if names.isdisjoint(spec.metadata):
        return spec
    return spec.replace_attributes(metadata={name: spec.metadata[name] for name in spec.metadata if name not in names})
