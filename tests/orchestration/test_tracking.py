"""Assignment of rows of the audit to runs, and the time of their release."""

from __future__ import annotations

import base64
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.outcomes.audit_rows import AuditRow, in_order
from ai.starlake.common.outcomes.table_outcomes import StarlakeCounts
from ai.starlake.orchestration.outside import (
    OutsideRun,
    Tracked,
    TrackingCursor,
    TrackingOptions,
    baseline,
    track,
)
from ai.starlake.orchestration.outside.tracked_audit import identity
from ai.starlake.orchestration.outside.tracking_cursor import LONGEST_CURSOR
from ai.starlake.project.audit.audit_database import AuditBusyError
from tests.fakes.simulated_audit import NOON, SimulatedAudit, audit_row

MINUTE = timedelta(minutes=1)


class Sensor:
    """Ticks every 30 seconds, and keeps its cursor as a string."""

    def __init__(self, *rows: AuditRow, own: Iterable[str] = (), skew: timedelta = timedelta(0), **options) -> None:
        self.audit = SimulatedAudit(*rows)
        self.options = TrackingOptions.read(options)
        self.own = set(own)
        self.now, self.skew = NOON, skew
        self.runs: list[OutsideRun] = []
        self.notes: list[str] = []
        first = baseline(self.audit, self.now, self.options)
        assert first.runs == ()
        self.notes += first.notes
        self.cursor = first.cursor.as_text()

    def row(self, job_id: str, ago: float = 0, **values) -> AuditRow:
        """Add a row that ended some seconds ago, by the clock of the audit."""
        row = audit_row(job_id, self.now + self.skew - timedelta(seconds=ago), **values)
        self.audit.add(row)
        return row

    def load(self, table: str = "shop.orders", ago: float = 0, **values) -> AuditRow:
        """Add a row with a JOBID that Starlake made."""
        ended = self.now + self.skew - timedelta(seconds=ago)
        domain, name = table.split(".")
        job_id = f"{domain}-{name}-{name}.csv-{int(ended.timestamp() * 1000)}"
        return self.row(job_id, ago, table=table, **values)

    def evaluate(self) -> Tracked:
        """Evaluate a tick whose cursor is not kept."""
        return track(
            self.audit, TrackingCursor.of_text(self.cursor), self.now, lambda ids: self.own & set(ids), self.options
        )

    def tick(self, times: int = 1, seconds: float = 30) -> list[OutsideRun]:
        """Tick some times, and return the runs of these ticks."""
        runs: list[OutsideRun] = []
        for _ in range(times):
            self.now += timedelta(seconds=seconds)
            tracked = self.evaluate()
            assert len(tracked.cursor.as_text()) <= LONGEST_CURSOR
            self.cursor = tracked.cursor.as_text()
            self.notes += tracked.notes
            self.behind = tracked.behind
            runs += tracked.runs
        self.runs += runs
        return runs

    def assert_each_once(self, rows: Iterable[AuditRow]) -> None:
        mirrored = Counter(row.digest for run in self.runs for row in run.rows)
        assert mirrored == Counter(row.digest for row in in_order(rows))
        assert len({run.key for run in self.runs}) == len(self.runs)


def names(runs: Iterable[OutsideRun]) -> list[str]:
    return [run.name for run in runs]


# ----- what a run is -----


def test_a_jobid_is_a_run_once_nothing_more_came_for_a_minute():
    sensor = Sensor()
    rows = [sensor.row("nightly", 20), sensor.row("nightly", 10, table="shop.customers")]
    assert sensor.tick(3) == []
    (run,) = sensor.tick()
    assert (run.name, run.job_ids, run.further) == ("nightly", ("nightly",), 1)
    assert run.rows == tuple(rows)
    assert (run.started, run.ended, run.success) == (rows[0].started, rows[1].ended, True)
    assert sensor.tick(10) == []
    assert not sensor.notes
    assert not sensor.behind


