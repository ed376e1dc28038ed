"""Runs of another scheduler, found in the rows of Starlake's audit."""

from ai.starlake.orchestration.outside.last_runs import LONGEST_LOAD, runs_of_item
from ai.starlake.orchestration.outside.outside_runs import OutsideRun
from ai.starlake.orchestration.outside.tracked_audit import TrackedAudit
from ai.starlake.orchestration.outside.tracking import Tracked, baseline, track
from ai.starlake.orchestration.outside.tracking_cursor import TrackingCursor
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions

__all__ = [
    "LONGEST_LOAD",
    "OutsideRun",
    "Tracked",
    "TrackedAudit",
    "TrackingCursor",
    "TrackingOptions",
    "baseline",
    "runs_of_item",
    "track",
]
