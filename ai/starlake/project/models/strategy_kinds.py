"""Write strategies as objects: their requirements, and their effects on a table besides their template.

A new strategy is one entry of `STRATEGY_KINDS` and a template with its name in each warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class StrategyKind:
    """A write strategy.

    Args:
        name: Its name in upper case; the template has it in lower case.
        needs_key: True if it requires key columns.
        needs_timestamp: True if it requires a timestamp column.
        needs_partition: True if it requires a partition column.
        keeps_versions: True if the table has two more columns: the start and the end of a version of a row.
        replaces_table: True if every write replaces all rows, including columns without incoming values.
        is_repeatable: True if writing the same rows twice has the same result as writing them once.
        is_adaptive: True if it may be part of an adaptive strategy.
        keeps_duplicates: True if all incoming rows of a key are written.
        only_inserts: True if incoming rows are inserted without reading those of the table, so that they can be
            inserted while they are read.
        newest_wins: True if only the newest incoming row of a key is written if there is a timestamp.
        is_own: True if it is a project's own, of which only the template is known.
    """

    name: str
    needs_key: bool = False
    needs_timestamp: bool = False
    needs_partition: bool = False
    keeps_versions: bool = False
    replaces_table: bool = False
    is_repeatable: bool = False
    is_adaptive: bool = True
    keeps_duplicates: bool = False
    only_inserts: bool = False
    newest_wins: bool = False
    is_own: bool = False

    @property
    def template(self) -> str:
        """Name of its template."""
        return self.name.lower()

    def lacking(self, key: Sequence[str], timestamp: str | None, partition: Sequence[str]) -> Iterator[str]:
        """Yield missing requirements: ``key``, ``timestamp`` or ``partition``.

        Args:
            key: Columns of the key.
            timestamp: Column with the age of a row.
            partition: Columns of the partition.
        """
        if self.needs_key and not key:
            yield "key"
        if self.needs_timestamp and not timestamp:
            yield "timestamp"
        if self.needs_partition and not partition:
            yield "partition"

    def columns(self, key: Sequence[str], timestamp: str | None, partition: Sequence[str]) -> list[str]:
        """Return the columns of incoming rows that it uses.

        Args:
            key: Columns of the key.
            timestamp: Column with the age of a row.
            partition: Columns of the partition.
        """
        by_key = [*key, *([timestamp] if timestamp else [])] if self.needs_key else []
        return [*by_key, *(partition if self.needs_partition else ())]


_ALL = (
    StrategyKind("APPEND", keeps_duplicates=True, only_inserts=True),
    StrategyKind("OVERWRITE", replaces_table=True, is_repeatable=True, keeps_duplicates=True, only_inserts=True),
    StrategyKind("UPSERT_BY_KEY", needs_key=True, is_repeatable=True, newest_wins=True),
    StrategyKind(
        "UPSERT_BY_KEY_AND_TIMESTAMP", needs_key=True, needs_timestamp=True, is_repeatable=True, newest_wins=True
    ),
    StrategyKind("DELETE_THEN_INSERT", needs_key=True, is_repeatable=True, keeps_duplicates=True),
    StrategyKind("OVERWRITE_BY_PARTITION", needs_partition=True, is_repeatable=True, keeps_duplicates=True),
    StrategyKind("SCD2", needs_key=True, keeps_versions=True, is_adaptive=False),
)
STRATEGY_KINDS: Mapping[str, StrategyKind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Starlake's strategies by name."""
DEFAULT_STRATEGY = "APPEND"
"""Default strategy of tables and tasks."""


def strategy_kind(name: str) -> StrategyKind:
    """Return the strategy for a name in upper case; a project's own if it is not one of Starlake's."""
    return STRATEGY_KINDS.get(name) or StrategyKind(name, is_own=True)