def test_history_is_not_mirrored():
    history = [audit_row(f"job-{number}", NOON - number * MINUTE) for number in range(200)]
    sensor = Sensor(*history)
    assert sensor.tick(25) == []
    assert not sensor.notes


def test_rows_that_come_later_make_a_further_run_named_so():
    sensor = Sensor()
    first = sensor.row("nightly")
    sensor.tick(4)
    second = sensor.row("nightly", seconds=200)
    sensor.tick(4)
    third = sensor.row("nightly")
    sensor.tick(4)
    assert names(sensor.runs) == ["nightly", "nightly (later rows 2)", "nightly (later rows 3)"]
    assert [run.further for run in sensor.runs] == [1, 2, 3]
    sensor.assert_each_once([first, second, third])


def test_a_row_within_the_minute_prolongs_the_wait():
    sensor = Sensor()
    for _ in range(5):
        sensor.row("nightly")
        assert sensor.tick() == []
    (run,) = sensor.tick(3)
    assert len(run.rows) == 5


def test_jobids_that_starlake_made_are_grouped_by_time():
    sensor = Sensor()
    rows = [
        sensor.load("shop.orders", 400),
        sensor.load("shop.customers", 290),
        sensor.row(
            f"shop.totals-{int(NOON.timestamp() * 1000)}", 175, table="shop.totals", step="TRANSFORM", seconds=60
        ),
        sensor.load("shop.orders", 20),
    ]
    sensor.tick(4)
    assert [run.rows for run in sensor.runs] == [tuple(rows[:3]), tuple(rows[3:])]
    assert names(sensor.runs) == [
        "shop.orders and 2 more at 2026-11-30 11:53:15 UTC",
        "shop.orders at 2026-11-30 11:59:35 UTC",
    ]
    assert sensor.runs[0].job_ids == tuple(row.job_id for row in rows[:3])


def test_several_runs_at_once_are_kept_apart():
    sensor = Sensor()
    rows = []
    for ago in range(60, 0, -5):
        rows += [sensor.row("a", ago), sensor.row("b", ago), sensor.load("shop.orders", ago)]
    sensor.tick(4)
    assert sorted(len(run.rows) for run in sensor.runs) == [12, 12, 12]
    assert {run.name.split(" at ")[0] for run in sensor.runs} == {"a", "b", "shop.orders"}
    sensor.assert_each_once(rows)


def test_a_jobid_that_is_used_again_the_next_day_is_another_run_of_that_name():
    sensor = Sensor()
    rows = [sensor.row("nightly")]
    sensor.tick(4)
    sensor.now += timedelta(days=1)
    rows.append(sensor.row("nightly"))
    sensor.tick(4)
    assert names(sensor.runs) == ["nightly", "nightly"]
    sensor.assert_each_once(rows)


def test_a_jobid_that_never_changes_does_not_make_one_run_of_several_days():
    sensor = Sensor()
    start, rows = sensor.now, []
    for hours in range(0, 72, 8):  # the sensor is stopped meanwhile
        sensor.now = start + timedelta(hours=hours)
        rows += [sensor.row("starlake", 30), sensor.row("starlake")]
    sensor.tick(5)
    assert names(sensor.runs) == ["starlake"] * 9
    assert [len(run.rows) for run in sensor.runs] == [2] * 9
    sensor.assert_each_once(rows)


@pytest.mark.parametrize("made", [True, False], ids=["made by Starlake", "one JOBID"])
def test_a_stream_that_never_pauses_is_mirrored_in_parts(made):
    sensor = Sensor()
    rows = []
    for _ in range(240):  # two hours
        rows.append(sensor.load() if made else sensor.row("stream"))
        sensor.tick()
    waited = [sensor.now - row.ended for row in rows if row not in {row for run in sensor.runs for row in run.rows}]
    assert max(waited) < timedelta(minutes=18)
    sensor.tick(4)
    assert len(sensor.runs) == 8
    assert [run.further for run in sensor.runs] == [1] * 8 if made else list(range(1, 9))
    sensor.assert_each_once(rows)


