"""Partitions of cron expressions: one for every tick, in any time zone, cron expression and time of year."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    ScheduleDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
    job,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.pipelines.partitions import (
    PARTITION_WINDOWS,
    cycles,
    key_completed_by,
    keys_between,
    standard_partitions,
    start_in,
    time_partitions,
    window_of,
    window_of_key,
)
from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS, most_frequent, typical_period

WITHOUT_A_MIDNIGHT = {
    "Africa/Cairo": "2026-04-24",
    "Asia/Beirut": "2026-03-29",
    "America/Santiago": "2026-09-06",
    "America/Havana": "2026-03-08",
}
ZONES = (
    *("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"),
    *("Europe/Dublin", "Africa/Casablanca", *WITHOUT_A_MIDNIGHT),
)
CHANGES = tuple(
    map(
        date.fromisoformat,
        [
            *("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"),
            *("2026-04-23", "2026-09-05", "2026-10-29", "2026-02-14"),
        ],
    )
)


NOW = datetime.now(timezone.utc)


@job
def a_job():
    pass


def crons():
    minute = st.one_of(st.just("0"), st.integers(0, 59).map(str), st.sampled_from(["*/15", "*/30", "0,45"]))
    hour = st.one_of(st.just("0"), st.integers(0, 23).map(str), st.sampled_from(["*", "*/2", "1-3", "0,12"]))
    day = st.sampled_from(["*", "*", "1", "13", "1,15", "L"])
    month = st.sampled_from(["*", "*", "*", "3,10", "*/2"])
    weekday = st.sampled_from(["*", "*", "1-5", "0", "5"])
    return st.tuples(minute, hour, day, month, weekday).map(" ".join)


def ticks_of(cron, zone, start, count):
    """Return the timestamps at which the daemon evaluates a schedule."""
    from dagster._utils.schedules import schedule_execution_time_iterator

    ticks = schedule_execution_time_iterator(start.timestamp(), cron, zone)
    return [datetime.fromtimestamp(tick.timestamp(), timezone.utc) for tick in itertools.islice(ticks, count)]


class TestTicks:
    @given(crons(), st.sampled_from(ZONES), st.sampled_from(CHANGES), st.integers(0, 48))
    @settings(max_examples=150)
    def test_each_tick_is_the_start_of_one_partition_and_the_end_of_the_one_before(self, cron, zone, day, hours):
        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(hours=hours)
        partitions = time_partitions(cron, date(2026, 1, 1), zone)
        ticks = ticks_of(cron, zone, start, 6)
        keys = keys_between(partitions, ticks[0], ticks[-1])
        assert [partitions.time_window_for_partition_key(key).start.timestamp() for key in keys] == [
            tick.timestamp() for tick in ticks
        ]
        assert len(set(keys)) == len(ticks)
        over = [key for key in keys if window_of_key(partitions, key).end < NOW]
        assert [key for key in over if not partitions.has_partition_key(key)] == []
        for before, key, tick in zip(keys, keys[1:], ticks[1:], strict=False):
            assert key_completed_by(partitions, tick) == before
            assert window_of(partitions, tick).start.strftime(partitions.fmt) == key
            assert partitions.time_window_for_partition_key(before).end.timestamp() == tick.timestamp()

    @given(crons(), st.sampled_from(ZONES), st.integers(1_735_700_000, 1_798_800_000))
    @settings(max_examples=100)
    def test_each_moment_is_in_one_window(self, cron, zone, second):
        partitions = cycles(cron, zone)
        window = window_of(partitions, datetime.fromtimestamp(second, timezone.utc))
        assert window.start.timestamp() <= second < window.end.timestamp()

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York"])
    @pytest.mark.parametrize("cron", ["0 0 29 2 *", "30 2 29 2 *"])
    def test_a_leap_day_is_in_its_own_window(self, cron, zone):
        partitions = time_partitions(cron, date(2016, 1, 1), zone)
        tick, *_ = ticks_of(partitions.cron_schedule, zone, datetime(2024, 2, 28, 23, tzinfo=ZoneInfo(zone)), 1)
        assert (tick.astimezone(ZoneInfo(zone)).date(), tick.year) == (date(2024, 2, 29), 2024)
        window = window_of(partitions, tick)
        assert (window.start.timestamp(), window.end.year) == (tick.timestamp(), 2028)
        assert key_completed_by(partitions, tick).startswith("2020-02-29")
        assert [key[:10] for key in keys_between(partitions, tick, tick)] == ["2024-02-29"]

    def test_the_hour_that_comes_twice_is_two_partitions(self):
        partitions = time_partitions("0 * * * *", date(2026, 1, 1), "Europe/Paris")
        keys = keys_between(partitions, date(2026, 10, 25), date(2026, 10, 25))
        assert len(keys) == 25
        assert keys[2:4] == ["2026-10-25T02:00:00+0200", "2026-10-25T02:00:00+0100"]

    def test_the_day_without_two_o_clock_has_its_partition(self):
        partitions = time_partitions("30 2 * * *", date(2026, 1, 1), "Europe/Paris")
        assert len(keys_between(partitions, date(2026, 3, 28), date(2026, 3, 30))) == 3


class TestDaysWithoutMidnight:
    @pytest.mark.parametrize(("zone", "day"), WITHOUT_A_MIDNIGHT.items())
    @pytest.mark.parametrize("cron", ["0 0 * * *", "@daily", "0 0,12 * * *", "0 * * * *"])
    def test_dagster_accepts_each_key_that_it_lists(self, cron, zone, day):
        partitions = time_partitions(cron, date.fromisoformat(day) - timedelta(days=1), zone)
        listed = partitions.get_partition_keys()[:60]
        assert [key for key in listed if not partitions.has_partition_key(key)] == []
        (first, *_) = keys_between(partitions, date.fromisoformat(day), date.fromisoformat(day))
        assert first.startswith(f"{day}T0")
        assert first in listed

    @pytest.mark.parametrize(("zone", "day"), WITHOUT_A_MIDNIGHT.items())
    def test_the_start_date_may_be_one(self, zone, day):
        partitions = time_partitions("0 0 * * *", date.fromisoformat(day), zone)
        assert partitions.has_partition_key(partitions.get_first_partition_key())

    def test_other_zones_keep_the_cron_expression(self):
        assert time_partitions("0 0 * * *", None, "Europe/Paris").cron_schedule == "0 0 * * *"


def usual_crons():
    minute, hour = st.integers(0, 59), st.integers(0, 23)
    return st.one_of(
        st.tuples(minute).map(lambda each: f"{each[0]} * * * *"),
        st.tuples(minute, hour).map(lambda each: "{} {} * * *".format(*each)),
        st.tuples(minute, hour, st.integers(0, 6)).map(lambda each: "{} {} * * {}".format(*each)),
        st.tuples(minute, hour, st.integers(1, 28)).map(lambda each: "{} {} {} * *".format(*each)),
    )


class TestStandardDefinitions:
    """Usual cron expressions have the definitions and the keys that Dagster has for them."""

    @pytest.mark.parametrize(
        ("cron", "kind", "first"),
        [
            ("@hourly", HourlyPartitionsDefinition, "2026-01-01-00:00"),
            ("15 * * * *", HourlyPartitionsDefinition, "2026-01-01-00:15"),
            ("@daily", DailyPartitionsDefinition, "2026-01-01"),
            ("30 6 * * *", DailyPartitionsDefinition, "2026-01-01"),
            ("0 0 * * 1", WeeklyPartitionsDefinition, "2026-01-05"),
            ("0 0 * * 7", WeeklyPartitionsDefinition, "2026-01-04"),
            ("0 0 * * sun", WeeklyPartitionsDefinition, "2026-01-04"),
            ("@monthly", MonthlyPartitionsDefinition, "2026-01-01"),
            ("0 3 15 * *", MonthlyPartitionsDefinition, "2026-01-15"),
            ("0 6 * * 1-5", TimeWindowPartitionsDefinition, "2026-01-01T06:00:00+0000"),
            ("0 0 31 * *", TimeWindowPartitionsDefinition, "2026-01-31T00:00:00+0000"),
            ("*/15 * * * *", TimeWindowPartitionsDefinition, "2026-01-01T00:00:00+0000"),
        ],
    )
    def test_the_definition_and_the_keys_are_those_of_dagster(self, cron, kind, first):
        partitions = standard_partitions(cron, date(2026, 1, 1), "UTC")
        assert type(partitions) is kind
        assert partitions.get_first_partition_key() == first

    def test_they_are_equal_to_those_that_a_user_writes(self):
        assert standard_partitions("00 0 * * *", date(2026, 1, 1), "UTC") == DailyPartitionsDefinition("2026-01-01")

    @given(usual_crons(), st.sampled_from(ZONES), st.sampled_from(CHANGES), st.integers(0, 48))
    @settings(max_examples=150)
    def test_each_tick_is_the_start_of_one_partition_and_the_end_of_the_one_before(self, cron, zone, day, hours):
        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(hours=hours)
        partitions = standard_partitions(cron, date(2026, 1, 1), zone)
        ticks = ticks_of(cron, zone, start, 6)
        keys = keys_between(partitions, ticks[0], ticks[-1])
        assert [window_of_key(partitions, key).start.timestamp() for key in keys] == [
            tick.timestamp() for tick in ticks
        ]
        assert len(set(keys)) == len(ticks)
        over = [key for key in keys if window_of_key(partitions, key).end < NOW]
        assert [key for key in over if not partitions.has_partition_key(key)] == []
        for before, key, tick in zip(keys, keys[1:], ticks[1:], strict=False):
            assert key_completed_by(partitions, tick) == before
            assert window_of(partitions, tick).start.timestamp() == window_of_key(partitions, key).start.timestamp()

    @pytest.mark.parametrize(("zone", "day"), WITHOUT_A_MIDNIGHT.items())
    def test_a_day_without_midnight_has_the_key_of_any_day(self, zone, day):
        partitions = standard_partitions("@daily", date.fromisoformat(day), zone)
        assert partitions.get_first_partition_key() == day
        assert partitions.has_partition_key(day)

    def test_the_hour_that_comes_twice_is_two_partitions(self):
        partitions = standard_partitions("@hourly", date(2026, 1, 1), "Europe/Paris")
        keys = keys_between(partitions, date(2026, 10, 25), date(2026, 10, 25))
        assert keys[2:4] == ["2026-10-25-02:00", "2026-10-25-02:00+0100"]
        starts = [start_in(partitions, key).timestamp() for key in keys]
        assert [later - earlier for earlier, later in itertools.pairwise(starts)] == [3_600] * 24

    @pytest.mark.parametrize(
        ("cron", "reason"), [("0 0 * * * ?", "as Quartz's expressions have"), ("0 0 30 2 *", "never occurs")]
    )
    def test_an_expression_that_is_not_valid_is_refused_with_the_reason(self, cron, reason):
        with pytest.raises(StarlakeError, match=reason):
            standard_partitions(cron, None, "UTC")


class TestFailuresOfDagster:
    """Dagster's search fails with a CheckError when it begins within a day after this change to summer time."""

    partitions = time_partitions("*/15 1-3 * * *", date(2026, 1, 1), "Pacific/Chatham")

    def test_windows_are_found_all_the_same(self):
        at = datetime(2026, 9, 26, 10, tzinfo=timezone.utc)
        windows = [window_of(self.partitions, at + timedelta(minutes=15 * number)) for number in range(150)]
        distinct = list(dict.fromkeys((window.start.timestamp(), window.end.timestamp()) for window in windows))
        assert [end for _, end in distinct[:-1]] == [start for start, _ in distinct[1:]]

    def test_ticks_have_partitions(self):
        keys = keys_between(self.partitions, date(2026, 9, 26), date(2026, 9, 28))
        completed = [key_completed_by(self.partitions, window_of_key(self.partitions, key).end) for key in keys]
        assert None not in completed
        assert len(keys_between(self.partitions, date(2026, 9, 28), date(2026, 9, 28))) == 12


