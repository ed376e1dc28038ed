"""Schedules of loads, and the options of pipelines."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration import (
    OrchestrationOptions,
    StarlakeDomain,
    StarlakeSchedule,
    StarlakeSchedules,
    StarlakeTable,
)


def test_names_default_to_each_other() -> None:
    table = StarlakeTable(name="orders")
    domain = StarlakeDomain(name="sales", final_name="mart", tables=[table])
    assert (table.final_name, domain.final_name, domain.tables) == ("orders", "mart", [table])


@pytest.mark.parametrize("nothing", [None, "None", "none", ""])
def test_none_means_none_as_a_text_too(nothing: str | None) -> None:
    schedule = StarlakeSchedule(name=nothing, cron=nothing, domains=[])
    assert (schedule.name, schedule.cron) == (None, None)


def test_a_file_may_take_the_name_away() -> None:
    schedule = StarlakeSchedule(name="daily", cron="0 0 * * *", domains=[])
    schedule.name = None
    assert list(StarlakeSchedules([schedule])) == [schedule]
    assert schedule.name is None


@pytest.mark.parametrize("cron", ["daily", "0 0 * *", "0 0 0 * * * *"])
def test_a_cron_expression_has_five_fields(cron: str) -> None:
    with pytest.raises(StarlakeError, match=r"schedule nightly: .* is not a cron expression"):
        StarlakeSchedule(name="nightly", cron=cron, domains=[])


class TestOptions:
    def test_the_texts_of_generated_files_are_read(self) -> None:
        found = OrchestrationOptions.read(
            {
                "run_dependencies_first": "True",
                "start_date": "2026-03-01",
                "data_cycle": "Daily",
                "tags": "a b",
                "min_timedelta_between_runs": "60",
            }
        )
        assert (found.run_dependencies_first, found.start_date, found.data_cycle) == (
            True,
            date(2026, 3, 1),
            "0 0 * * *",
        )
        assert (found.tag_list, found.min_timedelta_between_runs) == (["a", "b"], 60)

    def test_the_old_name_of_an_option_counts(self) -> None:
        assert OrchestrationOptions.read({"load_dependencies": "true"}).run_dependencies_first

    @pytest.mark.parametrize(
        ("given", "zone"),
        [
            ({}, "UTC"),
            ({"SL_TIMEZONE": "Europe/Paris"}, "Europe/Paris"),
            ({"SL_TIMEZONE": "Europe/Paris", "timezone": "Asia/Tokyo"}, "Asia/Tokyo"),
        ],
    )
    def test_the_zone_has_two_names(self, given: dict[str, str], zone: str) -> None:
        """O09: the peer reads but one of them, which `dag-generate` does not write."""
        assert OrchestrationOptions.read(given).zone == zone

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("", None), (date(2026, 1, 2), date(2026, 1, 2)), (datetime(2026, 1, 2, 3), date(2026, 1, 2))],  # noqa: DTZ001
    )
    def test_the_start_is_a_day(self, value: Any, expected: date | None) -> None:
        assert OrchestrationOptions.read({"start_date": value}).start_date == expected

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("start_date", "soon"),
            ("SL_TIMEZONE", "Mars"),
            ("catchup", "perhaps"),
            ("cron_period_frequency", "eon"),
            ("data_cycle", "often"),
            ("load_dependencies", "perhaps"),
            ("min_timedelta_between_runs", "-1"),
        ],
    )
    def test_a_wrong_value_names_the_option_and_what_it_is(self, name: str, value: str) -> None:
        with pytest.raises(StarlakeError, match=f"option {name}: '{value}' is not accepted") as caught:
            OrchestrationOptions.read({name: value})
        assert "It is: " in str(caught.value)
        assert not str(caught.value).endswith("It is: ")