def test_a_clock_of_the_audit_that_stands_still_does_not_make_a_run_wait_for_ever():
    sensor = Sensor()
    rows = []
    for number in range(80):
        rows.append(audit_row("stuck", NOON, paths=str(number)))
        sensor.audit.add(rows[-1])
        sensor.tick()
    sensor.tick(4)
    assert len(sensor.runs) > 1
    sensor.assert_each_once(rows)


# ----- rows that are not mirrored -----


def test_own_runs_are_not_mirrored():
    sensor = Sensor(own=["4f2a"])
    row = sensor.row("theirs")
    sensor.row("4f2a")
    sensor.row("4f2a", table="shop.customers")
    assert [run.rows for run in sensor.tick(10)] == [(row,)]


def test_jobids_of_a_pattern_are_not_mirrored():
    sensor = Sensor(ignore_job_ids="manual-.*|test")
    sensor.row("manual-1")
    sensor.row("test")
    row = sensor.row("testing")
    assert [run.rows for run in sensor.tick(10)] == [(row,)]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("ignore_job_ids", "manual-(", "option ignore_job_ids: 'manual-(' is not accepted: it is not a valid regular"),
        ("group_seconds", -1, "option group_seconds: -1 is not accepted"),
        ("settle_seconds", "soon", "option settle_seconds: 'soon' is not accepted"),
        ("lateness_seconds", 5, "option lateness_seconds: 5 is not accepted"),
        ("rows_per_tick", 0, "option rows_per_tick: 0 is not accepted"),
        ("runs_per_tick", 10_000, "option runs_per_tick: 10000 is not accepted"),
        ("longest_seconds", float("inf"), "option longest_seconds"),
    ],
)
def test_options_that_are_wrong_are_named(option, value, says):
    with pytest.raises(StarlakeError, match=re.escape(says)):
        TrackingOptions.read({option: value})


# ----- rows that come late -----


def test_a_row_that_ended_before_the_first_tick_and_comes_later_is_mirrored():
    sensor = Sensor(audit_row("history", NOON - 10 * MINUTE))
    row = sensor.row("late", 600 + 3)
    same_minute = sensor.row("late", 600)
    assert [run.rows for run in sensor.tick(10)] == [(row, same_minute)]


def test_rows_in_any_order_are_each_mirrored_once():
    sensor = Sensor()
    rows = []
    for number in range(120):
        rows.append(sensor.row(f"job-{number % 3}", number * 37 % 3500))
        sensor.tick()
    sensor.tick(10)
    sensor.assert_each_once(rows)
    assert not sensor.notes


def test_a_row_that_comes_too_late_is_counted_and_said():
    sensor = Sensor()
    sensor.row("before")
    sensor.tick(4)
    sensor.row("now")
    sensor.tick(4)
    late = [sensor.row("too late", 7200), sensor.row("too late", 7200)]
    sensor.tick(30)
    (note,) = sensor.notes
    assert "2 rows came into the audit more than lateness_seconds after they ended and are not mirrored" in note
    assert f"2 of {late[0].ended:%Y-%m-%d %H:00}" in note
    assert "Run the sync job" in note
    assert names(sensor.runs) == ["before", "now"]


def test_how_late_a_row_is_is_measured_by_what_else_the_audit_has_got():
    sensor = Sensor(audit_row("history", NOON))
    sensor.tick(600)  # five hours without a row: nothing shows that the clock of the audit advanced
    row = sensor.row("late", 5 * 3600)
    sensor.tick(4)
    sensor.assert_each_once([row])


