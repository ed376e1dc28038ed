"""Find the runs of another scheduler in the rows of the audit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ai.starlake.common.outcomes.audit_rows import AuditRow
from ai.starlake.orchestration.outside.late_rows import first_minute_checked, note_of_late_rows, rows_per_hour
from ai.starlake.orchestration.outside.outside_runs import OutsideRun
from ai.starlake.orchestration.outside.row_reading import RowReading
from ai.starlake.orchestration.outside.run_release import Release, released
from ai.starlake.orchestration.outside.seen_minutes import SeenMinute
from ai.starlake.orchestration.outside.tracked_audit import (
    MICROSECONDS,
    TrackedAudit,
    all_rows,
    identity,
    microseconds,
    minute_of,
    rows_per_minute,
    time_of,
)
from ai.starlake.orchestration.outside.tracking_cursor import LONGEST_CURSOR, TrackingCursor
from ai.starlake.orchestration.outside.tracking_options import TrackingOptions
from ai.starlake.orchestration.outside.waiting_runs import RunSorter, WaitingRun, made_by_starlake

Own = Callable[[Collection[str]], set[str]]
"""Returns those of some JOBIDs that belong to runs of this Dagster instance."""

MOST_ROWS_AT_FIRST = 100_000
"""Maximum number of rows that the first tick remembers, to recognize later ones."""
_BYTES_OF_ROW = 100
"""Maximum growth of the cursor per row: if it is a run by itself."""
_WAITING_TICKS = 4
_SECONDS_OF_TICK = 30
"""Maximum number of ticks whose rows wait until their runs have ended, besides those of the ticks until then."""
_CHECK_SECONDS = 600


@dataclass(frozen=True)
class Tracked:
    """Result of a tick.

    Args:
        runs: The runs to mirror now, in order.
        cursor: The cursor to keep when they are requested.
        behind: True if more runs wait than a tick handles; the next ticks continue.
        notes: Messages for the user.
    """

    runs: tuple[OutsideRun, ...]
    cursor: TrackingCursor
    behind: bool = False
    notes: tuple[str, ...] = ()


def baseline(audit: TrackedAudit, now: datetime, options: TrackingOptions) -> Tracked:
    """Return the cursor of the first tick: the current content of the audit is history, and is not mirrored.

    Args:
        audit: The audit.
        now: The time of the tick, with a time zone.
        options: Options of tracking.

    Raises:
        StarlakeError: If the audit cannot be read.
    """
    this_minute, lateness = microseconds(now) // MICROSECONDS, _lateness(options)
    first = first_minute_checked(this_minute - lateness)
    known: dict[int, list[int]] = {}
    with audit.opened() as opened:
        counts = rows_per_minute(opened, first_minute_checked(first))
        newest = max(counts, default=first)
        wanted = max(first, min(newest, this_minute) - lateness)
        horizon = _remembered_from(counts, wanted)
        late = {minute: count for minute, count in counts.items() if minute >= horizon}
        end = (max(late, default=horizon - 1) + 1) * MICROSECONDS
        for row in all_rows(opened, horizon * MICROSECONDS, end, sum(late.values())):
            known.setdefault(minute_of(row), []).append(identity(row))
    minutes = {minute: SeenMinute.of(rows) for minute, rows in known.items()}
    at = now.timestamp()
    notes = () if horizon == wanted else (_many_at_first(horizon),)
    return Tracked((), TrackingCursor(at, horizon, newest, at, minutes, rows_per_hour(counts, horizon)), notes=notes)


def track(audit: TrackedAudit, cursor: TrackingCursor, now: datetime, own: Own, options: TrackingOptions) -> Tracked:
    """Return the runs to mirror, and the cursor of the next tick.

    The runs depend on the cursor alone: evaluated again with the same cursor, it returns the same runs with the same
    keys, whatever the audit has received in between.

    Args:
        audit: The audit.
        cursor: The cursor of the previous tick.
        now: The time of the tick, with a time zone.
        own: Returns those of some JOBIDs that belong to this Dagster instance.
        options: Options of tracking.

    Raises:
        StarlakeError: If the audit cannot be read; then nothing changes, and the next tick tries again.
    """
    return _TrackingTick(audit, cursor, now.timestamp(), own, options).tracked()


@dataclass(frozen=True)
class _TrackingTick:
    audit: TrackedAudit
    cursor: TrackingCursor
    now: float
    own: Own
    options: TrackingOptions

    def tracked(self) -> Tracked:
        checks = not 0 <= self.now - self.cursor.checked < _CHECK_SECONDS
        horizon = self.cursor.horizon
        room = (LONGEST_CURSOR - len(self.cursor.as_text())) // _BYTES_OF_ROW
        with self.audit.opened() as audit:
            counts = rows_per_minute(audit, first_minute_checked(horizon) if checks else horizon)
            watched = {minute: count for minute, count in counts.items() if minute >= horizon}
            release = released(audit, self.cursor, self.options)
            reading = RowReading(audit, watched, dict(self.cursor.minutes), self._budget(release, room))
            changed = reading.changed()
            reading.read(changed)
        if not (checks or changed or self.cursor.waiting or reading.minutes != self.cursor.minutes):
            return Tracked((), self.cursor)
        is_full = bool(reading.unfinished) and room < self.options.rows_per_tick
        hours = rows_per_hour(counts, horizon) if checks else dict(self.cursor.closed)
        notes = self._notes(release, reading, hours, is_full=is_full)
        cursor = self._next(release, reading, hours, max(watched, default=0), is_full=is_full)
        cursor = replace(cursor, checked=self.now if checks else cursor.checked)
        return Tracked(release.runs, cursor, bool(release.over or reading.unfinished), tuple(notes))

    def _budget(self, release: Release, room: int) -> int:
        limit = self.options.rows_per_tick
        waiting = sum(len(run.rows) for run in (*release.over, *release.open))
        ticks = _WAITING_TICKS + int(self.options.settle_seconds) // _SECONDS_OF_TICK
        return max(0, min(limit, ticks * limit - waiting, room))

    def _next(
        self, release: Release, reading: RowReading, hours: Mapping[int, int], newest: int, *, is_full: bool
    ) -> TrackingCursor:
        sorter = RunSorter(self.options, self.now, map(self._by_this_clock, release.open), self.cursor.parts)
        sorter.add(self._of_others(reading.found))
        waiting, parts = sorter.result()
        newest = max(newest, self.cursor.newest)
        horizon = self._horizon(newest, reading, is_full=is_full)
        late = {minute: seen.present for minute, seen in reading.minutes.items() if minute < horizon}
        closed = dict(hours)
        for hour, count in rows_per_hour(late, horizon).items():
            closed[hour] = closed.get(hour, 0) + count
        return TrackingCursor(
            self.now,
            horizon,
            newest,
            self.cursor.checked,
            {minute: seen for minute, seen in sorted(reading.minutes.items()) if minute >= horizon},
            {hour: count for hour, count in closed.items() if hour * 60 >= first_minute_checked(horizon)},
            (*map(self._by_this_clock, release.over), *waiting),
            {job: part for job, part in parts.items() if part.last >= horizon * MICROSECONDS},
        )

    def _horizon(self, newest: int, reading: RowReading, *, is_full: bool) -> int:
        """Return the first watched minute: it depends on the clock of the audit, not on that of the sensor."""
        this_minute = int(self.now) // 60
        reference = this_minute if is_full else min(newest, this_minute)
        wanted = min(reference - _lateness(self.options), *reading.unfinished, newest)
        return max(self.cursor.horizon, wanted)

    def _by_this_clock(self, run: WaitingRun) -> WaitingRun:
        """Return a run that was not seen later than now, so that it is not waited for if the clock was set back."""
        return replace(run, since=min(run.since, self.now), seen=min(run.seen, self.now))

    def _of_others(self, rows: Sequence[AuditRow]) -> list[AuditRow]:
        """Return the rows that neither this Dagster instance nor an ignored source wrote."""
        ignored = self.options.ignore_job_ids
        left = [row for row in rows if ignored is None or not ignored.fullmatch(row.job_id)]
        asked = {row.job_id for row in left if not made_by_starlake(row)}
        ours = self.own(asked) if asked else set()
        return [row for row in left if row.job_id not in ours]

    def _notes(
        self, release: Release, reading: RowReading, hours: Mapping[int, int], *, is_full: bool
    ) -> Iterable[str]:
        late = note_of_late_rows(self.cursor.closed, hours)
        if late:
            yield late
        if release.gone:
            yield f"{release.gone} rows were removed from the audit before they could be mirrored"
        if reading.doubtful:
            yield (
                f"rows were removed from the audit while others were added to the same {len(reading.doubtful)} "
                "minutes: a row may be mirrored in place of another. Run the sync job"
            )
        if is_full:
            yield (
                f"the audit has more rows of the last lateness_seconds than a cursor of {LONGEST_CURSOR} bytes "
                "can tell apart: the others wait. Set lateness_seconds lower if rows do not come that late"
            )


def _lateness(options: TrackingOptions) -> int:
    """Return the maximum lateness of rows, in minutes."""
    return math.ceil(options.lateness_seconds / 60)


def _remembered_from(counts: Mapping[int, int], wanted: int) -> int:
    """Return the first minute whose rows the first tick remembers: the wanted one, or a later one if there are many."""
    rows = 0
    for minute in sorted((minute for minute in counts if minute >= wanted), reverse=True):
        rows += counts[minute]
        if rows > MOST_ROWS_AT_FIRST:
            return minute + 1
    return wanted


def _many_at_first(horizon: int) -> str:
    return (
        f"the audit has more than {MOST_ROWS_AT_FIRST} rows of the last lateness_seconds: rows that ended before "
        f"{time_of(horizon * MICROSECONDS):%Y-%m-%d %H:%M} UTC and come later are not mirrored"
    )
