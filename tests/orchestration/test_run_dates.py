"""The dates of a run for any orchestrator: the precedence of sources, and their form in commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest

from ai.starlake.common import DataInterval, StarlakeError
from ai.starlake.job import StarlakeCli, StarlakeCommand
from ai.starlake.orchestration.dates.completion import complete
from ai.starlake.orchestration.dates.run_dates import ConfiguredDates, RunDates, is_late, resolve_dates
from ai.starlake.orchestration.dates.run_tags import date_tags, is_tagged_dry, tag_of_names

UTC = timezone.utc
PARIS = timezone(timedelta(hours=1))
LAUNCHED = datetime(2026, 3, 9, 12, tzinfo=UTC)
TICK = datetime(2026, 3, 8, tzinfo=UTC)


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


@dataclass
class Sources:
    """A run as an orchestrator would describe it."""

    window: DataInterval | None = None
    key: str | None = None
    config: tuple[tuple[str, str, str], ...] = ()
    run_tags: dict[str, str] = field(default_factory=dict)
    tick: datetime | None = None

    def partition_window(self):
        return self.window

    def partition_key(self):
        return self.key

    def configured(self, zone):
        return ConfiguredDates.of(self.config, zone)

    def tags(self):
        return self.run_tags

    def scheduled(self):
        return self.tick

    def launched(self):
        return LAUNCHED


ALL = {
    "window": DataInterval(day(1), day(2)),
    "key": "2026-03-03",
    "config": (("a.op", "logical_datetime", "2026-03-04"),),
    "run_tags": date_tags(day(5), DataInterval(day(4), day(5))),
    "tick": TICK,
}


@pytest.mark.parametrize(
    ("without", "expected"),
    [(0, day(1)), (1, day(3)), (2, day(4)), (3, day(5)), (4, TICK), (5, LAUNCHED)],
    ids=["partition window", "partition key", "configuration", "tags", "schedule", "launch"],
)
def test_the_first_source_that_has_a_date_counts(without, expected):
    left = dict(list(ALL.items())[without:])
    assert resolve_dates(Sources(**left), UTC).logical == expected


def test_the_interval_is_that_of_the_partition():
    assert resolve_dates(Sources(**ALL), UTC).interval == DataInterval(day(1), day(2))


def test_the_interval_is_that_of_the_tags_unless_the_configuration_sets_another_date():
    tags = ALL["run_tags"]
    assert resolve_dates(Sources(run_tags=tags), UTC).interval == DataInterval(day(4), day(5))
    assert resolve_dates(Sources(run_tags=tags, config=ALL["config"]), UTC).interval is None


def test_the_interval_begins_where_the_configuration_says():
    config = (*ALL["config"], ("b", "previous_logical_datetime", "2026-03-02"))
    assert resolve_dates(Sources(config=config), UTC).interval == DataInterval(day(2), day(4))


def test_a_mistake_in_the_configuration_is_one_beside_a_partition_too():
    wrong = (("a", "logical_datetime", "yesterday"),)
    with pytest.raises(StarlakeError, match="'yesterday' is not a date"):
        resolve_dates(Sources(**{**ALL, "config": wrong}), UTC)


def test_a_partition_key_that_is_not_a_date_does_not_count():
    assert resolve_dates(Sources(key="north", tick=TICK), UTC).logical == TICK


def test_dates_without_an_offset_are_in_the_time_zone_and_so_is_the_result():
    dates = resolve_dates(Sources(config=ALL["config"]), PARIS)
    assert dates.logical.isoformat() == "2026-03-04T00:00:00+01:00"
    assert resolve_dates(Sources(), PARIS).logical.isoformat() == "2026-03-09T13:00:00+01:00"


def test_ops_with_different_dates_are_an_error_that_names_both():
    config = (("a", "logical_datetime", "2026-03-01"), ("b", "logical_datetime", "2026-03-02"))
    with pytest.raises(StarlakeError, match="ops a and b are configured with different values of logical_datetime"):
        resolve_dates(Sources(config=config), UTC)


def test_ops_with_one_date_in_two_spellings_are_no_error():
    config = (("a", "logical_datetime", "2026-03-01"), ("b", "logical_datetime", "2026-03-01T01:00:00+01:00"))
    assert resolve_dates(Sources(config=config), UTC).logical == day(1)


@pytest.mark.parametrize("tag", ["starlake/logical_date", "starlake/data_interval_start"])
def test_a_tag_that_is_not_a_date_is_an_error(tag):
    tags = {**ALL["run_tags"], tag: "yesterday"}
    with pytest.raises(StarlakeError, match="yesterday"):
        resolve_dates(Sources(run_tags=tags), UTC)


def test_a_run_is_late_when_another_interval_is_over_since():
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert not is_late(DataInterval(now - 1.5 * hour, now - 0.5 * hour))
    assert is_late(DataInterval(now - 3.5 * hour, now - 2.5 * hour))


class TestCommands:
    DATES = RunDates(day(2), DataInterval(day(1), day(2)))
    CLI = StarlakeCli()

    def test_a_load_is_told_its_date(self):
        told = complete(StarlakeCommand("load", ("--domains", "a")), self.DATES, {}, cli=self.CLI)
        assert told.value_of("--scheduledDate").startswith("2026-03-02")
        assert "--options" not in told.argv

    def test_a_transform_is_told_its_interval_too(self):
        told = complete(StarlakeCommand("transform", ("--name", "a.b")), self.DATES, {}, cli=self.CLI)
        options = told.argv[told.argv.index("--options") + 1]
        assert options.startswith("sl_data_interval_start=2026-03-01")
        assert "sl_data_interval_end=2026-03-02" in options

    def test_options_of_the_run_take_precedence(self):
        given = {"sl_data_interval_start": "mine"}
        told = complete(StarlakeCommand("transform", ("--name", "a.b")), self.DATES, given, cli=self.CLI)
        assert "sl_data_interval_start=mine" in told.argv[told.argv.index("--options") + 1]

    def test_a_version_without_the_flag_is_not_told_the_date(self):
        told = complete(StarlakeCommand("load", ("--domains", "a")), self.DATES, {}, cli=StarlakeCli.of("1.4.0"))
        assert "--scheduledDate" not in told.argv

    def test_other_verbs_get_the_options_only(self):
        told = complete(StarlakeCommand("stage", ("--domains", "a")), self.DATES, {"x": "1"}, cli=self.CLI)
        assert told.argv == ("stage", "--domains", "a", "--options", "x=1")


class TestTags:
    @pytest.mark.parametrize(("value", "expected"), [("true", True), ("True", True), ("false", False), ("", False)])
    def test_a_tag_makes_a_run_a_dry_one(self, value, expected):
        assert is_tagged_dry({"starlake/dry_run": value}) is expected
        assert not is_tagged_dry({})

    def test_dates_that_tags_tell_are_those_that_were_told(self):
        interval = DataInterval(day(1), day(2))
        assert resolve_dates(Sources(run_tags=date_tags(day(2), interval)), UTC) == RunDates(day(2), interval)

    @pytest.mark.parametrize("names", [["a" * 500], ["é" * 150] * 3, [f"domain{n}.table" for n in range(400)]])
    def test_none_exceeds_what_a_database_indexes(self, names):
        assert 0 < len(tag_of_names(names).encode()) <= 200
