"""Schedules: the partition that a tick is for, and ticks that catch up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Definitions,
    GraphDefinition,
    JobDefinition,
    build_schedule_context,
)

from ai.starlake.common import StarlakeError
from ai.starlake.dagster.pipelines import partition_schedules
from ai.starlake.dagster.pipelines.partitions import time_partitions
from ai.starlake.orchestration.orchestration_options import OrchestrationOptions

UTC = timezone.utc


@pytest.fixture
def scheduled(factory):
    """Make a job with partitions, and its schedule."""

    def make(cron="0 0 * * *", **options):
        settings = OrchestrationOptions.read({"start_date": "2026-01-01", **options})
        sl_job = factory()
        nodes = [sl_job.sl_load(None, "sales", "orders"), sl_job.sl_transform(None, "kpi.orders")]
        job = JobDefinition(
            name="daily",
            graph_def=GraphDefinition("daily", node_defs=nodes),
            partitions_def=time_partitions(cron, settings.start_date, settings.zone),
        )
        return job, partition_schedules.build(job, cron, settings)

    return make


def tick(schedule, at, instance=None):
    context = build_schedule_context(
        instance=instance, scheduled_execution_time=datetime.fromisoformat(at).astimezone(UTC)
    )
    return schedule.evaluate_tick(context)


def keys(data):
    return [request.partition_key for request in data.run_requests]


class TestTicks:
    @pytest.mark.parametrize(
        ("cron", "at", "key"),
        [
            ("0 0 * * *", "2026-03-02T00:00:00+00:00", "2026-03-01T00:00:00+0000"),
            ("0 6 * * 1-5", "2026-03-02T06:00:00+00:00", "2026-02-27T06:00:00+0000"),
            ("@monthly", "2026-03-01T00:00:00+00:00", "2026-02-01T00:00:00+0000"),
        ],
    )
    def test_a_tick_is_for_the_interval_that_ends_then(self, scheduled, cron, at, key):
        _, schedule = scheduled(cron)
        assert keys(tick(schedule, at)) == [key]

    def test_o04_the_run_of_a_tick_has_its_dates(self, scheduled, fake, instance):
        job, schedule = scheduled()
        repository = Definitions(jobs=[job], schedules=[schedule]).get_repository_def()
        (request,) = tick(repository.get_schedule_def("daily_schedule"), "2026-03-02T00:00:00+00:00").run_requests
        result = job.execute_in_process(
            instance=instance, partition_key=request.partition_key, run_config=request.run_config, tags=request.tags
        )
        assert result.success
        assert {call.value_of("--scheduledDate") for call in fake.calls()} == {"2026-03-01T00:00:00+0000"}
        assert fake.calls("transform")[0].options == {
            "sl_data_interval_start": "2026-03-01T00:00:00+0000",
            "sl_data_interval_end": "2026-03-02T00:00:00+0000",
        }

    def test_m06_what_it_materializes_is_a_partition_of_the_job(self, scheduled, instance):
        job, schedule = scheduled()
        (key,) = keys(tick(schedule, "2026-03-02T00:00:00+00:00"))
        events = job.execute_in_process(instance=instance, partition_key=key).get_asset_materialization_events()
        found = {event.step_materialization_data.materialization.partition for event in events}
        assert found == {key}
        assert job.partitions_def.has_partition_key(key)

    def test_ticks_are_those_of_the_zone(self, scheduled):
        _, schedule = scheduled(SL_TIMEZONE="America/New_York")
        assert schedule.execution_timezone == "America/New_York"
        assert keys(tick(schedule, "2026-03-02T00:00:00-05:00")) == ["2026-03-01T00:00:00-0500"]

    def test_the_hour_that_comes_twice_has_two_runs(self, scheduled):
        _, schedule = scheduled("0 * * * *", timezone="Europe/Paris")
        found = [keys(tick(schedule, f"2026-10-25T{hour:02}:00:00+00:00"))[0] for hour in range(3)]
        assert found == ["2026-10-25T01:00:00+0200", "2026-10-25T02:00:00+0200", "2026-10-25T02:00:00+0100"]

    @pytest.mark.parametrize("minute", range(0, 24 * 60, 45))
    def test_a_search_of_dagster_that_fails_ends_no_tick(self, scheduled, minute):
        _, schedule = scheduled("*/15 1-3 * * *", timezone="Pacific/Chatham")
        at = datetime(2026, 9, 27, 1, tzinfo=UTC) + timedelta(minutes=minute)
        assert len(keys(tick(schedule, at.isoformat()))) == 1

    def test_the_first_tick_has_no_interval_behind_it(self, scheduled):
        _, schedule = scheduled()
        data = tick(schedule, "2026-01-01T00:00:00+00:00")
        assert data.run_requests == []
        assert "begins at 2026-01-01 00:00:00 UTC" in data.skip_message


class TestCatchUp:
    @pytest.fixture
    def instance(self, home):
        """Ticks have no access to an instance that is not stored anywhere."""
        with DagsterInstance.from_config(str(home)) as made:
            yield made

    def run(self, job, instance, schedule, *partitions):
        for key in partitions:
            tags = {"dagster/schedule_name": schedule.name}
            assert job.execute_in_process(instance=instance, partition_key=key, tags=tags).success

    def test_without_it_only_the_last_interval_is_run(self, scheduled, instance):
        _, schedule = scheduled()
        assert len(keys(tick(schedule, "2026-01-05T00:00:00+00:00", instance))) == 1

    def test_all_since_the_start_are_run_oldest_first(self, scheduled, instance):
        _, schedule = scheduled(catchup="true")
        found = tick(schedule, "2026-01-05T00:00:00+00:00", instance)
        assert keys(found) == [f"2026-01-0{day}T00:00:00+0000" for day in (1, 2, 3, 4)]
        assert len({request.run_key for request in found.run_requests}) == 4

    def test_it_goes_on_after_the_last_one_that_was_run(self, scheduled, instance):
        job, schedule = scheduled(catchup=True)
        self.run(job, instance, schedule, "2026-01-01T00:00:00+0000", "2026-01-02T00:00:00+0000")
        assert keys(tick(schedule, "2026-01-05T00:00:00+00:00", instance)) == [
            "2026-01-03T00:00:00+0000",
            "2026-01-04T00:00:00+0000",
        ]

    def test_what_was_run_by_hand_is_not_run_again(self, scheduled, instance):
        job, schedule = scheduled(catchup=True)
        assert job.execute_in_process(instance=instance, partition_key="2026-01-02T00:00:00+0000").success
        found = keys(tick(schedule, "2026-01-04T00:00:00+00:00", instance))
        assert found == ["2026-01-01T00:00:00+0000", "2026-01-03T00:00:00+0000"]

    def test_what_failed_by_hand_or_was_a_dry_run_is_run(self, scheduled, instance, fake):
        job, schedule = scheduled(catchup=True)
        dry = {"starlake/dry_run": "true"}
        assert job.execute_in_process(instance=instance, partition_key="2026-01-01T00:00:00+0000", tags=dry).success
        fake.behave("load", exit_codes=[1])
        key = "2026-01-02T00:00:00+0000"
        assert not job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False).success
        assert len(keys(tick(schedule, "2026-01-04T00:00:00+00:00", instance))) == 3

    def test_where_all_was_run_by_hand_nothing_is(self, scheduled, instance):
        job, schedule = scheduled(catchup=True)
        assert job.execute_in_process(instance=instance, partition_key="2026-01-01T00:00:00+0000").success
        found = tick(schedule, "2026-01-02T00:00:00+00:00", instance)
        assert not found.run_requests
        assert "run already" in found.skip_message

    def test_re_executions_of_old_runs_do_not_set_it_back(self, scheduled, instance):
        job, schedule = scheduled(catchup=True)
        self.run(job, instance, schedule, "2026-01-01T00:00:00+0000", "2026-01-09T00:00:00+0000")
        (first,) = [run for run in instance.get_runs() if run.tags["dagster/partition"] == "2026-01-01T00:00:00+0000"]
        for _ in range(110):
            tags = {**first.tags, "dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}
            instance.add_run(first._replace(run_id=str(uuid.uuid4()), tags=tags, status=DagsterRunStatus.FAILURE))
        assert keys(tick(schedule, "2026-01-11T00:00:00+00:00", instance)) == ["2026-01-10T00:00:00+0000"]

    def test_a_day_without_midnight_is_caught_up(self, scheduled, instance):
        job, schedule = scheduled(catchup=True, timezone="Africa/Cairo", start_date="2026-04-23")
        assert job.execute_in_process(instance=instance, partition_key="2026-04-24T00:00:00+0200").success
        found = keys(tick(schedule, "2026-04-25T22:00:00+00:00", instance))
        assert found == ["2026-04-23T00:00:00+0200", "2026-04-25T00:00:00+0300"]

    def test_a_new_cron_expression_goes_on_where_the_old_one_was(self, scheduled, instance):
        old, schedule = scheduled("30 12 * * *", catchup=True)
        self.run(old, instance, schedule, "2026-01-02T12:30:00+0000")
        _, schedule = scheduled(catchup=True)
        assert keys(tick(schedule, "2026-01-04T00:00:00+00:00", instance)) == ["2026-01-03T00:00:00+0000"]

    def test_a_tick_asks_for_a_hundred_at_most(self, scheduled, instance):
        _, schedule = scheduled("0 * * * *", catchup=True)
        found = keys(tick(schedule, "2026-01-15T00:00:00+00:00", instance))
        assert (len(found), found[-1]) == (100, "2026-01-05T03:00:00+0000")


class TestDefinition:
    def test_it_is_off_until_somebody_switches_it_on(self, scheduled):
        _, schedule = scheduled()
        assert (schedule.name, schedule.default_status) == ("daily_schedule", DefaultScheduleStatus.STOPPED)

    def test_an_option_has_it_on_from_the_start(self, scheduled):
        _, schedule = scheduled(default_status="RUNNING")
        assert schedule.default_status is DefaultScheduleStatus.RUNNING

    def test_the_option_has_two_values(self, scheduled):
        with pytest.raises(StarlakeError, match="default_status"):
            scheduled(default_status="on")

    def test_a_job_without_partitions_is_refused(self):
        job = JobDefinition(name="j", graph_def=GraphDefinition("j"))
        with pytest.raises(StarlakeError, match="no time-based partitions"):
            partition_schedules.build(job, "@daily", OrchestrationOptions.read({}))
