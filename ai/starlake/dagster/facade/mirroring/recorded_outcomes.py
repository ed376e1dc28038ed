"""What Dagster has on record of runs outside: nothing is recorded twice, and nothing old over something new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from dagster import AssetRecordsFilter

from ai.starlake.dagster import _compat
from ai.starlake.dagster.facade.mirroring.outside_metadata import AUDIT_ROWS, ENDED

if TYPE_CHECKING:
    from dagster import AssetCheckKey, AssetKey, DagsterInstance

    from ai.starlake.project.audit import AuditRow

Standing = Literal["new", "recorded", "older"]
"""Of an outcome: not recorded yet, recorded, or not recorded but older than what is."""

_CLOCKS = timedelta(hours=26)
"""How far the clock of the audit may be ahead, a wrong time zone included: older records are not searched."""
_PAGE = 25
_MOST_PAGES = 40


class RecordedOutcomes:
    """Asks an instance for what it has on record.

    Args:
        instance: The instance.
    """

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance

    def has_materialization(self, key: AssetKey, row: AuditRow) -> bool:
        """Return True if a materialization of an asset records a row of the audit."""
        return self._is_among(self._instance.fetch_materializations, key, row)

    def has_observation(self, key: AssetKey, row: AuditRow) -> bool:
        """Return True if an observation of an asset records a row of the audit."""
        return self._is_among(self._instance.fetch_observations, key, row)

    def standing_of(self, check: AssetCheckKey, row: AuditRow) -> Standing:
        """Return how the outcome of a row stands to the results of a check that are on record."""
        standing: Standing | None = None
        results = _compat.check_results(self._instance, check, _PAGE)
        for _, metadata in _until(row, results, _PAGE * _MOST_PAGES):
            if _records(metadata, row):
                return "recorded"
            ended = _value(metadata, ENDED)
            if standing is None:
                standing = "older" if isinstance(ended, float) and ended > row.ended.timestamp() else "new"
        return standing or "new"

    def _is_among(self, fetch: Callable[..., Any], key: AssetKey, row: AuditRow) -> bool:
        found = _until(row, self._pages(fetch, key), _PAGE * _MOST_PAGES)
        return any(_records(metadata, row) for _, metadata in found)

    @staticmethod
    def _pages(fetch: Callable[..., Any], key: AssetKey) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
        cursor = None
        while True:
            page = fetch(AssetRecordsFilter(key), limit=_PAGE, cursor=cursor)
            for record in page.records:
                yield _compat.recorded_at(record), _compat.recorded_metadata(record)
            if not page.has_more:
                return
            cursor = page.cursor


def _until(
    row: AuditRow, found: Iterator[tuple[datetime, Mapping[str, Any]]], most: int
) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    """Yield records, newest first, up to the first one that is older than a row of the audit by any clock."""
    oldest = row.ended - _CLOCKS
    for _, (at, metadata) in zip(range(most), found, strict=False):
        if at < oldest:
            return
        yield at, metadata


def _records(metadata: Mapping[str, Any], row: AuditRow) -> bool:
    text = _value(metadata, AUDIT_ROWS)
    return isinstance(text, str) and row.digest in text.split(",")


def _value(metadata: Mapping[str, Any], name: str) -> object:
    value = metadata.get(name)
    return getattr(value, "value", value)