class TestStart:
    def test_the_start_is_midnight_in_the_zone(self):
        partitions = time_partitions("@daily", date(2026, 1, 1), "America/New_York")
        assert partitions.get_first_partition_key() == "2026-01-01T00:00:00-0500"

    def test_without_a_start_date_it_is_always_the_same(self):
        assert time_partitions("@daily", None, "UTC").get_first_partition_key() == "2025-01-01T00:00:00+0000"

    def test_what_began_before_the_start_is_no_partition(self):
        partitions = time_partitions("@daily", date(2026, 1, 1), "UTC")
        assert key_completed_by(partitions, datetime(2026, 1, 1, tzinfo=timezone.utc)) is None
        assert key_completed_by(partitions, datetime(2026, 1, 2, tzinfo=timezone.utc)) == "2026-01-01T00:00:00+0000"


class TestRanges:
    partitions = time_partitions("0 */6 * * *", date(2026, 1, 1), "UTC")

    def test_both_days_belong_to_a_range(self):
        keys = keys_between(self.partitions, date(2026, 1, 2), date(2026, 1, 3))
        assert (len(keys), keys[0], keys[-1]) == (8, "2026-01-02T00:00:00+0000", "2026-01-03T18:00:00+0000")

    def test_both_moments_belong_to_a_range(self):
        first, last = datetime(2026, 1, 2, 6, tzinfo=timezone.utc), datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
        assert keys_between(self.partitions, first, last) == ["2026-01-02T06:00:00+0000", "2026-01-02T12:00:00+0000"]

    def test_a_range_that_ends_before_it_begins_is_empty(self):
        assert keys_between(self.partitions, date(2026, 1, 3), date(2026, 1, 1)) == []

    def test_days_are_those_of_the_zone(self):
        partitions = time_partitions("@hourly", date(2026, 1, 1), "America/New_York")
        keys = keys_between(partitions, date(2026, 1, 2), date(2026, 1, 2))
        assert (len(keys), keys[0]) == (24, "2026-01-02T00:00:00-0500")


