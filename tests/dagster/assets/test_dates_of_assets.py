"""The dates of runs of assets are those of ops: by partition, configuration, tags, schedule, or launch."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from dagster import DagsterInstance, materialize

from ai.starlake.dagster import build_starlake_definitions
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.orchestration.dates.run_tags import date_tags
from tests.fakes.fake_cli import FakeStarlake

UTC = timezone.utc
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def run(folder, tmp_path):
    """Make all assets in one run; return the logical date of each, and the interval of the daily task."""
    folder.task("kpi", "by_day", "SELECT 1 AS a", "task:\n  schedule: daily\n")
    folder.task("kpi", "overall", "SELECT * FROM kpi.by_day")
    fake = FakeStarlake(tmp_path / "bin")

    def made(*, partitions="schedule", **arguments):
        options = {"SL_STARLAKE_PATH": str(fake.path), "start_date": "2026-03-01", "partitions": partitions}
        assets = list(build_starlake_definitions(folder.project, StarlakeDagsterShellJob(options=options)).assets)
        with DagsterInstance.ephemeral() as instance:
            assert materialize(assets, instance=instance, **arguments).success
        calls = {call.value_of("--name"): call for call in fake.calls("transform")}
        interval = calls["kpi.by_day"].options
        return (
            {name: call.value_of("--scheduledDate") for name, call in calls.items()},
            (interval.get("sl_data_interval_start"), interval.get("sl_data_interval_end")),
        )

    return made


def both(date: str) -> dict[str, str]:
    return dict.fromkeys(("kpi.by_day", "kpi.overall"), date)


def test_of_a_partition_and_of_what_has_none_beside_it(run):
    dates, interval = run(partition_key="2026-03-02")
    assert dates == both("2026-03-02T00:00:00+0000")
    assert interval == ("2026-03-02T00:00:00+0000", "2026-03-03T00:00:00+0000")


def test_of_a_tick_without_partitions_it_is_the_time_of_the_tick(run):
    dates, interval = run(partitions="none", tags={".dagster/scheduled_execution_time": NOON.isoformat()})
    assert dates == both("2026-03-05T12:00:00+0000")
    assert interval == (None, None)


def test_of_a_sensor_it_is_what_its_tags_say(run):
    dates, _ = run(partitions="none", tags=date_tags(NOON))
    assert dates == both("2026-03-05T12:00:00+0000")


def test_the_configuration_of_one_step_sets_it_for_all(run):
    config = {"ops": {"kpi__by_day": {"config": {"logical_datetime": "2026-03-04T00:00:00"}}}}
    dates, _ = run(partitions="none", run_config=config)
    assert dates == both("2026-03-04T00:00:00+0000")


def test_else_it_is_the_time_of_the_launch(run):
    before = datetime.now(UTC).replace(microsecond=0)
    dates, _ = run(partitions="none")
    (date,) = set(dates.values())
    assert before <= datetime.strptime(date, "%Y-%m-%dT%H:%M:%S%z") <= datetime.now(UTC)
