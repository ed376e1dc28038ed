"""Where rows go and how they meet the rows that are there."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from ai.starlake.project.models.base import Model, Text, TextMap, Texts
from ai.starlake.project.models.enums import Materialization, MergeOn
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY, StrategyKind, strategy_kind


class WriteStrategy(Model):
    """How incoming rows are merged into the target table.

    ``type`` is upper-case text rather than one of Starlake's strategies, because a project may bring templates of its
    own under ``metadata/write-strategies``; `kind` is the strategy of this name.
    """

    type: Text | None = None
    types: TextMap = Field(default_factory=dict)
    """Adaptive strategy: strategy to the condition under which it applies to a file; upper-case keys."""
    key: Texts = ()
    timestamp: Text | None = None
    on: MergeOn = MergeOn.TARGET
    start_ts: Text | None = None
    """SCD2: column of the time from which a version counts; the application's name for it by default."""
    end_ts: Text | None = None
    """SCD2: column of the time until which a version counts; the application's name for it by default."""
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
        """The strategy's name in upper case; ``APPEND`` when none is given."""
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
        """Every strategy that may apply: the adaptive ones, or the only one."""
        return tuple(self.types) or (self.effective_type,)


class Sink(Model):
    """Where the rows of a table or task are written."""

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
