"""Small tables in the metadata of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from ai.starlake.dagster.assets.dagster_features import quiet

if TYPE_CHECKING:
    from dagster import TableMetadataValue

    from ai.starlake.executor.outcomes import RejectReason


def metadata_table(rows: Sequence[Mapping[str, str | int | None]]) -> TableMetadataValue:
    """Return rows as a table for metadata; its columns are those of all rows."""
    columns = dict.fromkeys(name for row in rows for name in row)
    numbers = {name for name in columns if all(isinstance(row.get(name), int) for row in rows)}
    with quiet():
        return MetadataValue.table(
            records=[TableRecord({name: row.get(name) for name in columns}) for row in rows],
            schema=TableSchema([TableColumn(name, "int" if name in numbers else "string") for name in columns]),
        )


def reasons_table(reasons: Iterable[RejectReason]) -> TableMetadataValue:
    """Return reasons for rejects as a table for metadata."""
    return metadata_table([{"reason": each.reason, "rows": each.rows} for each in reasons])
