"""Metadata of a table for Dagster's pages: its columns and their lineage, its name, its files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from dagster import (
    CodeReferencesMetadataValue,
    LocalFileCodeReference,
    TableColumn,
    TableColumnConstraints,
    TableColumnDep,
    TableColumnLineage,
    TableSchema,
)

from ai.starlake.dagster.assets.asset_names import default_key
from ai.starlake.project.assets.project_item import ItemColumn, ProjectItem
from ai.starlake.project.paths import is_address

COLUMN_LINEAGE = "dagster/column_lineage"


def table_metadata(item: ProjectItem, *, code_references: bool) -> Iterator[tuple[str, Any]]:
    """Yield the metadata of an item that is known before a run.

    Args:
        item: The item.
        code_references: True to add its source files and lines.
    """
    yield "dagster/table_name", item.table_name
    yield "starlake/name", item.full_name
    yield "starlake/kind", item.kind
    if item.columns:
        yield "dagster/column_schema", TableSchema(columns=[_column(column) for column in item.columns])
    lineage = {
        column.name: [
            TableColumnDep(asset_key=default_key(source.table), column_name=source.column) for source in column.sources
        ]
        for column in item.columns
        if column.sources
    }
    if lineage:
        yield COLUMN_LINEAGE, TableColumnLineage(lineage)
    if item.sql_problem:
        yield "starlake/lineage_unknown", f"The SQL cannot be parsed: {item.sql_problem}"
    places = [place for place in item.places if not is_address(place.file)]
    if code_references and places:
        yield (
            "dagster/code_references",
            CodeReferencesMetadataValue(
                code_references=[
                    LocalFileCodeReference(file_path=place.file, line_number=place.line, label=place.label)
                    for place in places
                ]
            ),
        )


def _column(column: ItemColumn) -> TableColumn:
    own = {"starlake_type": column.starlake_type} if column.starlake_type else {}
    tags = tuple({**own, **column.tags}.items())
    return _shared_column(
        column.name,
        column.type,
        column.description,
        column.constraints,
        tags,
        nullable=column.nullable,
        unique=column.unique,
    )


@lru_cache(maxsize=16_384)
def _shared_column(
    name: str,
    type_: str,
    description: str | None,
    other: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    *,
    nullable: bool,
    unique: bool,
) -> TableColumn:
    """Return a column; columns that many tables have, such as ``id``, are created once."""
    return TableColumn(
        name=name,
        type=type_,
        description=description,
        constraints=TableColumnConstraints(nullable=nullable, unique=unique, other=list(other)),
        tags=dict(tags),
    )
