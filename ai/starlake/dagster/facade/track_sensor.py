"""The sensor that finds runs outside in the audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import (
    DefaultSensorStatus,
    JobDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)

from ai.starlake.dagster.facade.reloading import CodeLocationReload, with_reload

if TYPE_CHECKING:
    from ai.starlake.dagster.facade.facade_build import FacadeBuild


def track_sensor(build: FacadeBuild, sync: JobDefinition, mirror: JobDefinition | None) -> SensorDefinition:
    """Return the sensor that mirrors what the audit says of runs outside.

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
        """Look once for what is new."""
        return SensorResult(skip_reason=SkipReason("nothing is tracked yet"), cursor=context.cursor)