class TestErrors:
    @pytest.mark.parametrize("cron", ["", "daily", "0 0 * *", "0 0 * * * *", "61 * * * *", "0 0 31 2 *"])
    def test_what_is_no_cron_expression_is_named(self, cron):
        with pytest.raises(StarlakeError, match="write minute, hour") as caught:
            time_partitions(cron, None, "UTC")
        assert repr(cron) in str(caught.value)

    def test_what_is_no_zone_is_named(self):
        with pytest.raises(StarlakeError, match="'Mars/Olympus' is not a time zone"):
            time_partitions("@daily", None, "Mars/Olympus")


class TestFrequencies:
    @pytest.mark.parametrize(
        ("cron", "days"),
        [("@hourly", 1 / 24), ("@daily", 1), ("0 0 * * 1-5", 1.4), ("@weekly", 7), ("0 0 1 * *", 30.4)],
    )
    def test_the_typical_period(self, cron, days):
        assert typical_period(PARTITION_WINDOWS, cron, "UTC") == pytest.approx(days * 86_400, rel=0.02)

    @pytest.mark.parametrize(
        ("period", "expected"),
        [("day", "0 0,12 * * 1"), ("week", "0 6 * * *"), ("month", "0 6 * * *"), ("year", "0 6 * * *")],
    )
    def test_the_most_frequent_is_that_with_most_ticks_in_the_period(self, period, expected):
        assert most_frequent(PARTITION_WINDOWS, {"0 0,12 * * 1", "0 6 * * *", "0 0 1 * *"}, period, "UTC") == expected

    def test_of_equals_the_one_of_the_shorter_period_counts(self):
        assert most_frequent(PARTITION_WINDOWS, {"0 0 1 * *", "0 0 1 1 *"}, "day", "UTC") == "0 0 1 * *"


