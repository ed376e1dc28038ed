"""Cron expressions as windows of time, and how often they tick."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.freshness.windows import CRON_WINDOWS, most_frequent, typical_period

UTC = timezone.utc


def test_a_tick_begins_the_window_that_it_falls_into():
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    found = CRON_WINDOWS.window_of("0 0 * * *", "UTC", midnight)
    assert (found.start, found.end) == (midnight, datetime(2026, 3, 3, tzinfo=UTC))


def test_a_timestamp_before_a_tick_is_in_the_window_before():
    found = CRON_WINDOWS.window_of("0 6 * * 1-5", "UTC", datetime(2026, 3, 2, 5, 59, 59, tzinfo=UTC))
    assert (found.start, found.end) == (datetime(2026, 2, 27, 6, tzinfo=UTC), datetime(2026, 3, 2, 6, tzinfo=UTC))


def test_windows_are_in_the_time_zone_and_follow_summer_time():
    found = CRON_WINDOWS.window_of("0 0 * * *", "Europe/Paris", datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert (found.start.astimezone(UTC).hour, found.end.astimezone(UTC).hour) == (23, 22)
    assert (found.end.timestamp() - found.start.timestamp()) == 23 * 3600


def test_ticks_go_on_without_end_from_a_timestamp_on():
    ticks = CRON_WINDOWS.ticks("0 */6 * * *", "UTC", datetime(2026, 3, 2, tzinfo=UTC))
    assert [tick.hour for tick in itertools.islice(ticks, 5)] == [0, 6, 12, 18, 0]


@pytest.mark.parametrize("cron", ["", "daily", "0 0 * *", "0 0 * * * *", "61 * * * *", "0 0 31 2 *"])
def test_a_cron_expression_that_is_not_valid_is_named(cron):
    with pytest.raises(StarlakeError, match="cannot be used") as caught:
        CRON_WINDOWS.check(cron, "UTC")
    assert repr(cron) in str(caught.value)


def test_a_time_zone_that_does_not_exist_is_named():
    with pytest.raises(StarlakeError, match="'Mars/Olympus' is not a time zone"):
        CRON_WINDOWS.check("@daily", "Mars/Olympus")


@pytest.mark.parametrize(
    ("cron", "days"), [("@hourly", 1 / 24), ("@daily", 1), ("0 0 * * 1-5", 1.4), ("@weekly", 7), ("0 0 1 * *", 30.4)]
)
def test_the_typical_period(cron, days):
    assert typical_period(CRON_WINDOWS, cron, "UTC") == pytest.approx(days * 86_400, rel=0.02)


@pytest.mark.parametrize(
    ("period", "expected"), [("day", "0 0,12 * * 1"), ("week", "0 6 * * *"), ("year", "0 6 * * *")]
)
def test_the_most_frequent_has_most_ticks_in_the_period(period, expected):
    assert most_frequent(CRON_WINDOWS, {"0 0,12 * * 1", "0 6 * * *", "0 0 1 * *"}, period, "UTC") == expected


def test_of_equals_the_one_of_the_shorter_period_counts():
    assert most_frequent(CRON_WINDOWS, {"0 0 1 * *", "0 0 1 1 *"}, "day", "UTC") == "0 0 1 * *"