def test_equal_rows_are_as_many_as_they_are():
    sensor = Sensor()
    rows = [sensor.row("twice", 20)] * 2
    sensor.audit.add(rows[0])
    sensor.tick(4)
    assert [len(run.rows) for run in sensor.runs] == [2]
    sensor.audit.add(rows[0])
    sensor.tick(4)
    assert [len(run.rows) for run in sensor.runs] == [2, 1]
    sensor.assert_each_once([*rows, rows[0]])


# ----- clocks -----


@pytest.mark.parametrize("minutes", [-90, -20, -3, 3, 20, 90])
def test_clocks_that_differ_change_nothing(minutes):
    sensor = Sensor(audit_row("history", NOON + minutes * MINUTE), skew=minutes * MINUTE)
    rows = [sensor.row("a", 3000), sensor.row("a", 2990), sensor.load()]
    assert sensor.tick(3) == []
    assert len(sensor.tick()) == 2
    for number in range(200):
        rows.append(sensor.row(f"job-{number}", number * 53 % 3500))
        sensor.tick()
    sensor.tick(5)
    sensor.assert_each_once(rows)
    assert not sensor.notes


def test_a_clock_of_the_sensor_that_is_set_back_delays_nothing():
    sensor = Sensor()
    row = sensor.row("nightly")
    sensor.tick()
    sensor.now -= timedelta(hours=2)
    assert [run.rows for run in sensor.tick(4)] == [(row,)]


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_a_time_zone_has_twice(fold):
    """Times that the audit shows twice are read as the earlier or the later ones: an hour too early or too late."""
    paris = ZoneInfo("Europe/Paris")
    sensor = Sensor()
    sensor.now, rows = datetime(2026, 10, 24, 23, 0, tzinfo=ZoneInfo("UTC")), []
    sensor.cursor = baseline(sensor.audit, sensor.now, sensor.options).cursor.as_text()
    for number in range(480):  # from 1:00 to 5:00 in Paris, with two hours from 2:00 on
        local = sensor.now.astimezone(paris).replace(tzinfo=None)
        rows.append(
            audit_row(f"job-{number // 2}", local.replace(tzinfo=paris, fold=fold).astimezone(sensor.now.tzinfo))
        )
        sensor.audit.add(rows[-1])
        sensor.tick()
    sensor.tick(5)
    sensor.assert_each_once(rows)
    assert not sensor.notes


# ----- much at once -----


def test_more_than_a_tick_takes_is_caught_up_in_order():
    sensor = Sensor()
    rows = [sensor.row(f"job-{number // 40:03}", 3000 - number / 2) for number in range(2000)]
    for _ in range(40):
        runs = sensor.tick()
        assert len(runs) <= 20
        assert sum(len(run.rows) for run in runs) <= 500
        if len(sensor.runs) == 50:
            break
        assert sensor.behind or TrackingCursor.of_text(sensor.cursor).waiting
    sensor.tick()
    assert not sensor.behind
    assert names(sensor.runs) == sorted(names(sensor.runs))
    sensor.assert_each_once(rows)


def test_a_tick_reads_no_more_than_it_takes():
    sensor = Sensor()
    for number in range(20_000):
        sensor.row(f"job-{number}", number / 8)
    sensor.audit.queries, sensor.audit.rows_read = [], 0
    sensor.tick()
    assert sensor.audit.queries == ["minutes", "rows"]
    assert sensor.audit.rows_read == 501
    assert sensor.behind


def test_more_rows_of_one_microsecond_than_a_tick_takes():
    sensor = Sensor()
    rows = [sensor.row(f"job-{number % 5}", 100, paths=str(number)) for number in range(1300)]
    rows += [sensor.row("other", 101), sensor.row("other", 99)]
    sensor.tick(12)
    sensor.assert_each_once(rows)


def test_a_run_has_no_more_rows_than_a_tick_takes():
    sensor = Sensor(rows_per_tick=50)
    rows = [sensor.row("big", number / 10) for number in range(120)]
    sensor.tick(10)
    assert names(sensor.runs) == ["big", "big (later rows 2)", "big (later rows 3)"]
    sensor.assert_each_once(rows)


