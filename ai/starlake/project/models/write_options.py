"""Targets of rows, and how they are merged with existing rows."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from ai.starlake.project.models.base import Model, Text, TextMap, Texts
from ai.starlake.project.models.enums import Materialization, MergeOn
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY, StrategyKind, strategy_kind


class WriteStrategy(Model):
    """Rules for merging incoming rows into the target table.

    ``type`` is an upper-case string instead of an enumeration, because a project may have templates of its own under
    ``metadata/write-strategies``; `kind` is the strategy with this name.
    """

    type: Text | None = None
    types: TextMap = Field(default_factory=dict)
    """Adaptive strategy: condition for a file by strategy; upper-case keys."""
    key: Texts = ()
    timestamp: Text | None = None
    on: MergeOn = MergeOn.TARGET
    start_ts: Text | None = None
    """SCD2: column with the start of a version; by default the application's name for it."""
    end_ts: Text | None = None
    """SCD2: column with the end of a version; by default the application's name for it."""
    query_filter: Text | None = None

    @field_validator("type")
    @classmethod
    def _upper(cls, value: str | None) -> str | None:
        return value.strip().upper() if value else None

    @field_validator("types")
    @classmethod
    def _upper_keys(cls, value: dict[str, str]) -> dict[str, str]:
        return {name.strip().upper(): condition for name, condition in value.items()}

    @property
    def effective_type(self) -> str:
        """Name of the strategy in upper case; ``APPEND`` by default."""
        return self.type or DEFAULT_STRATEGY

    @property
    def kind(self) -> StrategyKind:
        """The strategy."""
        return strategy_kind(self.effective_type)

    @property
    def kinds(self) -> tuple[StrategyKind, ...]:
        """Every strategy that may apply: the adaptive ones, or the only one."""
        return tuple(strategy_kind(name) for name in self.names)

    @property
    def is_one_row_per_key(self) -> bool:
        """True if only one incoming row of a key is written."""
        if not self.key or self.kind.keeps_duplicates:
            return False
        return self.on is MergeOn.SOURCE_AND_TARGET or (self.kind.newest_wins and bool(self.timestamp))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the strategies that may apply: the adaptive ones, or the only one."""
        return tuple(self.types) or (self.effective_type,)


class Sink(Model):
    """Target of the rows of a table or task."""

    unused: ClassVar[frozenset[str]] = frozenset({"sharding"})

    connection_ref: Text | None = None
    partition: Texts = ()
    clustering: Texts = ()
    format: Text | None = None
    extension: Text | None = None
    coalesce: bool | None = None
    path: Text | None = None
    options: TextMap = Field(default_factory=dict)
    materialized_view: Materialization | None = None
    enable_refresh: bool | None = None
    refresh_interval_ms: int | None = None
    require_partition_filter: bool | None = None
    days: int | None = None
    id: Text | None = None
