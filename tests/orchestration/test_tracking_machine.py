"""With any rows in any order, and any end of ticks: every row is mirrored once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ai.starlake.common.outcomes.audit_rows import AuditRow, in_order
from ai.starlake.orchestration.outside import Tracked, TrackingCursor, TrackingOptions, baseline, track
from ai.starlake.orchestration.outside.tracked_audit import identity
from ai.starlake.orchestration.outside.tracking_cursor import LONGEST_CURSOR
from tests.fakes.simulated_audit import NOON, SimulatedAudit, audit_row

LATENESS = 600
OPTIONS = TrackingOptions(
    group_seconds=30,
    settle_seconds=20,
    longest_seconds=120,
    lateness_seconds=LATENESS,
    rows_per_tick=6,
    runs_per_tick=2,
    ignore_job_ids="ignored-.*",
)
JOBS = st.sampled_from(["nightly", "hourly", "own-1", "ignored-1", "made"])
DELAYS = st.one_of(st.integers(0, 5), st.integers(0, LATENESS))


class TrackingMachine(RuleBasedStateMachine):
    """An audit, a sensor that is killed now and then, and what it started."""

    @initialize(
        history=st.lists(st.tuples(JOBS, st.integers(0, 2 * LATENESS)), max_size=4), skew=st.integers(-900, 900)
    )
    def begin(self, history: list[tuple[str, int]], skew: int) -> None:
        self.audit = SimulatedAudit()
        self.now, self.skew = NOON, timedelta(seconds=skew)
        self.started: dict[str, tuple[AuditRow, ...]] = {}
        self.removed: list[AuditRow] = []
        self.removals = 0  # a row that is equal to one that was removed would be that one, put back
        for job, delay in history:
            self.audit.add(self._row(job, delay, 1))
        self.expected: list[AuditRow] = []
        self.text = baseline(self.audit, self.now, OPTIONS).cursor.as_text()

    def _row(self, job: str, delay: int, seconds: int) -> AuditRow:
        ended = self.now + self.skew - timedelta(seconds=delay)
        job_id = f"shop-orders-orders.csv-{int(ended.timestamp()) * 1000}" if job == "made" else job
        return audit_row(job_id, ended, seconds=seconds, paths=f"file:/{self.removals}.csv")

    @rule(job=JOBS, delay=DELAYS, seconds=st.sampled_from([1, 1, 40]), times=st.sampled_from([1, 1, 1, 2, 9, 20]))
    def insert(self, job: str, delay: int, seconds: int, times: int) -> None:
        rows = [self._row(job, delay, seconds)] * times
        self.audit.add(*rows)
        if job not in ("own-1", "ignored-1"):
            self.expected += rows

    @rule(job=JOBS, count=st.integers(2, 30), over=st.integers(0, LATENESS))
    def insert_spread(self, job: str, count: int, over: int) -> None:
        for number in range(count):
            self.insert(job, number * over // count, 1, 1)

    @rule(seconds=st.one_of(st.integers(0, 90), st.integers(0, 4000)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(times=st.integers(1, 4))
    def tick(self, times: int) -> None:
        for _ in range(times):
            self.now += timedelta(seconds=10)
            self.text = self._tracked().cursor.as_text()

    @rule()
    def tick_that_is_killed(self) -> None:
        self._tracked()

    @rule(after=st.integers(0, 1))
    def tick_while_the_audit_is_busy(self, after: int) -> None:
        self.audit.fails = OSError("busy")
        try:
            self._tracked()
        except OSError:
            self.audit.fails = None

    @precondition(lambda self: self.started)
    @rule()
    def remove_what_is_mirrored(self) -> None:
        waiting = {number for run in TrackingCursor.of_text(self.text).waiting for number in run.rows}
        started = [row for rows in self.started.values() for row in rows]
        mirrored = {row.digest for row in started if identity(row) not in waiting}
        numbered = in_order(self.audit.content)
        self.removals += 1
        kept = [row for row in numbered if row.digest not in mirrored]
        if len({(row.job_id, row.started) for row in numbered}) == len(numbered):  # equal rows would be numbered again
            self.removed += [row for row in numbered if row.digest in mirrored]
            self.audit.content = kept

    @precondition(lambda self: self.removed)
    @rule()
    def put_back(self) -> None:
        oldest = self.now + self.skew - timedelta(seconds=LATENESS)
        self.audit.add(*(row for row in self.removed if row.ended >= oldest))
        self.removed = []

    def _tracked(self) -> Tracked:
        tracked = track(self.audit, TrackingCursor.of_text(self.text), self.now, self._own, OPTIONS)
        assert len(tracked.runs) <= OPTIONS.runs_per_tick
        assert sum(len(run.rows) for run in tracked.runs) <= OPTIONS.rows_per_tick
        assert len(tracked.cursor.as_text()) <= LONGEST_CURSOR
        assert not tracked.notes
        for run in tracked.runs:
            assert self.started.setdefault(run.key, run.rows) == run.rows
        return tracked

    @staticmethod
    def _own(job_ids: set[str]) -> set[str]:
        return {job_id for job_id in job_ids if job_id.startswith("own-")}

    def teardown(self) -> None:
        if not hasattr(self, "text"):
            return
        for _ in range(len(self.expected) * 2 + 20):
            self.now += timedelta(seconds=10)
            tracked = self._tracked()
            self.text = tracked.cursor.as_text()
        assert not tracked.behind
        assert not tracked.cursor.waiting
        mirrored = [replace(row, ordinal=0) for rows in self.started.values() for row in rows]
        assert Counter(mirrored) == Counter(self.expected)


FEW = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


class TestTracking(TrackingMachine.TestCase):
    settings = FEW


@pytest.mark.slow
class TestTrackingForLong(TrackingMachine.TestCase):
    settings = settings(FEW, max_examples=70, stateful_step_count=50)
