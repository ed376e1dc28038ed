"""Write strategies as objects: what each needs, and what it does to a table besides its template.

A new strategy is one entry of `STRATEGY_KINDS` and a template of its name in each warehouse.
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
        needs_key: Whether it cannot work without key columns.
        needs_timestamp: Whether it cannot work without a timestamp column.
        needs_partition: Whether it cannot work without a partition column.
        keeps_versions: Whether the table has two more columns: from and until when a version of a row counts.
        replaces_table: Whether every write replaces all rows, so that columns without incoming values go with them.
        is_repeatable: Whether writing the same rows twice leaves what writing them once leaves.
        is_adaptive: Whether it may be one of several strategies of a table that are chosen by file.
        keeps_duplicates: Whether all incoming rows of a key are written, whatever the strategy is on.
        only_inserts: Whether incoming rows are inserted without a look at those of the table, so that they can be
            inserted while they are read.
        newest_wins: Whether only the newest incoming row of a key is written if there is a timestamp.
        is_own: Whether it is a project's own, of which nothing but its template is known.
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
        """The name of its template."""
        return self.name.lower()

    def lacking(self, key: Sequence[str], timestamp: str | None, partition: Sequence[str]) -> Iterator[str]:
        """Yield what it needs and is not given: ``key``, ``timestamp`` or ``partition``."""
        if self.needs_key and not key:
            yield "key"
        if self.needs_timestamp and not timestamp:
            yield "timestamp"
        if self.needs_partition and not partition:
            yield "partition"

    def columns(self, key: Sequence[str], timestamp: str | None, partition: Sequence[str]) -> list[str]:
        """Return the columns of incoming rows that it goes by."""
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
"""The strategy of a table or task that names none."""


def strategy_kind(name: str) -> StrategyKind:
    """Return the strategy of a name in upper case; a project's own if it is not one of Starlake's."""
    return STRATEGY_KINDS.get(name) or StrategyKind(name, is_own=True)