@given(
    st.sampled_from(["@daily", "@weekly", "0 * * * *", "*/15 * * * *", "30 2 * * *", "0 6 * * 1-5", "0 0 1 * *"]),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata"]),
    st.integers(0, 3 * 365 * 86_400).map(
        lambda seconds: datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    ),
)
@settings(max_examples=60, deadline=None)
def test_the_windows_of_partitions_are_those_of_other_orchestrators(cron, zone, at):
    if (cron, zone) == ("0 * * * *", "Asia/Kolkata"):
        # Dagster 1.9.13 begins these hours with those of UTC, for schedules too, which partitions have to follow
        (tick,) = ticks_of(cron, zone, at, 1)
        assume(tick.minute == 30)
    ours, theirs = PARTITION_WINDOWS.window_of(cron, zone, at), CRON_WINDOWS.window_of(cron, zone, at)
    assert (ours.start.timestamp(), ours.end.timestamp()) == (theirs.start.timestamp(), theirs.end.timestamp())


def test_dagster_evaluates_a_schedule_at_these_ticks():
    schedule = ScheduleDefinition(job=a_job, cron_schedule="0 6 * * *", execution_timezone="Europe/Paris")
    ticks = ticks_of(schedule.cron_schedule, schedule.execution_timezone, datetime(2026, 3, 28, tzinfo=timezone.utc), 2)
    assert [tick.hour for tick in ticks] == [5, 4]
