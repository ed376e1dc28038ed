"""Runs outside are found in real databases as in the simulated one: times, ties and time zones included."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import pytest

from ai.starlake.orchestration.outside import TrackingCursor, TrackingOptions, baseline, track
from ai.starlake.project.audit import AuditBusyError, open_audit
from tests.fakes.outside_audit import DuckDbAudit, OutsideAudit, PostgresAudit, load, transform
from tests.postgres_server import shared_server

START = datetime(2026, 10, 24, 22, 30, tzinfo=timezone.utc)
"""Two hours before the clocks of Paris show an hour for the second time."""
PARIS = ZoneInfo("Europe/Paris")
OPTIONS = TrackingOptions(rows_per_tick=40, runs_per_tick=5)


class TestDuckDb:
    @pytest.fixture
    def tables(self, tmp_path) -> OutsideAudit:
        return DuckDbAudit(tmp_path / "outside.db")

    def test_every_row_is_mirrored_once(self, tables):
        assert_each_once(tables)

    def test_a_file_that_is_written_to_changes_nothing(self, tables):
        tables.create()
        audit = open_audit(tables.audit)
        cursor = baseline(audit, START, OPTIONS).cursor
        with duckdb.connect(str(tables.audit)), pytest.raises(AuditBusyError):
            track(audit, cursor, START, lambda _: set(), OPTIONS)
        assert track(audit, cursor, START, lambda _: set(), OPTIONS).cursor is cursor


@pytest.mark.slow
class TestPostgreSql:
    def test_every_row_is_mirrored_once(self):
        assert_each_once(PostgresAudit(shared_server().database()))


def assert_each_once(tables: OutsideAudit) -> None:
    tables.create()
    audit = open_audit(tables.audit, timezone="Europe/Paris")
    chance = random.Random(1)
    tables.write("audit", *(_row(chance, START - timedelta(seconds=90 * number)) for number in range(20)))
    text, now, written, mirrored = baseline(audit, START, OPTIONS).cursor.as_text(), START, [], []
    for turn in range(42):
        now += timedelta(minutes=7 if turn < 26 else 1)
        if turn < 26:
            rows = [_row(chance, now - timedelta(seconds=chance.choice([0, 1, 60, 3000]))) for _ in range(6)]
            rows += [rows[0]] * (turn % 3)  # equal ones
            rows += [_row(chance, now) for _ in range(100 if turn == 12 else 0)]
            tables.write("audit", *rows)
            written += rows
        tracked = track(audit, TrackingCursor.of_text(text), now, _own, OPTIONS)
        text = tracked.cursor.as_text()
        mirrored += [row for run in tracked.runs for row in run.rows]
        assert not tracked.notes
    assert not tracked.behind
    assert Counter(row.paths for row in mirrored) == Counter(
        row["PATHS"] for row in written if not row["JOBID"].startswith("own")
    )


def _own(job_ids: set[str]) -> set[str]:
    return {job_id for job_id in job_ids if job_id.startswith("own")}


def _row(chance: random.Random, ended: datetime) -> dict[str, object]:
    """Return a row as Starlake writes it in Paris: local time, without the offset."""
    seconds = chance.choice([0.001, 0.25, 11.786, 240.007])
    started = (ended - timedelta(seconds=seconds, microseconds=chance.randrange(3))).astimezone(PARIS)
    job = chance.choice(["nightly", "hourly", "own", f"sales.months-{int(started.timestamp() * 1000)}"])
    make = transform if job.startswith("sales.") else load
    return make(started, domain="sales", job=job, seconds=seconds, PATHS=f"{chance.getrandbits(40):x}")