def test_an_idle_audit_costs_one_query_and_leaves_the_cursor():
    sensor = Sensor(*(audit_row(f"job-{number}", NOON - number * MINUTE) for number in range(60)))
    sensor.row("nightly")
    sensor.tick(5)
    cursor, sensor.audit.queries = sensor.cursor, []
    sensor.tick(10)
    assert sensor.cursor == cursor
    assert sensor.audit.queries == ["minutes"] * 10


@pytest.mark.slow
def test_the_cursor_tells_100_000_rows_of_an_hour_apart_in_its_limit():
    rows = [audit_row(f"job-{number}", NOON - timedelta(seconds=number * 0.036)) for number in range(100_000)]
    sensor = Sensor(*rows)
    assert len(sensor.cursor) < LONGEST_CURSOR * 0.8
    late = [sensor.row("late", number * 333) for number in range(10)]
    sensor.tick(6)
    sensor.assert_each_once(late)
    assert not sensor.notes


def test_more_history_than_the_cursor_can_hold_shortens_the_lateness_and_says_so(monkeypatch):
    monkeypatch.setattr("ai.starlake.orchestration.outside.tracking.MOST_ROWS_AT_FIRST", 1000)
    rows = [audit_row("job", NOON - timedelta(seconds=number * 3)) for number in range(1025)]
    sensor = Sensor(*rows)
    assert "rows that ended before 2026-11-30 11:11 UTC and come later are not mirrored" in sensor.notes[0]
    late = sensor.row("late", 2900)
    assert [run.rows for run in sensor.tick(4)] == [(late,)]


def test_a_full_cursor_makes_rows_wait_and_says_so(monkeypatch):
    monkeypatch.setattr("ai.starlake.orchestration.outside.tracking.LONGEST_CURSOR", 8_000)
    sensor = Sensor(lateness_seconds=300)
    rows = []
    for _ in range(30):
        rows += [sensor.load(ago=number / 4) for number in range(120)]
        sensor.tick()
    assert any("the others wait. Set lateness_seconds lower" in note for note in sensor.notes)
    for _ in range(200):
        sensor.tick()
        assert len(sensor.cursor) <= 8_000
    assert not sensor.behind
    sensor.assert_each_once(rows)


# ----- ticks that fail, are evaluated twice, or come after a long time -----


def test_the_same_tick_evaluated_again_returns_the_same_runs_whatever_came_in_between():
    sensor = Sensor()
    rows = [sensor.row("nightly", 5), sensor.row("nightly"), sensor.load()]
    sensor.tick(3)
    sensor.now += timedelta(seconds=30)
    first = sensor.evaluate()
    rows += [sensor.row("nightly", 1), sensor.row("nightly"), sensor.load()]
    sensor.now += timedelta(minutes=10)
    again = sensor.evaluate()
    assert [(run.key, run.rows) for run in again.runs] == [(run.key, run.rows) for run in first.runs]
    assert len(first.runs) == 2
    sensor.tick(6)
    sensor.assert_each_once(rows)


def test_an_old_cursor_goes_on_where_it_was():
    sensor = Sensor()
    rows = [sensor.row("before")]
    sensor.tick()
    for day in range(3):
        sensor.now += timedelta(days=1)
        rows += [sensor.row(f"day-{day}", 40), sensor.row(f"day-{day}", table="shop.customers")]
    assert names(sensor.tick(6)) == ["before", "day-0", "day-1", "day-2"]
    sensor.assert_each_once(rows)
    assert not sensor.notes


def test_a_busy_audit_changes_nothing():
    sensor = Sensor()
    row = sensor.row("nightly")
    sensor.tick()
    before = sensor.cursor
    sensor.audit.fails = AuditBusyError("the audit cannot be read")
    with pytest.raises(AuditBusyError):
        sensor.tick()
    assert sensor.cursor == before
    sensor.audit.fails = None
    assert [run.rows for run in sensor.tick(3)] == [(row,)]


