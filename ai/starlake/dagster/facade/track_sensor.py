"""The sensor that finds outside runs in the audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckResult,
    AssetKey,
    DefaultSensorStatus,
    JobDefinition,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)

from ai.starlake.dagster import _compat
from ai.starlake.dagster.assets.dagster_features import quiet
from ai.starlake.dagster.facade.mirror_job import READ_STEP
from ai.starlake.dagster.facade.mirroring.mirror_events import MirrorEvents
from ai.starlake.dagster.facade.mirroring.outside_items import by_item, items_of_runs
from ai.starlake.dagster.facade.mirroring.outside_references import OutsideReference
from ai.starlake.dagster.facade.mirroring.own_runs import mirrored_already, own_job_ids
from ai.starlake.dagster.facade.reloading import CodeLocationReload, with_reload

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild
    from ai.starlake.orchestration.outside import OutsideRun
    from ai.starlake.project.audit import AuditRow


def track_sensor(build: FacadeBuild, sync: JobDefinition, mirror: JobDefinition | None) -> SensorDefinition:
    """Return the sensor that mirrors outside runs from the audit.

    Args:
        build: The items, the audit, and how runs are mirrored.
        sync: The job of the first tick.
        mirror: The job that mirrors a run; None to record events without one.
    """
    track = TrackSensor(build, sync.name, mirror.name if mirror else None)
    reload = CodeLocationReload(build.settings, build.assets.translated.project, build.remake)
    return SensorDefinition(
        name=build.name_of("track"),
        jobs=[job for job in (sync, mirror) if job is not None],
        evaluation_fn=with_reload(reload, track.evaluate),
        minimum_interval_seconds=build.settings.interval_seconds,
        description="Finds runs of Starlake that were started outside of Dagster.",
        default_status=DefaultSensorStatus.RUNNING if build.sensor_runs else DefaultSensorStatus.STOPPED,
    )


@dataclass(frozen=True)
class _ShownRun:
    """An outside run with the rows that the facade shows, and their assets."""

    run: OutsideRun
    rows: Sequence[AuditRow]
    assets: frozenset[AssetKey]


@dataclass(frozen=True, eq=False)
class TrackSensor:
    """The evaluation of the sensor.

    Args:
        build: The items, the audit, and how runs are mirrored.
        sync: The name of the job of the first tick.
        mirror: The name of the job that mirrors a run; None to record events without one.
    """

    build: FacadeBuild
    sync: str
    mirror: str | None

    def evaluate(self, context: SensorEvaluationContext) -> SensorResult:
        """Search once for new runs.

        Raises:
            StarlakeError: If the audit cannot be read, unless another process writes to it: then the next tick reads
                it.
        """
        from ai.starlake.project.audit import AuditBusyError

        try:
            if not context.cursor:
                return self._first(context)
            return self._next(context, context.cursor)
        except AuditBusyError as busy:
            return SensorResult(skip_reason=SkipReason(str(busy)), cursor=context.cursor)

    def _first(self, context: SensorEvaluationContext) -> SensorResult:
        """Request the synchronisation: the current content of the audit is history."""
        from ai.starlake.orchestration.outside import baseline

        now = datetime.now(timezone.utc)
        tracked = baseline(self.build.audit, now, self.build.settings.tracking)
        for note in tracked.notes:
            _compat.log_of(context).warning(note)
        # a key for this tick alone: clearing the cursor soon after the first tick requires another synchronisation
        request = RunRequest(run_key=f"{self.sync} {now.isoformat()}", job_name=self.sync)
        return SensorResult(run_requests=[request], cursor=tracked.cursor.as_text())

    def _next(self, context: SensorEvaluationContext, cursor: str) -> SensorResult:
        from ai.starlake.orchestration.outside import TrackingCursor, track

        now = datetime.now(timezone.utc)
        own = partial(own_job_ids, context.instance)
        tracked = track(self.build.audit, TrackingCursor.of_text(cursor), now, own, self.build.settings.tracking)
        log = _compat.log_of(context)
        for note in tracked.notes:
            log.warning(note)
        if tracked.behind:
            log.info("more runs wait than a tick handles; the next ticks continue")
        runs, unknown = self._of_this_project(tracked.runs)
        if unknown:
            log.warning(f"not mirrored, because the project does not have them: {', '.join(unknown)}")
        answer = self._requests(runs, context) if self.mirror else self._events(runs, context)
        if not answer:
            answer = {"skip_reason": SkipReason(f"no new run in {self.build.audit.name}")}
        with quiet():
            return SensorResult(**answer, cursor=tracked.cursor.as_text())

    def _of_this_project(self, runs: Iterable[OutsideRun]) -> tuple[list[_ShownRun], Sequence[str]]:
        """Return the runs with the rows that the facade shows, and the names of items that the project lacks."""
        found, missing = [], dict[str, None]()
        for run in runs:
            items, unknown = by_item(self.build, run.rows)
            missing.update(dict.fromkeys(unknown))
            if not items:
                continue
            rows: Sequence[AuditRow] = run.rows
            if sum(map(len, items.values())) < len(rows):
                shown = {row.digest for of_item in items.values() for row in of_item}
                rows = [row for row in rows if row.digest in shown]
            keys = frozenset(self.build.assets.key(self.build.on_record.named(name)) for name in items)
            found.append(_ShownRun(run, rows, keys))
        return found, list(missing)

    def _requests(self, runs: Iterable[_ShownRun], context: SensorEvaluationContext) -> dict[str, Any]:
        """Return a run request for each outside run, except those that another sensor has mirrored on these assets."""
        found: dict[str, tuple[OutsideRun, OutsideReference]] = {}
        for each in runs:
            reference = OutsideReference.of(each.run, each.rows)
            found[reference.digest(each.assets)] = (each.run, reference)
        already = mirrored_already(context.instance, found.keys())
        for digest, run_id in already.items():
            _compat.log_of(context).info(f"{found[digest][0].name} is mirrored by run {run_id} already")
        requests = [
            RunRequest(
                run_key=run.key,
                job_name=self.mirror,
                run_config={"ops": {READ_STEP: {"config": reference.config()}}},
                tags=reference.tags(self.build.environment, digest),
            )
            for digest, (run, reference) in found.items()
            if digest not in already
        ]
        return {"run_requests": requests} if requests else {}

    def _events(self, runs: Sequence[_ShownRun], context: SensorEvaluationContext) -> dict[str, Any]:
        """Return the events of all outside runs, in the order in which their tables and tasks ended."""
        if not runs:
            return {}
        found = items_of_runs(self.build, [(each.run.name, each.rows) for each in runs])
        items = sorted((each for of_run in found for each in of_run.items), key=lambda each: each.last.ended)
        made = MirrorEvents.of_many(self.build, context.instance, _compat.log_of(context).warning, items)
        events = [
            _compat.evaluation_of(event, blocking=False) if isinstance(event, AssetCheckResult) else event
            for each in items
            for event in made.of(each)
        ]
        if not events:
            return {}
        names = ", ".join(each.run.name for each in runs)
        return {"asset_events": events, "skip_reason": SkipReason(f"{len(events)} event(s) are recorded of {names}")}
