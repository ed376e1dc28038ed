"""Recorded outcomes of outside runs: none is recorded twice, and no old one after a newer one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from dagster import AssetRecordsFilter

from ai.starlake.dagster import _compat
from ai.starlake.dagster.facade.mirroring.outside_metadata import AUDIT_ROWS, ENDED

if TYPE_CHECKING:
    from dagster import AssetCheckKey, AssetKey, DagsterInstance

    from ai.starlake.project.audit import AuditRow

Standing = Literal["new", "recorded", "older"]
"""State of an outcome: not recorded yet, recorded, or not recorded but older than the recorded one."""

_CLOCKS = timedelta(hours=26)
"""Maximum deviation of the audit's clock, including a wrong time zone: older records are not searched."""
_PAGE = 25
_MOST_PAGES = 40


class RecordedOutcomes:
    """Queries an instance for recorded outcomes.

    Args:
        instance: The instance.
        latest: The last recorded outcomes, if they were read before for many assets.
    """

    def __init__(self, instance: DagsterInstance, latest: LatestOutcomes | None = None) -> None:
        self._instance = instance
        self._latest = latest

    def has_materialization(self, key: AssetKey, row: AuditRow) -> bool:
        """Return True if a materialization of an asset records a row of the audit."""
        known = self._latest and self._latest.materialization(key, row)
        if known:
            return known == "recorded"
        return self._is_among(self._instance.fetch_materializations, key, row)

    def has_observation(self, key: AssetKey, row: AuditRow) -> bool:
        """Return True if an observation of an asset records a row of the audit."""
        return self._is_among(self._instance.fetch_observations, key, row)

    def standing_of(self, check: AssetCheckKey, row: AuditRow) -> Standing:
        """Return the state of a row's outcome relative to the recorded results of a check."""
        known = self._latest and self._latest.result(check, row)
        if known:
            return known
        standing: Standing | None = None
        results = _compat.check_results(self._instance, check, _PAGE)
        for _, metadata in _until(row, results, _PAGE * _MOST_PAGES):
            if _records(metadata, row):
                return "recorded"
            if standing is None:
                standing = "older" if _is_later(metadata, row) else "new"
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


@dataclass(frozen=True)
class LatestOutcomes:
    """Last recorded outcomes of many assets, read by two queries.

    They are enough to find new outcomes, as long as outcomes are recorded in the order of their end. An outcome that is
    not later than the last one has to be searched for.

    Args:
        materializations: The metadata of the last materialization of each asset that has one.
        results: The metadata of the last result of each check that has one; None for one that has not ended.
    """

    materializations: Mapping[AssetKey, Mapping[str, Any]]
    results: Mapping[AssetCheckKey, Mapping[str, Any] | None]

    @classmethod
    def of(cls, instance: DagsterInstance, keys: Iterable[AssetKey], checks: Iterable[AssetCheckKey]) -> LatestOutcomes:
        """Read the last recorded outcomes of assets and checks."""
        return cls(
            _compat.latest_materializations(instance, list(keys)), _compat.latest_check_results(instance, list(checks))
        )

    def materialization(self, key: AssetKey, row: AuditRow) -> Standing | None:
        """Return the state of a row relative to the materializations of an asset; None if they have to be searched."""
        return _standing(self.materializations.get(key), row) if key in self.materializations else "new"

    def result(self, check: AssetCheckKey, row: AuditRow) -> Standing | None:
        """Return the state of a row relative to the results of a check; None if they have to be searched."""
        return _standing(self.results[check], row) if check in self.results else "new"


def _standing(latest: Mapping[str, Any] | None, row: AuditRow) -> Standing | None:
    if latest is None:
        return None
    if _records(latest, row):
        return "recorded"
    ended = _value(latest, ENDED)
    return "new" if isinstance(ended, float) and ended < row.ended.timestamp() else None


def _is_later(metadata: Mapping[str, Any], row: AuditRow) -> bool:
    ended = _value(metadata, ENDED)
    return isinstance(ended, float) and ended > row.ended.timestamp()


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