def test_an_audit_that_is_emptied_and_filled_again():
    sensor = Sensor(*(audit_row("history", NOON - number * MINUTE) for number in range(50)))
    rows = [sensor.row("before", number) for number in range(100)]
    sensor.tick(4)
    content, sensor.audit.content = sensor.audit.content, []
    sensor.tick(2)
    rows += [sensor.row("after", number) for number in range(5)]
    sensor.tick(4)
    sensor.audit.add(*content)  # as from a backup
    sensor.tick(30)
    sensor.assert_each_once(rows)
    assert not sensor.notes


def test_rows_that_are_archived_while_others_come():
    sensor = Sensor()
    rows = [sensor.row("before", number) for number in range(100)]
    sensor.tick(4)
    sensor.audit.content = sensor.audit.content[50:]
    rows += [sensor.row("after", number + 160) for number in range(10)]  # as many as their minute lost
    sensor.tick(4)
    sensor.assert_each_once(rows)


def test_rows_that_are_removed_before_they_are_mirrored_are_said():
    sensor = Sensor()
    sensor.row("nightly")
    kept = sensor.row("nightly", 1)
    sensor.tick()
    sensor.audit.content = [kept]
    assert [run.rows for run in sensor.tick(4)] == [(kept,)]
    assert sensor.notes == ["1 rows were removed from the audit before they could be mirrored"]


# ----- the cursor as a string -----


def _as_text(data: bytes) -> str:
    return f"starlake-tracking:1:{base64.b64encode(zlib.compress(data)).decode()}"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it begins with ''"),
        ("2026-11-30", "it begins with '2026-11-30'"),
        ("starlake-tracking:2:abcd", "it is of version 2; this version of the library reads version 1"),
        ("starlake-tracking:1:abcd", "it is damaged"),
        ("starlake-tracking:1:ü", "it is damaged"),
        (_as_text(b"{"), "it is damaged"),
        (_as_text(b"{}"), "it is damaged (KeyError)"),
        (_as_text(b"[]"), "it is damaged (TypeError)"),
    ],
)
def test_a_cursor_that_cannot_be_read_is_an_error_that_says_what_to_do(text, cause):
    with pytest.raises(StarlakeError) as error:
        TrackingCursor.of_text(text)
    assert cause in str(error.value)
    assert "clear the cursor of the sensor" in str(error.value)


def test_a_cursor_with_one_character_changed_is_damaged():
    sensor = Sensor()
    sensor.row("nightly")
    sensor.tick()
    for place in range(len("starlake-tracking:1:") + 4, len(sensor.cursor) - 4, 7):
        changed = "A" if sensor.cursor[place] != "A" else "B"
        with pytest.raises(StarlakeError, match="damaged"):
            TrackingCursor.of_text(sensor.cursor[:place] + changed + sensor.cursor[place + 1 :])


def test_a_cursor_is_the_same_after_it_was_a_text():
    sensor = Sensor()
    for number in range(700):
        sensor.row(f"job-{number % 7}", number)
    sensor.tick()
    cursor = TrackingCursor.of_text(sensor.cursor)
    assert cursor.waiting
    again = TrackingCursor(**{name: value for name, value in vars(cursor).items() if not name.startswith("_")})
    assert again.as_text() == sensor.cursor


def test_what_identifies_a_row_is_what_kept_cursors_have_of_it():
    """Whoever changes the digest of rows makes a new version of the cursor: else all rows of an hour come again."""
    row = audit_row("nightly", NOON, message="it's ü", counts=StarlakeCounts(3, 2, 1, files=True), scheduled=NOON)
    assert row.digest == "2d41018fcd2babc491b4"
    assert identity(row) == 96249016253510089
    assert replace(row, ordinal=1).digest != row.digest
