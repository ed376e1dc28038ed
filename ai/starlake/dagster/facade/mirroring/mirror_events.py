"""Events of an outside run: the same within a run of Dagster and without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckKey, AssetCheckResult, AssetCheckSeverity, AssetMaterialization, AssetObservation

from ai.starlake.dagster.facade.mirroring.outside_metadata import (
    LAST_RUN,
    message_of,
    outside_metadata,
    reference_metadata,
)
from ai.starlake.dagster.facade.mirroring.recorded_outcomes import LatestOutcomes, RecordedOutcomes
from ai.starlake.dagster.facade.mirroring.scheduled_partitions import partition_of

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ai.starlake.dagster.facade.facade_build import FacadeBuild
    from ai.starlake.dagster.facade.mirroring.outside_items import OutsideItem
    from ai.starlake.executor.outcomes import TableOutcome

OutsideEvent = AssetMaterialization | AssetObservation | AssetCheckResult


@dataclass(frozen=True)
class MirrorEvents:
    """Creates the events of outside runs that Dagster has not recorded.

    Args:
        build: The items, their checks and partitions.
        instance: The instance with the recorded events.
        tell: Receives messages.
        latest: The last recorded events, if they were read before.
    """

    build: FacadeBuild
    instance: DagsterInstance
    tell: Callable[[str], None]
    latest: LatestOutcomes | None = None

    @classmethod
    def of_many(
        cls, build: FacadeBuild, instance: DagsterInstance, tell: Callable[[str], None], items: Iterable[OutsideItem]
    ) -> MirrorEvents:
        """Return the factory for events of many tables and tasks, which are recorded in the order of their end."""
        keys = {build.assets.key(each.item): each.item for each in items}
        declared = [check.spec.key for item in keys.values() for check in build.checks_of(item).of(item.full_name)]
        checks = [*declared, *(AssetCheckKey(key, LAST_RUN) for key in keys)]
        return cls(build, instance, tell, LatestOutcomes.of(instance, keys, checks))

    def of(self, each: OutsideItem, *, superseded: bool = False) -> Iterator[OutsideEvent]:
        """Yield the new events of a table or task: its materialization, then its checks, ``last_run`` at the end.

        Args:
            each: The table or task.
            superseded: True if a later outcome is known, so that ``last_run`` does not report this one.
        """
        recorded = RecordedOutcomes(self.instance, self.latest)
        key = self.build.assets.key(each.item)
        if each.made is not None and not recorded.has_materialization(key, each.made_rows[-1]):
            yield self._materialization(each, each.made)
        for check, result in self.build.checks_of(each.item).results(each.outcome):
            if result is not None and recorded.standing_of(check.spec.key, each.last) == "new":
                yield self._result(each, result)
        if superseded:
            return
        standing = recorded.standing_of(AssetCheckKey(key, LAST_RUN), each.last)
        if standing == "new":
            yield self.last_run(each)
        elif standing == "older" and not recorded.has_observation(key, each.last):
            self.tell(f"{each.item.full_name}: a later outcome is on record already, {LAST_RUN} stays as it is")
            yield self._observation(each)

    def results(self, each: OutsideItem) -> Iterator[AssetCheckResult]:
        """Yield the known results of all checks of a table or task, whether Dagster has recorded them or not."""
        for _, result in self.build.checks_of(each.item).results(each.outcome):
            if result is not None:
                yield self._result(each, result)
        yield self.last_run(each)

    def last_run(self, each: OutsideItem) -> AssetCheckResult:
        """Return the result of the check ``last_run``."""
        return AssetCheckResult(
            passed=each.error is None,
            asset_key=self.build.assets.key(each.item),
            check_name=LAST_RUN,
            severity=AssetCheckSeverity.ERROR,
            description=message_of(each) or "it succeeded",
            metadata=self.metadata(each),
        )

    def metadata(self, each: OutsideItem) -> dict[str, Any]:
        """Return the metadata of the whole outcome of a table or task."""
        return dict(outside_metadata(each, each.rows, each.outcome, self.build.settings.links))

    def _materialization(self, each: OutsideItem, made: TableOutcome) -> AssetMaterialization:
        partitions = self.build.assets.partitions[each.item.target]
        partition, why_not = partition_of(partitions, each.made_rows[-1], self.instance)
        metadata = dict(outside_metadata(each, each.made_rows, made, self.build.settings.links))
        if why_not:
            self.tell(f"{each.item.full_name} is recorded without a partition: {why_not}")
            metadata["starlake/without_partition"] = why_not
        return AssetMaterialization(
            self.build.assets.key(each.item), description=_summary(each, made), metadata=metadata, partition=partition
        )

    def _result(self, each: OutsideItem, result: AssetCheckResult) -> AssetCheckResult:
        reference = dict(reference_metadata(each, each.rows, self.build.settings.links))
        return AssetCheckResult(
            passed=result.passed,
            asset_key=result.asset_key,
            check_name=result.check_name,
            severity=result.severity,
            description=result.description,
            metadata={**reference, **(result.metadata or {})},
        )

    def _observation(self, each: OutsideItem) -> AssetObservation:
        return AssetObservation(
            self.build.assets.key(each.item),
            description=f"a run that ended before the last one: {message_of(each) or 'it succeeded'}",
            metadata=self.metadata(each),
        )


def _summary(each: OutsideItem, made: TableOutcome) -> str:
    """Return a summary of a load or a transform, in the words of a Dagster run."""
    verb, counts = "load" if each.item.kind == "table" else "transform", made.counts
    rows = f"{counts.input} rows read, {counts.accepted} accepted, {counts.rejected} rejected" if counts else "done"
    return f"{verb} {each.item.full_name}: {rows} in {made.duration or 0:.1f} s, outside of Dagster"
