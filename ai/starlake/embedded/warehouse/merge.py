"""Write strategies: how incoming rows are merged into the target, each a SQL template.

A project may have templates of its own under ``metadata/write-strategies/duckdb``; they receive the same variables as
Starlake's own templates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.starlake.common import PermanentError, StarlakeError
from ai.starlake.embedded.warehouse.warehouse import Target, Warehouse
from ai.starlake.project.models import STRATEGY_KINDS, Table, WriteStrategy

Render = Callable[[str, Mapping[str, Any]], str]
"""Renders a Jinja template with variables."""


_NEEDS = {
    "key": "name the key columns under writeStrategy.key",
    "timestamp": "name the column under writeStrategy.timestamp",
    "partition": "name the column under sink.partition",
}
"""Fixes for missing requirements of a strategy."""


@dataclass(frozen=True)
class Merge:
    """The input of a strategy's template.

    Args:
        target: The table, which exists.
        strategy: The write strategy; its type selects the template.
        columns: The incoming columns.
        select: A SELECT of the incoming rows.
        first: True if the table was just created, so that it has no rows.
        partition: The partition columns of the sink.
        truncate: True if APPEND empties the table first.
        reads_target: True if the incoming rows may be computed from those in the table.
        start: SCD2: the column with the start of a version.
        end: SCD2: the column with the end of a version.
    """

    target: Target
    strategy: WriteStrategy
    columns: tuple[str, ...]
    select: str
    first: bool = False
    partition: tuple[str, ...] = ()
    truncate: bool = False
    reads_target: bool = False
    start: str = "sl_start_ts"
    end: str = "sl_end_ts"

    def variables(self, quoted: Callable[..., str]) -> dict[str, Any]:
        """Return the variables of the template, with Starlake's names.

        Args:
            quoted: Quotes the parts of a name for SQL, and joins them with dots.
        """

        def csv(names: Sequence[str]) -> str:
            return ", ".join(quoted(name) for name in names)

        keys = [_own_spelling(key, self.columns) for key in self.strategy.key]
        timestamp = self.strategy.timestamp and _own_spelling(self.strategy.timestamp, self.columns)
        incoming = ", ".join(f"SL_INCOMING.{quoted(column)}" for column in self.columns)
        updates = ", ".join(f"{quoted(column)} = SL_INCOMING.{quoted(column)}" for column in self.columns)
        return {
            "strategyType": self.strategy.effective_type,
            "strategyTypes": dict(self.strategy.types),
            "strategyKey": keys,
            "quotedStrategyKey": [quoted(key) for key in keys],
            "strategyKeyCsv": csv(keys),
            "strategyKeyJoinCondition": " AND ".join(
                f"SL_INCOMING.{quoted(key)} = SL_EXISTING.{quoted(key)}" for key in keys
            ),
            "strategyTimestamp": timestamp or "",
            "quotedStrategyTimestamp": quoted(timestamp) if timestamp else "",
            "strategyQueryFilter": self.strategy.query_filter or "",
            "strategyOn": str(self.strategy.on),
            "onePerKey": self.strategy.is_one_row_per_key,
            "keepsVersions": self.strategy.kind.keeps_versions,
            "strategyStartTs": self.start,
            "strategyEndTs": self.end,
            "quotedStrategyStartTs": quoted(self.start),
            "quotedStrategyEndTs": quoted(self.end),
            "tableDatabase": "",
            "tableDomain": self.target.schema,
            "tableName": self.target.name,
            "tableFullName": quoted(self.target.schema, self.target.name),
            "tableColumnNames": list(self.columns),
            "quotedTableColumnNames": [quoted(column) for column in self.columns],
            "tableColumnsCsv": csv(self.columns),
            "tableIncomingColumnsCsv": incoming,
            "tableInsert": f"INSERT ({csv(self.columns)}) VALUES ({incoming})",
            "tableParamsForInsertSql": f"({csv(self.columns)}) VALUES ({incoming})",
            "tableParamsForUpdateSql": f"SET {updates}",
            "tableUpdateSetExpression": f"SET {updates}",
            "tableExists": not self.first,
            "tableTruncate": self.truncate,
            "readsTarget": self.reads_target,
            "sinkPartition": list(self.partition),
            "quotedSinkPartition": [quoted(_own_spelling(column, self.columns)) for column in self.partition],
            "materializedView": "TABLE",
            "tableFormat": "",
            "selectStatement": self.select,
            "quote": quoted("")[:1],
            "engineQuote": quoted("")[:1],
            "engineViewPrefix": "",
            "enginePreActions": "",
        }


def script(warehouse: Warehouse, merge: Merge, own: Mapping[str, str], render: Render) -> str:
    """Return the SQL statements that merge incoming rows into a table.

    Args:
        warehouse: The warehouse, with the templates and the quoting of names.
        merge: The input.
        own: The project's own templates by name.
        render: Renders a template.

    Raises:
        StarlakeError: If the strategy does not exist, or if it lacks a required key, timestamp or partition.
    """
    require(merge.strategy, own, merge.partition, merge.target.label)
    name = "create" if merge.first else merge.strategy.kind.template
    templates = {each.lower(): text for each, text in own.items()}
    text = templates.get(name) or warehouse.template(name)
    return render(warehouse.template("macros") + text, merge.variables(warehouse.quoted))


def require(strategy: WriteStrategy, own: Mapping[str, str], partition: Sequence[str], label: str) -> None:
    """Check the requirements of a strategy before anything is read.

    Starlake only notices missing ones at the second load.

    Raises:
        StarlakeError: If a requirement is missing.
    """
    kind = strategy.kind
    if kind.is_own and kind.template not in {name.lower() for name in own}:
        known = ", ".join([*STRATEGY_KINDS, *(name.upper() for name in sorted(own))])
        raise PermanentError(
            f"the write strategy {kind.name} of {label} does not exist",
            fix=f"use one of {known}, or add metadata/write-strategies/duckdb/{kind.template}.j2",
        )
    for need in kind.lacking(strategy.key, strategy.timestamp, partition):
        raise PermanentError(f"the write strategy {kind.name} of {label} has no {need}", fix=_NEEDS[need])


def require_columns(strategy: WriteStrategy, partition: Sequence[str], columns: Sequence[str], label: str) -> None:
    """Check that the columns that a strategy reads are columns of the incoming rows.

    Raises:
        StarlakeError: If a column is missing.
    """
    known = {column.lower() for column in columns}
    for name in strategy.kind.columns(strategy.key, strategy.timestamp, partition[:1]):
        if name.lower() not in known:
            raise StarlakeError(
                f"the write strategy {strategy.kind.name} of {label} goes by {name}, which is not a column of its rows",
                fix=f"use one of {', '.join(columns)}",
            )


def named(strategy: WriteStrategy, table: Table) -> WriteStrategy:
    """Return a strategy whose key and timestamp are columns of the target, if attributes are renamed.

    Starlake uses the unchanged names and notices the missing column at the second load.
    """
    columns = {one.name.lower(): one.final_name for one in table.attributes if not one.ignore}
    columns |= {name.lower(): name for name in columns.values()}

    def column(name: str) -> str:
        return columns.get(name.lower(), name)

    key = tuple(column(name) for name in strategy.key)
    timestamp = column(strategy.timestamp) if strategy.timestamp else strategy.timestamp
    return strategy.model_copy(update={"key": key, "timestamp": timestamp})


def _own_spelling(name: str, columns: tuple[str, ...]) -> str:
    """Return a column by its name in any case; the name itself if there is none, so that the database reports it."""
    return next((column for column in columns if column.lower() == name.lower()), name)
