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
    See Starlake's `WriteStrategyType.scala`, `MergeOn.scala` and the templates in `write-strategies`.
    """

    type: Text | None = None
    """Name of the strategy, in upper case; ``APPEND`` by default."""
    types: TextMap = Field(default_factory=dict)
    """Adaptive strategy: condition for a file by strategy; upper-case keys."""
    key: Texts = ()
    """Columns that identify a row."""
    timestamp: Text | None = None
    """Column with the age of a row: newer rows replace older ones."""
    on: MergeOn = MergeOn.TARGET
    """Rows among which duplicates are removed."""
    start_ts: Text | None = None
    """SCD2: column with the start of a version; by default the application's name for it."""
    end_ts: Text | None = None
    """SCD2: column with the end of a version; by default the application's name for it."""
    query_filter: Text | None = None
    """Condition on the existing rows that a merge considers."""

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
    """Target of the rows of a table or task. See Starlake's `Sink.scala`."""

    unused: ClassVar[frozenset[str]] = frozenset({"sharding"})

    connection_ref: Text | None = None
    """Connection of the rows; that of the application by default."""
    partition: Texts = ()
    """Columns that partition the table."""
    clustering: Texts = ()
    """Columns that order the rows within a partition."""
    format: Text | None = None
    """Format of files, for connections that are file systems."""
    extension: Text | None = None
    """Extension of files, for connections that are file systems."""
    coalesce: bool | None = None
    """True if Spark writes a single file."""
    path: Text | None = None
    """Folder of files, for connections that are file systems."""
    options: TextMap = Field(default_factory=dict)
    """Options of the writer."""
    materialized_view: Materialization | None = None
    """Kind of relation: a table, a view or a materialized view."""
    enable_refresh: bool | None = None
    """True if BigQuery refreshes a materialized view."""
    refresh_interval_ms: int | None = None
    """Milliseconds between refreshes of a materialized view."""
    require_partition_filter: bool | None = None
    """True if BigQuery refuses queries without a condition on the partition."""
    days: int | None = None
    """Days until BigQuery deletes a partition."""
    id: Text | None = None
    """Column with the id of a document, for Elasticsearch."""
