"""The write strategies, slow and obvious: lists of rows, loops, one comparison at a time.

Where a strategy keeps one of several rows and does not say which, the model asks what the table shows and allows any of
the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        id: The first column of the key.
        part: The second one, and the partition.
        seen: The timestamp.
        label: Tells the row from all others.
        started: SCD2: whether the version has a start; those of the first load have none.
        ended: SCD2: whether the version is closed.
    """

    id: int | None
    part: str | None
    seen: datetime | None
    label: str
    started: bool = False
    ended: bool = False


@dataclass(frozen=True)
class Strategy:
    """Merging of incoming rows into the table.

    Args:
        type: The write strategy.
        key: The columns of the key.
        timestamp: Whether ``seen`` is the strategy's timestamp.
        source: Whether the strategy is on SOURCE_AND_TARGET.
    """

    type: str
    key: tuple[str, ...] = ()
    timestamp: bool = False
    source: bool = False

    def as_yaml(self) -> dict[str, object]:
        """Return the ``writeStrategy`` of the metadata."""
        found: dict[str, object] = {"type": self.type}
        if self.key:
            found["key"] = list(self.key)
        if self.timestamp:
            found["timestamp"] = "seen"
        if self.source:
            found["on"] = "SOURCE_AND_TARGET"
        return found


def after(strategy: Strategy, table: Sequence[Row] | None, incoming: Sequence[Row], shown: Sequence[Row]) -> list[Row]:
    """Return the rows that a table has after one more file.

    Args:
        strategy: The write strategy.
        table: The rows before; None when there is no table.
        incoming: The rows of the file.
        shown: The rows that the table shows now; decides only where the strategy leaves a choice.
    """
    labels = {row.label for row in shown}
    rows = _one_per_key(strategy, incoming, labels) if _reduces(strategy) else list(incoming)
    if strategy.type == "SCD2":
        return _versions(strategy, table, rows)
    if table is None:
        return rows
    return _MEETINGS[strategy.type](strategy, list(table), rows)


def _reduces(strategy: Strategy) -> bool:
    """Return True if one incoming row of each key is enough, at the first load and later."""
    if strategy.type == "UPSERT_BY_KEY_AND_TIMESTAMP":
        return True
    if strategy.type == "UPSERT_BY_KEY":
        return strategy.source or strategy.timestamp
    return strategy.type == "SCD2" and strategy.source


def _has_key(strategy: Strategy, row: Row) -> bool:
    return all(getattr(row, column) is not None for column in strategy.key)


def _one_per_key(strategy: Strategy, rows: Sequence[Row], shown: set[str]) -> list[Row]:
    """Return the newest row of each key; all rows whose key is null."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if _has_key(strategy, row):
            groups.setdefault(tuple(getattr(row, column) for column in strategy.key), []).append(row)
    kept = [row for row in rows if not _has_key(strategy, row)]
    for group in groups.values():
        candidates = group
        if strategy.timestamp:
            dated = [row for row in group if row.seen is not None]
            newest = max((row.seen for row in dated), default=None)
            candidates = [row for row in dated if row.seen == newest] or group
        kept.append(next((row for row in candidates if row.label in shown), candidates[0]))
    return kept


def _same_key(strategy: Strategy, left: Row, right: Row) -> bool:
    """Return True if two rows have the same key; a null is equal to nothing."""
    pairs = [(getattr(left, column), getattr(right, column)) for column in strategy.key]
    return all(one is not None and one == other for one, other in pairs)


def _newer(left: Row, right: Row) -> bool:
    """Return True if a row is newer than another; a null time is older than any other."""
    return left.seen is not None and (right.seen is None or left.seen > right.seen)


def _append(_strategy: Strategy, table: list[Row], incoming: list[Row]) -> list[Row]:
    return table + incoming


def _overwrite(_strategy: Strategy, _table: list[Row], incoming: list[Row]) -> list[Row]:
    return incoming


def _replace_keys(strategy: Strategy, table: list[Row], incoming: list[Row]) -> list[Row]:
    return [old for old in table if not any(_same_key(strategy, new, old) for new in incoming)] + incoming


def _replace_older(strategy: Strategy, table: list[Row], incoming: list[Row]) -> list[Row]:
    kept = [old for old in table if not any(_same_key(strategy, new, old) and not _newer(old, new) for new in incoming)]
    good = [new for new in incoming if not any(_same_key(strategy, new, old) for old in kept)]
    return kept + good


def _replace_partitions(_strategy: Strategy, table: list[Row], incoming: list[Row]) -> list[Row]:
    parts = {row.part for row in incoming if row.part is not None}
    return [old for old in table if old.part not in parts] + incoming


def _versions(strategy: Strategy, before: Sequence[Row] | None, incoming: list[Row]) -> list[Row]:
    """One version after the other, as if each row came in a file of its own, the oldest first."""
    table = list(before or ())
    rows = incoming
    if strategy.timestamp:
        rows = sorted(incoming, key=lambda row: (row.seen is not None, row.seen or datetime.min))  # noqa: DTZ901
    for new in rows:
        opened = [old for old in table if not old.ended and _same_key(strategy, new, old)]
        if strategy.timestamp and not all(_newer(new, old) for old in opened):
            continue
        table = [replace(old, ended=True) if old in opened else old for old in table]
        table.append(replace(new, started=before is not None))
    return table


_MEETINGS: dict[str, Callable[[Strategy, list[Row], list[Row]], list[Row]]] = {
    "APPEND": _append,
    "OVERWRITE": _overwrite,
    "UPSERT_BY_KEY": _replace_keys,
    "DELETE_THEN_INSERT": _replace_keys,
    "UPSERT_BY_KEY_AND_TIMESTAMP": _replace_older,
    "OVERWRITE_BY_PARTITION": _replace_partitions,
}
