from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.starlake.common import StarlakeError, date_variables, format_timestamp, parse_datetime, zone_of

PARIS = ZoneInfo("Europe/Paris")
ZONES = st.sampled_from([timezone.utc, PARIS, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")])
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001  bounds are naive


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01", datetime(2026, 2, 28, 23, tzinfo=timezone.utc)),
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=timezone.utc)),
        ("2026-03-01T06:30:00", datetime(2026, 3, 1, 5, 30, tzinfo=timezone.utc)),
        ("2026-03-01T06:30:00+00:00", datetime(2026, 3, 1, 6, 30, tzinfo=timezone.utc)),
        ("2026-03-01T06:30:00Z", datetime(2026, 3, 1, 6, 30, tzinfo=timezone.utc)),
        ("2026-03-01T06:30:00-0500", datetime(2026, 3, 1, 11, 30, tzinfo=timezone.utc)),
        (" 2026-03-01 06:30 ", datetime(2026, 3, 1, 5, 30, tzinfo=timezone.utc)),
        ("20260301", datetime(2026, 2, 28, 23, tzinfo=timezone.utc)),
    ],
)
def test_a_date_without_a_zone_is_read_in_the_zone_given(text: str, utc: datetime) -> None:
    assert parse_datetime(text, PARIS) == utc


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30", "region-eu", "1", "now"])
def test_what_is_no_date_is_an_error_that_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(StarlakeError) as caught:
        parse_datetime(text, timezone.utc)
    assert repr(text) in str(caught.value)
    assert "2026-03-01" in str(caught.value)


@given(MOMENTS)
def test_a_moment_survives_being_written_and_read(moment: datetime) -> None:
    second = moment.replace(
        microsecond=0
    ).timestamp()  # timestamps of two time zones never equal each other near a clock change
    assert parse_datetime(moment.replace(microsecond=0).isoformat(), timezone.utc).timestamp() == second
    assert datetime.strptime(format_timestamp(moment), "%Y-%m-%dT%H:%M:%S%z").timestamp() == second


@given(MOMENTS)
def test_a_timestamp_is_in_utc_and_has_no_blank(moment: datetime) -> None:
    text = format_timestamp(moment)
    assert text.endswith("+0000")
    assert len(text) == len("2026-03-01T00:00:00+0000")
    assert 0 <= moment.timestamp() - datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp() < 1


def test_path_variables_are_of_the_zone_of_the_moment() -> None:
    moment = datetime(2026, 3, 1, 0, 30, tzinfo=PARIS)
    assert date_variables(moment) == {"ds": "2026-03-01", "ds_nodash": "20260301", "ts": "2026-02-28T23:30:00+0000"}


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-02T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59-11:00"])
@pytest.mark.parametrize("zone", [PARIS, timezone.utc, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Niue")])
def test_a_date_at_the_ends_of_the_calendar_is_refused(text: str, zone: tzinfo) -> None:
    with pytest.raises(StarlakeError, match="cannot be used as a date"):
        parse_datetime(text, zone)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd", "Europe/", "Europe"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(StarlakeError, match="is not a time zone"):
        zone_of(name)


def test_zones_are_found_by_name() -> None:
    assert zone_of("Europe/Paris") == PARIS
